// The live list: asks for the newest page of the same address and puts rows it has not seen in their place.
// Slower while the tab is hidden or the server does not answer; while one scrolls, new rows wait behind a button.
import { updateTimes } from "./app.js";
import { say } from "./say.js";

const QUICK = 2000; // ms between two questions
const SLOW = 60000; // ms: the longest wait of a hidden tab
const AWAY = 10000; // ms: the longest wait for a dashboard that does not answer
const FIGURES = 10000; // ms between two looks at the figures: they go over many rows
const NEAR_TOP = 48; // px scrolled: still reading the newest rows

const table = document.getElementById("requests");
const body = document.getElementById("rows");
const underway = document.getElementById("underway"); // requests that are not over yet
const badge = document.getElementById("live");
const pause = document.getElementById("pause");
const news = document.getElementById("news");
const pageRows = Number(table.dataset.rows);

let cursor = table.dataset.live; // where the next question goes on from
let wait = QUICK;
let timer = 0;
let paused = false;
let waiting = []; // rows that came while one was scrolling or had paused
let anew = false; // what is shown no longer follows from what came: the list is filled again
let figuresAt = Date.now(); // when the figures were last asked for
let figuresOld = false; // rows have come since

function showState(state, text) {
  badge.dataset.state = state;
  badge.lastElementChild.textContent = text;
}

// The server escapes every value it puts into a row (Jinja), and the page's policy runs no inline script.
function parseRow(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.querySelector("tr");
}

function insert(items) {
  const seen = new Set([...body.rows].map((row) => row.dataset.id));
  for (const item of items) {
    if (seen.has(item.id)) continue;
    const row = parseRow(item.html);
    row.classList.add("fresh");
    // A long request ends after shorter ones that began later: it goes where its beginning belongs.
    const next = [...body.rows].find((other) => Number(other.dataset.epoch) <= item.started_at);
    body.insertBefore(row, next ?? null);
    seen.add(item.id);
  }
  while (body.rows.length > pageRows && !body.lastElementChild.contains(document.activeElement)) {
    body.lastElementChild.remove();
  }
  showOrHide();
  updateTimes();
}

function showOrHide() {
  const some = body.rows.length + underway.rows.length > 0;
  table.hidden = !some;
  document.getElementById("empty").hidden = some;
}

// They stand above the others, so they wait while one scrolls; one that has its row by now is not shown twice.
function showUnderway(html) {
  if (isHeld() || underway.contains(document.activeElement)) return;
  underway.innerHTML = html;
  const over = new Set([...body.rows].map((row) => row.dataset.id));
  for (const row of [...underway.rows]) if (over.has(row.dataset.underway)) row.remove();
  showOrHide();
  updateTimes();
}

async function ask(url) {
  const answer = await fetch(url, { headers: { Accept: "application/json" }, credentials: "same-origin" });
  if (!answer.ok) throw Object.assign(new Error(`status ${answer.status}`), { status: answer.status });
  return answer.json();
}

async function refreshFigures() {
  const figures = document.getElementById("summary");
  if (!figuresOld || isHeld() || figures.contains(document.activeElement) || Date.now() - figuresAt < FIGURES) return;
  figuresAt = Date.now();
  figuresOld = false;
  figures.innerHTML = (await ask(table.dataset.summary)).html;
}

function isHeld() {
  return paused || window.scrollY > NEAR_TOP;
}

// Show what has come, or say that it waits.
function settle() {
  if (!isHeld()) {
    showState("live", say("Live"));
    if (anew) body.replaceChildren();
    insert(waiting);
    waiting = [];
    anew = false;
  } else if (paused) {
    showState("paused", waiting.length ? say("Paused, {count} new", { count: waiting.length }) : say("Paused"));
  } else {
    showState("paused", say("Paused while scrolled"));
  }
  news.hidden = waiting.length === 0 || paused;
  news.firstElementChild.textContent = waiting.length === 1 ? say("1 new request") : say("{count} new requests", { count: waiting.length });
}

async function take() {
  let data = await ask(`${table.dataset.url}&after=${cursor}`);
  if (data.more) {
    // Too many to follow, or a log that was emptied: start again from the newest page.
    data = await ask(table.dataset.url);
    waiting = [];
    anew = true;
  }
  cursor = data.live;
  waiting = [...data.rows, ...waiting].slice(0, pageRows);
  settle();
  showUnderway(data.underway);
  figuresOld ||= data.rows.length > 0;
  await refreshFigures();
}

async function poll() {
  clearTimeout(timer);
  try {
    await take();
    wait = document.hidden ? Math.min(wait * 2, SLOW) : QUICK;
  } catch (error) {
    if (error.status === 401 || error.status === 403) {
      showState("offline", say("Signed out: reload the page"));
      return;
    }
    wait = Math.min(wait * 2, document.hidden ? SLOW : AWAY);
    showState("offline", say("No answer, trying again"));
  }
  clearTimeout(timer);
  timer = setTimeout(poll, wait);
}

if ("live" in table.dataset) {
  timer = setTimeout(poll, QUICK);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    wait = QUICK;
    poll();
  });
  window.addEventListener("scroll", settle, { passive: true });
  news.firstElementChild.addEventListener("click", () => window.scrollTo({ top: 0 }));
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? say("Resume") : say("Pause");
    settle();
  });
}
