// The list of requests: how many requests an export has.

async function countRows(menu) {
  const note = menu.querySelector("[data-count]");
  try {
    const answer = await fetch(note.dataset.count, { headers: { Accept: "application/json" }, credentials: "same-origin" });
    const found = await answer.json();
    note.textContent = note.dataset[found.more ? "more" : found.count === 1 ? "one" : "words"].replace("{}", found.count.toLocaleString("en"));
  } catch {
    note.textContent = note.dataset.unknown;
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
