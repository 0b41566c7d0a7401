// Renews the task on its page until it has ended.  Without script the page reloads itself instead.
// The server renders the words; only the section is exchanged, so the reader's place is kept.
"use strict";

const PAUSE_MS = 700;

async function renew() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("task");
  document.getElementById("task").replaceWith(fresh);
  return fresh.dataset.ended === "yes";
}

async function follow() {
  let ended = false;
  while (!ended) {
    await new Promise((done) => setTimeout(done, PAUSE_MS));
    // A service that restarts is asked again; the task goes on after it, and so does its page.
    ended = await renew().catch(() => false);
  }
}

follow();
