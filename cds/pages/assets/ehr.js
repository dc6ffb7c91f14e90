// Keeps the strip of studies current while a scan is being read, then goes on to the chart that has the answer.
// Without script the page comes back by itself instead.
"use strict";

const LOOK_MS = 700;
const MOST_LOOKS = 300;

async function follow(strip) {
  for (let look = 0; look < MOST_LOOKS; look += 1) {
    await new Promise((done) => setTimeout(done, LOOK_MS));
    let answer;
    try {
      answer = await fetch(strip.dataset.live, { credentials: "same-origin", cache: "no-store" });
    } catch {
      continue; // the hospital's server is away for a moment: look again
    }
    if (!answer.ok) continue;
    const found = new DOMParser().parseFromString(await answer.text(), "text/html").body.firstElementChild;
    if (found) strip.replaceChildren(found);
    if (answer.headers.get("Ehr-Done")) break;
  }
  location.replace(strip.dataset.then);
}

document.querySelectorAll("[data-live]").forEach(follow);
