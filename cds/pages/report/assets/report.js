// Two conveniences; every page works without them. A supposition is answered in place, and a part of the page that has
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
for (const link of document.querySelectorAll("a[data-part]")) {
  fetch(link.href, { credentials: "same-origin" })
    .then((answer) => (answer.ok ? answer.text() : Promise.reject(new Error(answer.statusText))))
    .then((text) => {
      const part = new DOMParser().parseFromString(text, "text/html").querySelector("#part");
      if (part) link.closest("[data-place]").replaceChildren(...part.childNodes);
    })
    .catch(() => {});
}
