// How far a request is that is sent again; when both can be shown, the page is loaded anew.
import { say } from "./say.js";

const progress = document.getElementById("progress");
const state = document.getElementById("progress-state");
const QUICK = 400; // ms between two questions
const HIDDEN = 5000; // ms, while the tab is hidden
const PATIENCE = 30; // questions after the end until the row is given up
let after = 0;

function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 999950 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

async function ask() {
  let told;
  try {
    const answer = await fetch(progress.dataset.url, { credentials: "same-origin" });
    told = answer.ok ? await answer.json() : null;
  } catch {
    told = null; // the dashboard is away for a moment
  }
  if (told) {
    if (told.seconds !== undefined) document.getElementById("progress-seconds").textContent = `${told.seconds.toFixed(1)} s`;
    if (told.received !== undefined) document.getElementById("progress-bytes").textContent = size(told.received);
    if (told.text) document.getElementById("progress-text").textContent = told.text;
    const over = told.over ?? true;
    if (over && (told.written || told.error)) return location.reload();
    if (over) after += 1;
    if (after > PATIENCE) {
      state.textContent = say("It is not known what became of it: the dashboard was started again, or the row is no longer kept.");
      return undefined;
    }
    const comes = told.state === "answering" ? say("The answer comes") : say("Waiting for the answer");
    state.textContent = over ? say("The answer is being written down") : comes;
  }
  setTimeout(ask, document.hidden ? HIDDEN : QUICK);
  return undefined;
}

ask();
