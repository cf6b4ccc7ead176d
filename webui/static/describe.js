// Rules from words: how far a sentence is; then the draft's rules, diff and trace, as one types.
import { say } from "./say.js";

const QUICK = 400; // ms between two questions
const HIDDEN = 5000; // ms, while the tab is hidden
const MISSED = 20; // answers in a row that did not come, until it is given up

function setUpProgress() {
  const card = document.getElementById("describe-progress");
  if (!card) return;
  const state = document.getElementById("progress-state");
  const text = document.getElementById("progress-text");
  let missed = 0;

  async function ask() {
    let told = null;
    try {
      const answer = await fetch(card.dataset.url, { credentials: "same-origin" });
      if (answer.ok) told = await answer.json();
      else if (answer.status === 404) missed = MISSED;
    } catch {
      // the dashboard is away for a moment
    }
    if (told?.over) return location.reload();
    missed = told ? 0 : missed + 1;
    if (missed >= MISSED) {
      state.textContent = state.dataset.gone;
      return undefined;
    }
    if (told) {
      document.getElementById("progress-seconds").textContent = `${told.seconds.toFixed(1)} s`;
      if (told.state === "answering") state.textContent = state.dataset.answering;
      if (told.text) {
        text.hidden = false;
        text.textContent = told.text;
        text.scrollTop = text.scrollHeight;
      }
    }
    setTimeout(ask, document.hidden ? HIDDEN : QUICK);
    return undefined;
  }
  ask();
}

function setUpDraft() {
  const form = document.getElementById("text-form");
  const drafted = document.getElementById("drafted");
  if (!form || !drafted) return;
  const area = document.getElementById("text");

  // rules.js has asked for what is wrong; the answer has the pieces of this page too, made and escaped by the server.
  form.addEventListener("checked", (event) => {
    drafted.innerHTML = event.detail.rules;
    document.getElementById("draft-diff").innerHTML = event.detail.diff;
  });
  document.getElementById("place").addEventListener("change", () => area.dispatchEvent(new Event("input")));
  drafted.addEventListener("click", (event) => {
    const place = event.target.closest("[data-line]");
    if (!place) return;
    event.preventDefault();
    const before = area.value.split("\n").slice(0, place.dataset.line - 1);
    const at = before.reduce((sum, line) => sum + line.length + 1, 0) + Math.max(0, Number(place.dataset.column) - 1);
    area.focus();
    area.setSelectionRange(at, at);
  });

  const trace = document.getElementById("trace");
  async function tryIt() {
    const answer = await fetch(form.dataset.try, {
      method: "POST",
      body: new FormData(form),
      headers: { "X-CSRF-Token": form.elements.csrf.value },
    });
    const told = await answer.json();
    if (told.html) {
      trace.innerHTML = told.html;
      return;
    }
    const line = document.createElement("p");
    line.className = "problem";
    line.textContent = told.error || say("This could not be tried ({status}).", { status: answer.status });
    trace.replaceChildren(line);
  }
  form.querySelector("[name=try]").addEventListener("click", (event) => {
    event.preventDefault();
    tryIt().catch(() => {});
  });
}

setUpProgress();
setUpDraft();
