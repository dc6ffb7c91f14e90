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
// browsers' own anchoring lets go where the height of what they hold on to changes, so it is done here
document.documentElement.style.overflowAnchor = "none";
const steady = (where, change) => {
  const before = where();
  change();
  scrollBy({ top: where() - before, behavior: "instant" });
};
// who reads below a place stays where they are when it becomes higher or lower; who waits for it sees its beginning
const arriving = (place, change) => {
  const { top, bottom } = place.getBoundingClientRect();
  if (top < 0 && bottom < innerHeight / 2) steady(() => place.getBoundingClientRect().bottom, change);
  else change();
};
const take = async (place, address, put = arriving) => {
  place.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(address, { credentials: "same-origin" });
    const part = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("#part");
    if (!answer.ok || !part) throw new Error(answer.statusText);
    put(place, () => place.replaceChildren(...part.childNodes));
  } catch {
    if (place.querySelector(":scope > [role=status]")) return;
    const said = document.createElement("p");
    said.setAttribute("role", "status");
    said.className = "research";
    said.textContent = place.dataset.failed;
    arriving(place, () => place.prepend(said));
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
// another slice or window of a scan: in place, with focus and control where they were
document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-place] a[href]");
  if (!link || link.target || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const place = link.closest("[data-place]");
  if (new URL(link.href).pathname !== new URL(places.get(place)).pathname) return;
  event.preventDefault();
  const name = (one) => one.getAttribute("aria-label") || one.textContent.trim();
  const at = [...place.querySelectorAll("a[href]")].indexOf(link);
  let control = link;
  take(place, link.href, (_, change) =>
    steady(() => control.getBoundingClientRect().top, () => {
      change();
      const fresh = [...place.querySelectorAll("a[href]")];
      control = fresh.find((one) => name(one) === name(link)) || fresh[at] || place;
      control.focus({ preventScroll: true });
    }),
  );
});
const print = document.querySelector("[data-print]");
if (print) {
  print.style.visibility = "visible";
  print.addEventListener("click", async () => {
    // what has not been scrolled to yet belongs on the paper, too
    const waiting = [...places].filter(([place]) => place.querySelector("a[data-part]"));
    await Promise.all(waiting.map(([place, address]) => (near.unobserve(place), take(place, address))));
    window.print();
  });
}
