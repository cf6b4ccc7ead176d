// The list of requests: how many requests an export has.
import { say } from "./say.js";

function counted(found) {
  const count = found.count.toLocaleString("en");
  if (found.more) return say("More than {count} requests, as they are filtered now", { count });
  return found.count === 1 ? say("1 request, as they are filtered now") : say("{count} requests, as they are filtered now", { count });
}

async function countRows(menu) {
  const note = menu.querySelector("[data-count]");
  try {
    const answer = await fetch(note.dataset.count, { headers: { Accept: "application/json" }, credentials: "same-origin" });
    const found = await answer.json();
    note.textContent = counted(found);
  } catch {
    note.textContent = say("As they are filtered now");
  }
}

function setUpExport() {
  const menu = document.getElementById("export");
  menu?.addEventListener("toggle", () => {
    if (menu.open) countRows(menu);
  });
  document.addEventListener("click", (event) => {
    if (menu?.open && (!menu.contains(event.target) || event.target.closest("a"))) menu.open = false;
  });
  menu?.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
}

setUpExport();
