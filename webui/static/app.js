// Every page: colours, copying, relative times, filters, the keyboard.
import { ago } from "./format.js";
import { say } from "./say.js";

const THEMES = ["system", "light", "dark"];
const COLOURS = { system: say("Colours: system"), light: say("Colours: light"), dark: say("Colours: dark") };

function setUpTheme() {
  const button = document.getElementById("theme");
  const root = document.documentElement;
  button?.addEventListener("click", () => {
    const next = THEMES[(THEMES.indexOf(root.dataset.theme ?? "system") + 1) % THEMES.length];
    if (next === "system") delete root.dataset.theme;
    else root.dataset.theme = next;
    // The server writes it into the next page, so that no page flashes in the wrong colours.
    document.cookie = `switchman_theme=${next}; path=/; max-age=31536000; samesite=lax`;
    button.querySelector("span").textContent = COLOURS[next];
    document.dispatchEvent(new CustomEvent("themechange"));
  });
}

export function toast(text) {
  const note = document.createElement("div");
  note.className = "toast";
  note.textContent = text;
  document.getElementById("toasts").append(note);
  setTimeout(() => note.remove(), 2500);
}

// The clipboard API exists on https and localhost only; elsewhere a selection is copied the old way.
async function copyText(text) {
  if (window.isSecureContext && navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // refused by the browser: try the other way
    }
  }
  const area = document.createElement("textarea");
  area.value = text;
  area.setAttribute("readonly", "");
  area.className = "visually-hidden";
  const before = document.activeElement;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  before?.focus({ preventScroll: true });
  return done;
}

function setUpCopy() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    event.preventDefault();
    toast((await copyText(button.dataset.copy)) ? say("Copied") : say("The browser did not allow copying"));
  });
}

export function updateTimes() {
  const now = Date.now() / 1000;
  for (const element of document.querySelectorAll("time[data-epoch]")) {
    const text = ago(Number(element.dataset.epoch), now);
    if (element.textContent !== text) element.textContent = text;
  }
}

function setUpFilters() {
  const form = document.getElementById("filters");
  if (!form) return;
  form.addEventListener("change", (event) => {
    if (event.target.matches("select")) form.requestSubmit();
  });
  // Empty fields stay out of the address, so that it says only what is filtered.
  form.addEventListener("formdata", (event) => {
    for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
    // A range from the menu stands for itself.
    if (event.formData.get("range") !== "custom") for (const name of ["from", "to"]) event.formData.delete(name);
  });
}

function rows() {
  return [...document.querySelectorAll("table.requests tbody .row-link")];
}

function moveTo(step) {
  const links = rows();
  if (!links.length) return;
  const current = document.activeElement?.closest("table.requests tbody tr");
  const at = links.findIndex((link) => link.closest("tr") === current);
  const link = links[at < 0 ? 0 : Math.min(links.length - 1, Math.max(0, at + step))];
  link.focus({ preventScroll: true });
  link.closest("tr").scrollIntoView({ block: "nearest" });
}

// What has a tooltip lies above the row's link.
function setUpRows() {
  document.addEventListener("click", (event) => {
    const row = event.target.closest("table.requests tbody tr");
    if (!row || event.target.closest("a, button")) return;
    const { ctrlKey, metaKey, shiftKey } = event;
    row.querySelector(".row-link")?.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, ctrlKey, metaKey, shiftKey }));
  });
}

function setUpKeyboard() {
  const help = document.getElementById("help");
  document.getElementById("help-open")?.addEventListener("click", () => help.showModal());
  const keys = {
    j: () => moveTo(1),
    k: () => moveTo(-1),
    g: () => {
      window.scrollTo({ top: 0 });
      rows()[0]?.focus({ preventScroll: true });
    },
    "/": () => document.getElementById("search")?.select(),
    "?": () => help?.showModal(),
  };
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, select, dialog");
    if (event.key === "Escape" && typing && typing.tagName !== "DIALOG") event.target.blur();
    if (typing || event.ctrlKey || event.metaKey || event.altKey || !(event.key in keys)) return;
    event.preventDefault();
    keys[event.key]();
  });
}

// What a page says once, after a change that led to it.
if (document.body.dataset.toast) {
  toast(document.body.dataset.toast);
  history.replaceState(null, "", location.pathname);
}
setUpTheme();
setUpCopy();
setUpFilters();
setUpRows();
setUpKeyboard();
updateTimes();
setInterval(updateTimes, 1000);
