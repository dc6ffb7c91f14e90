// Conveniences; every page works without them. A supposition is answered in place, and a part of the page that has
// to be fetched from record or archive is put where its link stands.
"use strict";
for (const form of document.querySelectorAll("form[data-what-if]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const place = form.querySelector("[data-supposed]");
    form.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(form.action, { method: "POST", body: new FormData(form), credentials: "same-origin" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const found = page.querySelector("#supposed");
      if (!answer.ok || !found) { HTMLFormElement.prototype.submit.call(form); return; }
      place.replaceChildren(...found.childNodes);
    } catch {
      HTMLFormElement.prototype.submit.call(form);
    } finally {
      form.removeAttribute("aria-busy");
    }
  });
}
const take = async (place, address) => {
  place.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(address, { credentials: "same-origin" });
    const part = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("#part");
    if (!answer.ok || !part) throw new Error(answer.statusText);
    place.replaceChildren(...part.childNodes);
    return true;
  } catch {
    if (!place.querySelector(":scope > [role=status]")) {
      const said = document.createElement("p");
      said.setAttribute("role", "status");
      said.className = "research";
      said.textContent = place.dataset.failed;
      place.prepend(said);
    }
    return false;
  } finally {
    place.removeAttribute("aria-busy");
  }
};
// asked for when the reader comes near it: record and archive are the hospital's, and most readers stay at the top; a
// screen ahead, so that it is there before the reader is
const places = new Map([...document.querySelectorAll("a[data-part]")].map((link) => [link.closest("[data-place]"), link.href]));
const near = new IntersectionObserver(
  (seen) => {
    for (const one of seen) {
      if (!one.isIntersecting) continue;
      near.unobserve(one.target);
      take(one.target, places.get(one.target));
    }
  },
  { rootMargin: "100%" },
);
for (const place of places.keys()) near.observe(place);
// another slice or window of a scan: in place, with the focus where it was
document.addEventListener("click", async (event) => {
  const link = event.target.closest("[data-place] a[href]");
  if (!link || link.target || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const place = link.closest("[data-place]");
  if (new URL(link.href).pathname !== new URL(places.get(place)).pathname) return;
  event.preventDefault();
  const name = (one) => one.getAttribute("aria-label") || one.textContent.trim();
  const at = [...place.querySelectorAll("a[href]")].indexOf(link);
  if (!(await take(place, link.href))) return;
  const fresh = [...place.querySelectorAll("a[href]")];
  (fresh.find((one) => name(one) === name(link)) || fresh[at])?.focus({ preventScroll: true });
});
const print = document.querySelector("[data-print]");
if (print) {
  print.hidden = false;
  print.addEventListener("click", async () => {
    // what has not been scrolled to yet belongs on the paper, too
    const waiting = [...places].filter(([place]) => place.querySelector("a[data-part]"));
    await Promise.all(waiting.map(([place, address]) => (near.unobserve(place), take(place, address))));
    window.print();
  });
}
