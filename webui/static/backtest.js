// A form with data-backtest sends itself, and shows the answer beside it; without script it is a form like any other.
import { updateTimes } from "./app.js";

function resultOf(form) {
  return form.parentElement.querySelector(".backtest-result");
}

async function replay(form) {
  const sent = new FormData(form);
  const source = form.dataset.backtestSource && document.querySelector(form.dataset.backtestSource);
  if (source) {
    sent.set("which", "text");
    sent.set("rules", source.value);
  }
  const button = form.querySelector("button");
  const [busy, failed, result] = [form.querySelector("[data-backtest-busy]"), form.querySelector("[data-backtest-failed]"), resultOf(form)];
  button.disabled = true;
  busy.hidden = false;
  failed.hidden = true;
  result.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(form.dataset.backtest, { method: "POST", body: new URLSearchParams(sent), headers: { Accept: "text/html" } });
    // Rules that are broken, and a back-test that still runs, are told in the part, too.
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    result.replaceChildren(...page.body.childNodes);
    updateTimes();
  } catch {
    failed.hidden = false;
  } finally {
    button.disabled = false;
    busy.hidden = true;
    result.removeAttribute("aria-busy");
  }
}

document.addEventListener("submit", (event) => {
  const form = event.target.closest("form[data-backtest]");
  if (!form) return;
  event.preventDefault();
  replay(form);
});
