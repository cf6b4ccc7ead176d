// What happens while a page is open: rules that are loaded or refused, breakers, budgets (pages/overview/news.py).
// Asks less often while the tab is hidden. Where it is, it keeps for the tab's next page, so that nothing is shown twice;
// the tab's first page begins with what comes after it.
const OFTEN = 5000; // ms between two questions
const SLOW = 60000; // ms: the longest wait of a hidden tab, or for a dashboard that does not answer
const SHOWN = 15000; // ms; what is wrong stays until it is dismissed
const MOST = 3; // at once; the oldest goes first
const KEPT = "switchman_news";

const place = document.getElementById("toasts");
let wait = OFTEN;
let timer = 0;
let asking = false;
let memory = ""; // where there is no storage

function cursor() {
  try {
    return sessionStorage.getItem(KEPT) ?? "";
  } catch {
    return ""; // storage is switched off
  }
}

function keep(value) {
  try {
    sessionStorage.setItem(KEPT, value);
  } catch {
    memory = value;
  }
}

function show({ tone, title, text }) {
  const note = document.createElement("div");
  note.className = `toast told ${tone}`;
  const words = document.createElement("div");
  const head = document.createElement("strong");
  const said = document.createElement("p");
  head.textContent = title;
  said.textContent = text;
  words.append(head, said);
  const close = document.createElement("button");
  close.type = "button";
  close.className = "toast-close";
  close.setAttribute("aria-label", place.dataset.dismiss);
  close.textContent = "\u00d7";
  close.addEventListener("click", () => note.remove());
  note.append(words, close);
  const before = place.querySelectorAll(".told");
  for (const old of [...before].slice(0, Math.max(0, before.length + 1 - MOST))) old.remove();
  place.append(note);
  if (tone === "bad") return;
  const leave = () => (note.matches(":hover, :focus-within") ? setTimeout(leave, SHOWN) : note.remove());
  setTimeout(leave, SHOWN);
}

async function ask() {
  if (asking) return;
  clearTimeout(timer);
  asking = true;
  try {
    const from = cursor() || memory;
    const answer = await fetch(`${document.body.dataset.news}?after=${encodeURIComponent(from)}`, { headers: { Accept: "application/json" }, credentials: "same-origin" });
    if (answer.status === 401 || answer.status === 403) return;
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const told = await answer.json();
    keep(told.cursor);
    for (const one of told.news.slice(-MOST)) show(one);
    wait = document.hidden ? Math.min(wait * 2, SLOW) : OFTEN;
  } catch {
    wait = Math.min(wait * 2, SLOW);
  } finally {
    asking = false;
  }
  timer = setTimeout(ask, wait);
}

ask();
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  wait = OFTEN;
  ask();
});
