// One rule as a form. It edits the route's own values; what it does not touch, and keys that it does not know, stay.
import { showProblems } from "./rules.js";
import { say } from "./say.js";

const WAIT = 300; // milliseconds after the last change, until the file's change is shown
const form = document.getElementById("rule-form");
const spec = JSON.parse(form.dataset.spec);
const route = JSON.parse(form.dataset.route);
let serial = 0;

function make(tag, properties = {}, ...children) {
  const { dataset, ...rest } = properties;
  const found = Object.assign(document.createElement(tag), rest);
  Object.assign(found.dataset, dataset ?? {});
  found.append(...children.filter((child) => child !== null));
  return found;
}

const button = (text, label, act, danger = false) =>
  make("button", { type: "button", className: `button small${danger ? " danger" : ""}`, ariaLabel: label, title: label, onclick: act }, text);

function labelled(text, control, hint = "") {
  control.id ||= `field-${++serial}`;
  const label = make("label", { htmlFor: control.id }, text);
  const told = hint ? make("p", { className: "muted", id: `${control.id}-told` }, hint) : null;
  if (told) control.setAttribute("aria-describedby", told.id);
  return make("div", { className: "field" }, label, control, told);
}

function input(value, act, properties = {}) {
  const { list, ...rest } = properties;
  const found = make("input", { autocomplete: "off", spellcheck: false, value: value ?? "", ...rest });
  if (list) found.setAttribute("list", list);
  found.addEventListener("input", () => {
    act(found.value);
    changed();
  });
  return found;
}

function select(options, value, act) {
  const found = make("select", {}, ...options.map(([key, text]) => make("option", { value: key, selected: key === value }, text)));
  found.addEventListener("change", () => {
    act(found.value);
    changed();
  });
  return found;
}

const put = (owner, key, value) => (value === undefined ? delete owner[key] : (owner[key] = value));
const number = (text) => (text.trim() === "" || Number.isNaN(Number(text)) ? (text.trim() === "" ? undefined : text) : Number(text));
const many = (value) => (Array.isArray(value) ? value : value === undefined || value === null ? [] : [value]);
// Several values are written with commas between; one with a comma in it, in quotes.
const quoted = (text) => (/[",]/.test(text) ? `"${text.replaceAll('"', '\\"')}"` : text);
const joined = (value) => many(value).map((one) => quoted(String(one))).join(", ");

function split(text) {
  const found = [];
  for (const match of text.matchAll(/\s*(?:"((?:[^"\\]|\\.)*)"\s*(?=,|$)|([^,]+))/g)) {
    const one = match[1] === undefined ? match[2].trim() : match[1].replaceAll('\\"', '"');
    if (one !== "") found.push(one);
  }
  return found;
}

// ---- a condition each: what is shown of a value, and what is made of what is typed

const controls = {
  model: (owner, field) => [input(owner[field.key], (text) => put(owner, field.key, text), { list: "offered-models" })],
  text: (owner, field) => [input(owner[field.key], (text) => put(owner, field.key, text))],
  number: (owner, field) => [input(owner[field.key], (text) => put(owner, field.key, number(text)), { inputMode: "decimal" })],
  texts: (owner, field) => [
    input(joined(owner[field.key]), (text) => put(owner, field.key, split(text)), { placeholder: say("one, or several with commas between") }),
  ],
  range(owner, field) {
    const set = (end) => (text) => {
      const range = { ...(owner[field.key] ?? {}) };
      put(range, end, number(text));
      put(owner, field.key, range);
    };
    const now = owner[field.key] ?? {};
    return ["min", "max"].map((end) =>
      make("label", { className: "inline" }, end === "min" ? say("at least") : say("at most"), input(now[end], set(end), { inputMode: "numeric", size: 8 })),
    );
  },
  bool: (owner, field) => [
    select([["true", say("yes")], ["false", say("no")]], String(owner[field.key] ?? true), (value) => put(owner, field.key, value === "true")),
  ],
  choices: (owner, field) => [boxes(field.options, many(owner[field.key]), (chosen) => put(owner, field.key, chosen))],
  task(owner, field) {
    const now = owner[field.key];
    const is = { types: many(now?.types ?? (now && !now.types && typeof now === "object" && !Array.isArray(now) ? [] : now)), sure: now?.min_confidence };
    const set = () => put(owner, field.key, is.sure === undefined ? is.types : { types: is.types, min_confidence: is.sure });
    return [
      boxes(spec.tasks, is.types, (chosen) => ((is.types = chosen), set())),
      make("label", { className: "inline" }, say("at least this sure, 0 to 1"), input(is.sure, (text) => ((is.sure = number(text)), set()), { inputMode: "decimal", size: 4 })),
    ];
  },
  time(owner, field) {
    const now = owner[field.key];
    const is = typeof now === "string" ? { between: now } : { ...(now ?? {}) };
    const set = () => put(owner, field.key, is.days === undefined ? is.between : { ...is });
    const days = boxes(spec.days, is.days === undefined ? spec.days : many(is.days), (chosen) => {
      is.days = chosen.length === spec.days.length ? undefined : chosen;
      set();
    });
    return [input(is.between, (text) => ((is.between = text), set()), { placeholder: "09:00-17:30", size: 12 }), days];
  },
  header: (owner, field) => pairs(owner, field, "x-team", say("values, or empty for any"), (value) => (value === true ? "" : joined(value)), (text) => (text.trim() === "" ? true : split(text))),
  health: (owner, field) => pairs(owner, field, say("server"), spec.health.join(", "), joined, split, "offered-servers"),
};

function boxes(options, chosen, act) {
  const now = new Set(chosen);
  return make(
    "span",
    { className: "boxes" },
    ...options.map((option) => {
      const box = make("input", { type: "checkbox", checked: now.has(option) });
      box.addEventListener("change", () => {
        if (box.checked) now.add(option);
        else now.delete(option);
        act([...chosen.filter((one) => now.has(one)), ...options.filter((one) => now.has(one) && !chosen.includes(one))]);
        changed();
      });
      return make("label", { className: "inline" }, box, option);
    }),
  );
}

// A mapping of names to values, a line each.
function pairs(owner, field, name, value, show, read, list) {
  const frame = make("div", { className: "pairs" });
  const rows = Object.entries(owner[field.key] ?? {});
  const set = () => put(owner, field.key, Object.fromEntries(rows.filter(([key]) => key !== "")));
  function draw() {
    frame.replaceChildren(
      ...rows.map((row, index) =>
        make(
          "div",
          { className: "pair" },
          input(row[0], (text) => ((row[0] = text), set()), { placeholder: name, ariaLabel: say("{key}: name", { key: field.key }), list }),
          input(show(row[1]), (text) => ((row[1] = read(text)), set()), { placeholder: value, ariaLabel: say("{key}: values", { key: field.key }) }),
          button("×", say("Take this line out"), () => (rows.splice(index, 1), set(), draw(), changed())),
        ),
      ),
      button(say("Add a line"), say("Add a line to {key}", { key: field.key }), () => (rows.push(["", read("")]), draw())),
    );
  }
  if (!rows.length) rows.push(["", read("")]);
  draw();
  return [frame];
}

const empty = { texts: [], choices: [], range: {}, task: [], time: "", header: {}, health: {}, bool: true, number: 0, text: "", model: "auto" };
const fieldOf = (key) => spec.match.find((field) => field.key === key);

// The conditions of one `match` ("" as `title`), or of a part of `all`, `any` or `not`.
function conditions(match, title) {
  const frame = make("div", { className: "conditions" });
  function draw() {
    const known = Object.keys(match).filter(fieldOf);
    frame.replaceChildren(...known.map((key) => condition(match, fieldOf(key), draw)), adder(match, draw, title, frame));
  }
  draw();
  return frame;
}

function adder(match, draw, title, frame) {
  const left = spec.match.filter((field) => !(field.key in match));
  const found = make(
    "select",
    { ariaLabel: title ? say("Add a condition to {part}", { part: title }) : say("Add a condition to the rule") },
    make("option", { value: "" }, say("Add a condition")),
    ...left.map((field) => make("option", { value: field.key }, field.kind === "nested" ? say("{key}: {words}", { key: field.key, words: field.words }) : field.key)),
  );
  found.addEventListener("change", () => {
    const field = fieldOf(found.value);
    if (!field) return;
    match[field.key] = field.kind === "nested" ? (field.key === "not" ? {} : [{}]) : structuredClone(empty[field.kind]);
    draw();
    frame.querySelector(`:scope > [data-key="${field.key}"] :is(input, select)`)?.focus();
    changed();
  });
  return found;
}

function condition(match, field, draw) {
  const remove = button("×", say("Take {key} out", { key: field.key }), () => (delete match[field.key], draw(), changed()), true);
  if (field.kind === "nested") return nested(match, field, remove);
  const [first, ...more] = controls[field.kind](match, field);
  const head = make("div", { className: "condition-head" }, make("strong", {}, field.key), make("span", { className: "muted" }, field.words), remove);
  if (first instanceof HTMLInputElement || first instanceof HTMLSelectElement) first.ariaLabel = field.key;
  return make("div", { className: "condition-box", dataset: { key: field.key } }, head, make("div", { className: "condition-value" }, first, ...more));
}

function nested(match, field, remove) {
  const frame = make("fieldset", { className: "nested", dataset: { key: field.key } });
  const legend = () => make("legend", {}, make("strong", {}, field.key), ` ${field.words} `, remove);
  function draw() {
    if (field.key === "not") {
      frame.replaceChildren(legend(), conditions(match.not, "not"));
      return;
    }
    const parts = match[field.key];
    frame.replaceChildren(
      legend(),
      ...parts.map((part, index) => {
        const title = `${field.key} ${index + 1}`;
        const out = button("×", say("Take part {number} of {key} out", { number: index + 1, key: field.key }), () => (parts.splice(index, 1), draw(), changed()), true);
        return make("div", { className: "part" }, make("div", { className: "part-head" }, make("span", { className: "muted" }, `${index + 1}.`), out), conditions(part, title));
      }),
      button(say("Add a part"), say("Add a part to {key}", { key: field.key }), () => (parts.push({}), draw(), changed())),
    );
  }
  draw();
  return frame;
}

// ---- where it leads

// Text as `server/model`; a mapping that is not touched stays one.
const instance = (one) => (typeof one === "string" ? one : JSON.stringify(one));

function readInstance(text) {
  if (!text.startsWith("{")) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function fallbacks(target, field) {
  const frame = make("div", { className: "pairs" });
  const list = many(target.fallbacks);
  const set = () => put(target, "fallbacks", list.length ? list : undefined);
  const swap = (index, other) => ([list[index], list[other]] = [list[other], list[index]]);
  function draw() {
    frame.replaceChildren(
      ...list.map((one, index) => {
        const up = button("↑", say("Try fallback {number} earlier", { number: index + 1 }), () => (swap(index, index - 1), set(), draw(), changed()));
        const down = button("↓", say("Try fallback {number} later", { number: index + 1 }), () => (swap(index, index + 1), set(), draw(), changed()));
        up.disabled = index === 0;
        down.disabled = index === list.length - 1;
        return make(
          "div",
          { className: "pair" },
          input(instance(one), (text) => ((list[index] = readInstance(text)), set()), { list: "offered-targets", ariaLabel: say("Fallback {number}", { number: index + 1 }), placeholder: "server/model" }),
          up,
          down,
          button("×", say("Take fallback {number} out", { number: index + 1 }), () => (list.splice(index, 1), set(), draw(), changed()), true),
        );
      }),
      button(say("Add a fallback"), say("Add a fallback"), () => (list.push(""), draw(), frame.querySelector(".pair:last-of-type input")?.focus())),
    );
  }
  draw();
  return make("div", { className: "field" }, make("span", { className: "label" }, say("Fallbacks")), frame, make("p", { className: "muted" }, field.words));
}

const titles = { thinking: say("thinking"), stick: say("stick"), local_only: say("local only"), capture: say("capture"), strategy: say("strategy"), affinity: say("affinity"), weight: say("weight"), split: say("split"), fallback_on: say("also falls back on"), mirror: say("mirror") };

// For what else it falls back: as servers say, or these causes, which may be none.
function causes(target, field, title) {
  const sets = field.options.reduce((found, one) => [...found, ...found.map((set) => [...set, one])], [[]]);
  const options = sets.map((set) => [JSON.stringify(set), set.join(", ") || say("none of these")]);
  const now = target[field.key] === undefined ? "" : JSON.stringify(field.options.filter((one) => many(target[field.key]).includes(one)));
  const set = (value) => put(target, field.key, value === "" ? undefined : JSON.parse(value));
  return labelled(title, select([["", say("not said")], ...options], now, set), field.words);
}

function mirror(target, field, title) {
  const frame = make("div", { className: "pairs" });
  function draw() {
    const one = target.mirror;
    if (one === undefined || one === null || typeof one !== "object") {
      frame.replaceChildren(button(say("Add a mirror"), say("Add a mirror"), () => ((target.mirror = { target: "" }), draw(), changed())));
      return;
    }
    const field = (key, words, read, settings) => labelled(words, input(one[key], (text) => put(one, key, read(text)), settings));
    frame.replaceChildren(
      field("target", say("Who else is asked"), (text) => text, { list: "offered-targets", placeholder: "server/model" }),
      field("share", say("Share of conversations, 0 to 1"), number, { inputMode: "decimal", placeholder: "0.1" }),
      field("max_cost", say("Most that it may cost a day, in $"), number, { inputMode: "decimal", placeholder: "1" }),
      button(say("Take the mirror out"), say("Take the mirror out"), () => (delete target.mirror, draw(), changed()), true),
    );
  }
  draw();
  return make("div", { className: "field" }, make("span", { className: "label" }, title), frame, make("p", { className: "muted" }, field.words));
}

function targetField(target, field) {
  const title = titles[field.key] ?? field.key.replace("_", " ");
  switch (field.kind) {
    case "server":
      return labelled(say("Server (upstream)"), input(target.upstream, (text) => put(target, "upstream", text || undefined), { list: "offered-servers" }), field.words);
    case "target":
      return labelled(say("Leads to (model)"), input(target.model, (text) => put(target, "model", text || undefined), { list: "offered-targets" }), field.words);
    case "targets":
      return fallbacks(target, field);
    case "causes":
      return causes(target, field, title);
    case "mirror":
      return mirror(target, field, title);
    case "count":
      return labelled(title, input(target[field.key], (text) => put(target, field.key, text ? (Number(text) || text) : undefined)), field.words);
    case "shares":
      return labelled(title, input(target.split && instance(target.split), (text) => put(target, "split", text ? readInstance(text) : undefined)), field.words);
    case "bool":
      return labelled(title, select([["", say("no")], ["true", say("yes")]], target[field.key] ? "true" : "", (value) => put(target, field.key, value ? true : undefined)), field.words);
    default: {
      const usual = field.usual ?? "";
      const options = [...(field.usual ? [] : [["", say("not said")]]), ...field.options.map((one) => [one, one])];
      return labelled(title, select(options, target[field.key] ?? usual, (value) => put(target, field.key, value === usual ? undefined : value)), field.words);
    }
  }
}

function redaction(field) {
  const frame = make("div", { className: "pairs" });
  function draw() {
    if (route.redact === undefined || route.redact === null) {
      frame.replaceChildren(button(say("Redact in this rule"), say("Redact in this rule: say what"), () => ((route.redact = { patterns: [] }), draw(), changed())));
      return;
    }
    frame.replaceChildren(
      boxes(spec.private, many(route.redact.patterns), (chosen) => (route.redact.patterns = chosen)),
      labelled(say("File of words"), input(route.redact.words, (text) => put(route.redact, "words", text || undefined))),
      button(say("As the whole file says"), say("Take this out"), () => (delete route.redact, draw(), changed())),
    );
  }
  draw();
  return make("fieldset", {}, make("legend", {}, say("Redact")), make("p", { className: "muted" }, field.words), frame);
}

// ---- the whole rule

function draw() {
  const told = Object.fromEntries(spec.route.map((field) => [field.key, field]));
  route.match ??= {};
  route.route ??= {};
  const name = labelled(say("Name"), input(route.name, (text) => put(route, "name", text)), told.name.words);
  const about = labelled(say("Description"), input(route.description, (text) => put(route, "description", text || undefined)), told.description.words);
  const rank = labelled(say("Priority"), input(route.priority ?? "", (text) => put(route, "priority", number(text)), { inputMode: "numeric", placeholder: "500" }), told.priority.words);
  const state = labelled(say("State"), select([["true", say("on")], ["false", say("off")]], String(route.enabled ?? true), (value) => put(route, "enabled", value === "true" ? ("enabled" in route ? true : undefined) : false)), told.enabled.words);
  const own = Object.keys(route).filter((key) => key.startsWith("x-"));
  document.getElementById("rule").replaceChildren(
    make("div", { className: "field-row" }, name, about),
    make("div", { className: "field-row" }, rank, state),
    make("fieldset", {}, make("legend", {}, say("When all of this holds")), conditions(route.match, "")),
    make("fieldset", {}, make("legend", {}, say("It goes to")), ...spec.target.map((field) => targetField(route.route, field))),
    redaction(told.redact),
    own.length ? make("p", { className: "muted" }, say("Kept as they are: {keys}", { keys: own.join(", ") })) : "",
  );
}

const at = form.dataset.at === "" ? null : Number(form.dataset.at);
// A field that is left empty is not written: its key keeps its place among the others until then.
const filled = (owner) => Object.fromEntries(Object.entries(owner).filter(([key, value]) => value !== "" || !["name", "upstream", "model"].includes(key)));
const written = () => ({ ...filled(route), route: filled(route.route) });
const edit = () => (at === null ? { do: "add", route: written() } : { do: "change", at, route: written() });
// A new rule that leads nowhere yet is not faulty until somebody says that it is done.
let isDone = false;
const isBegun = () => at === null && !isDone && !route.route.model && !route.route.upstream;
let timer = 0;
let asked = 0;

function changed() {
  document.getElementById("edit").value = JSON.stringify(edit());
  clearTimeout(timer);
  timer = setTimeout(() => preview().catch(() => {}), WAIT);
}

async function send(url, values) {
  const body = new FormData();
  for (const [key, value] of Object.entries(values)) body.set(key, value);
  return fetch(url, { method: "POST", body, headers: { "X-CSRF-Token": form.elements.csrf.value } });
}

// What the server renders is put in as it is: all text in it is escaped there.
function show(place, html) {
  place.replaceChildren(...new DOMParser().parseFromString(html, "text/html").body.childNodes);
}

async function preview() {
  const turn = ++asked;
  if (isBegun()) {
    const told = say("It still needs a server or a model that it leads to.");
    document.getElementById("preview").replaceChildren(make("p", { className: "muted" }, told));
    showProblems(document.getElementById("problems"), []);
    return;
  }
  const answer = await send(form.dataset.preview, { edit: JSON.stringify(edit()) });
  if (turn !== asked || !answer.ok) return;
  const found = await answer.json();
  const same = document.getElementById("preview").dataset.same;
  if (found.same) document.getElementById("preview").replaceChildren(make("p", { className: "muted" }, same));
  else show(document.getElementById("preview"), found.html);
  showProblems(document.getElementById("problems"), found.problems);
  form.dataset.shown = String(turn);
}

document.getElementById("try").addEventListener("click", async () => {
  const prompt = document.getElementById("try-prompt").value;
  const answer = await send(form.dataset.try, { edit: JSON.stringify(edit()), prompt, model: "auto" });
  const found = await answer.json();
  const place = document.getElementById("trace");
  if (found.error) place.replaceChildren(make("p", { className: "problem" }, found.error));
  else show(place, found.html);
});
form.addEventListener("submit", (event) => {
  if (!isBegun()) return;
  event.preventDefault();
  isDone = true;
  preview().catch(() => {});
  document.querySelector('#rule [list="offered-targets"]').focus();
});
document.getElementById("remove")?.addEventListener("click", () => {
  document.getElementById("edit").value = JSON.stringify({ do: "remove", at });
});
draw();
changed();
