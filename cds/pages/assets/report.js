// The report works without this: it takes in the parts that links would open, and answers a form in its place.
(() => {
  "use strict";
  const part = (address, options = {}) =>
    fetch(address, { ...options, headers: { "X-Part": "1" }, credentials: "same-origin", redirect: "error" });
  const isPart = (answer) => (answer.headers.get("Content-Type") || "").startsWith("text/html");

  const take = async (box, address) => {
    box.setAttribute("aria-busy", "true");
    try {
      const answer = await part(address);
      if (!answer.ok || !isPart(answer)) throw new Error(answer.status);
      box.innerHTML = await answer.text();
      return true;
    } catch {
      const said = document.createElement("p");
      said.className = "notice bad";
      said.setAttribute("role", "status");
      said.textContent = box.dataset.failed;
      if (!box.querySelector(":scope > .notice")) box.prepend(said);
      return false;
    } finally {
      box.removeAttribute("aria-busy");
    }
  };

  const boxes = document.querySelectorAll("[data-lazy]");
  const near = new IntersectionObserver(
    (seen) => {
      for (const one of seen) {
        if (!one.isIntersecting) continue;
        near.unobserve(one.target);
        take(one.target, one.target.dataset.lazy);
      }
    },
    { rootMargin: "400px" },
  );
  boxes.forEach((box) => near.observe(box));

  // another slice, another window: in place, with the focus where it was
  document.addEventListener("click", async (event) => {
    const link = event.target.closest("[data-lazy] a[href]");
    if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || link.target) return;
    const box = link.closest("[data-lazy]");
    const href = link.getAttribute("href");
    if (href !== box.dataset.lazy && !href.startsWith(`${box.dataset.lazy}?`)) return;
    event.preventDefault();
    const links = [...box.querySelectorAll("a[href]")];
    const at = links.indexOf(link);
    const name = link.getAttribute("aria-label") || link.textContent;
    if (await take(box, href)) {
      const fresh = [...box.querySelectorAll("a[href]")];
      const same = fresh.find((one) => (one.getAttribute("aria-label") || one.textContent) === name);
      (same || fresh[at] || box).focus({ preventScroll: true });
    }
  });

  document.addEventListener("submit", async (event) => {
    const form = event.target.closest("form[data-live]");
    if (!form) return;
    event.preventDefault();
    const box = document.getElementById(form.dataset.live);
    box.setAttribute("aria-busy", "true");
    try {
      const answer = await part(form.getAttribute("action"), { method: "POST", body: new URLSearchParams(new FormData(form)) });
      if (![200, 422].includes(answer.status) || !isPart(answer)) throw new Error(answer.status);
      const made = document.createElement("template");
      made.innerHTML = await answer.text();
      const fresh = made.content.firstElementChild;
      box.replaceWith(fresh);
      fresh.querySelector(".outcome").focus();
    } catch {
      form.submit(); // the page itself says what is wrong
    }
  });

  const print = document.querySelector("[data-print]");
  if (print) {
    print.hidden = false;
    print.addEventListener("click", async () => {
      // what the reader has not scrolled to yet belongs on the paper, too
      await Promise.all([...boxes].filter((box) => box.querySelector(":scope > p > a")).map((box) => (near.unobserve(box), take(box, box.dataset.lazy))));
      window.print();
    });
  }
})();
