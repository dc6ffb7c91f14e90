// Moving a threshold redraws its figures at once, from the table that stands in the page. Without this script the same
// choice is made by a list and a button.
"use strict";
for (const dial of document.querySelectorAll("[data-dial]")) {
  const form = dial.querySelector("form.mover");
  const slider = form.querySelector("input[type=range]");
  const list = form.querySelector("select");
  const shown = [...dial.querySelectorAll("[data-figures] dd")];
  const rows = [...dial.querySelectorAll("tr[data-row]")];
  const kept = document.querySelector(`[data-save] [data-place="${dial.dataset.dial}"]`);
  const others = document.querySelectorAll(`form.mover input[name="v${dial.dataset.dial}"]`);
  const move = (place) => {
    const cells = [...rows[place].querySelectorAll("th, td")];
    shown.forEach((figure, n) => { figure.innerHTML = cells[n].innerHTML; });
    rows.forEach((row, n) => row.classList.toggle("chosen", n === place));
    for (const point of dial.querySelectorAll("[data-part^='point-']")) {
      point.classList.toggle("chosen", point.dataset.part === `point-${place}`);
    }
    slider.value = list.value = String(place);
    slider.setAttribute("aria-valuetext", cells[0].textContent);
    for (const field of [kept, ...others]) field.value = String(place);
  };
  slider.hidden = false;
  form.querySelector("button").hidden = true;
  slider.addEventListener("input", () => move(Number(slider.value)));
  list.addEventListener("change", () => move(Number(list.value)));
  form.addEventListener("submit", (event) => { event.preventDefault(); move(Number(list.value)); });
  move(Number(list.value));
}
