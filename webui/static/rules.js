// The page of rules: rules are put in order by drag or by keys. The editor: line numbers, and what is wrong as one types.
import { say } from "./say.js";

const WAIT = 400; // milliseconds after the last key, until the text is looked over

function setUpOrder() {
  const list = document.getElementById("routes");
  const form = document.getElementById("moved-form");
  if (!list || !form) return;
  const rows = () => [...list.querySelectorAll(":scope > .route")];
  const start = rows().map((row) => row.dataset.at);
  let moved = null;

  // One rule at a time: the review shows what its move changes in the file.
  function tell(row) {
    const now = rows();
    now.forEach((one, index) => {
      one.querySelector(".route-number").textContent = list.start + index;
      const [up, down] = one.querySelectorAll("[data-move]");
      up.disabled = index === 0;
      down.disabled = index === now.length - 1;
    });
    const same = now.every((one, index) => one.dataset.at === start[index]);
    moved = same ? null : row;
    form.hidden = same;
    for (const one of now) {
      const locked = moved !== null && one !== moved;
      one.draggable = !locked;
      for (const button of one.querySelectorAll(".route-tools button")) if (locked) button.disabled = true;
      if (!locked) one.querySelectorAll(".route-tools button:not([data-move])").forEach((button) => (button.disabled = moved !== null));
    }
    if (moved === null) return;
    const number = list.start - 1 + now.indexOf(moved);
    document.getElementById("moved-edit").value = JSON.stringify({ do: "place", at: Number(moved.dataset.at), number });
    document.getElementById("moved-words").textContent = say("{name}: {number}", { name: moved.querySelector("strong").textContent, number: number + 1 });
  }

  list.addEventListener("click", (event) => {
    const button = event.target.closest("[data-move]");
    if (!button) return;
    event.preventDefault();
    const row = button.closest(".route");
    const other = button.dataset.move === "1" ? row.nextElementSibling : row.previousElementSibling;
    if (!other) return;
    if (button.dataset.move === "1") other.after(row);
    else other.before(row);
    tell(row);
    const again = button.disabled ? row.querySelector("[data-move]:not(:disabled)") : button;
    (again ?? button).focus();
  });

  let dragged = null;
  for (const row of rows()) {
    row.draggable = true;
    row.classList.add("can-move");
    row.addEventListener("dragstart", (event) => {
      dragged = row;
      event.dataTransfer.effectAllowed = "move";
      event.dataTransfer.setData("text/plain", row.dataset.at);
      row.classList.add("is-dragged");
    });
    row.addEventListener("dragover", (event) => {
      if (!dragged || dragged === row) return;
      event.preventDefault();
      const box = row.getBoundingClientRect();
      if (event.clientY < box.top + box.height / 2) row.before(dragged);
      else row.after(dragged);
    });
    row.addEventListener("drop", (event) => event.preventDefault());
    row.addEventListener("dragend", () => {
      row.classList.remove("is-dragged");
      dragged = null;
      tell(row);
    });
  }
}

function problemRow(one) {
  const row = document.createElement("li");
  const word = document.createElement("span");
  word.className = `status ${one.severity === "error" ? "bad" : "warn"}`;
  word.textContent = one.severity === "error" ? say("error") : say("warning");
  row.className = one.severity === "error" ? "is-error" : "is-warning";
  row.append(word, " ");
  if (one.line) {
    const place = document.createElement("a");
    place.href = "#text";
    Object.assign(place.dataset, { line: one.line, column: one.column });
    place.textContent = say("line {line}, column {column}", { line: one.line, column: one.column });
    row.append(place, " ");
  }
  // Words of our own first, where there are some; the reader's, which are English, behind them.
  if (one.plain) row.append(one.plain, " ");
  const text = document.createElement("span");
  text.textContent = one.text;
  if (one.plain) text.className = "muted";
  if (one.line) text.lang = "en";
  row.append(text);
  return row;
}

export function showProblems(list, problems) {
  list.replaceChildren(...problems.map(problemRow));
}

function setUpText() {
  const form = document.getElementById("text-form");
  if (!form) return;
  const area = document.getElementById("text");
  const lines = document.getElementById("lines");
  const list = document.getElementById("problems");
  let timer = 0;
  let asked = 0;

  function number(problems = []) {
    const count = area.value.split("\n").length;
    const marks = new Map(problems.map((one) => [one.line, one.severity]));
    lines.replaceChildren(
      ...Array.from({ length: count }, (_, index) => {
        const line = document.createElement("span");
        line.textContent = index + 1;
        if (marks.has(index + 1)) line.className = marks.get(index + 1) === "error" ? "is-error" : "is-warning";
        return line;
      }),
    );
    lines.scrollTop = area.scrollTop;
  }

  async function check() {
    const turn = ++asked;
    const answer = await fetch(form.dataset.check, { method: "POST", body: new FormData(form), headers: { "X-CSRF-Token": form.elements.csrf.value } });
    if (turn !== asked) return;
    const verdict = document.getElementById("verdict");
    if (!answer.ok) {
      verdict.textContent = say("The text could not be looked over ({status}).", { status: answer.status });
      return;
    }
    const found = await answer.json();
    showProblems(list, found.problems);
    number(found.problems);
    form.dispatchEvent(new CustomEvent("checked", { detail: found }));
    verdict.textContent = found.good ? (verdict.dataset.good ?? say("The router would take this.")) : say("The router would not take this.");
    verdict.dataset.state = found.good ? "good" : "bad";
  }

  area.addEventListener("input", () => {
    number();
    clearTimeout(timer);
    timer = setTimeout(() => check().catch(() => {}), WAIT);
  });
  area.addEventListener("scroll", () => (lines.scrollTop = area.scrollTop));
  // Tab indents, as in an editor; Escape first, then Tab, leaves the field.
  let leaving = false;
  area.addEventListener("keydown", (event) => {
    if (event.key === "Escape") leaving = true;
    else if (event.key === "Tab" && !event.shiftKey && !leaving) {
      event.preventDefault();
      area.setRangeText("  ", area.selectionStart, area.selectionEnd, "end");
      area.dispatchEvent(new Event("input"));
    } else if (event.key !== "Tab") leaving = false;
  });
  list.addEventListener("click", (event) => {
    const place = event.target.closest("[data-line]");
    if (!place) return;
    event.preventDefault();
    const before = area.value.split("\n").slice(0, place.dataset.line - 1);
    const at = before.reduce((sum, line) => sum + line.length + 1, 0) + Number(place.dataset.column) - 1;
    area.focus();
    area.setSelectionRange(at, at);
    area.scrollTop = Math.max(0, before.length * 20 - area.clientHeight / 2);
  });
  let saved = false;
  const first = area.value;
  form.addEventListener("submit", () => (saved = true));
  addEventListener("beforeunload", (event) => {
    if (!saved && area.value !== first) event.preventDefault();
  });
  number();
  if (area.value.trim()) check().catch(() => {});
}

setUpOrder();
setUpText();
