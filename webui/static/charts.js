// What all charts share: colours of the page, axes, the layout around them. Plotly is loaded by the page.
import { plotlyText } from "./format.js";
import { say } from "./say.js";

// Plotly wants plain colours; custom properties hold light-dark() pairs, which an element's colour resolves.
export function colour(name, element = document.body) {
  const probe = document.createElement("span");
  probe.style.color = `var(--${name})`;
  element.append(probe);
  const plain = getComputedStyle(probe).color;
  probe.remove();
  return plain;
}

export function axis(title, scale = "linear") {
  return {
    title: { text: plotlyText(title), standoff: 8 },
    type: scale,
    rangemode: scale === "linear" ? "tozero" : "normal",
    gridcolor: colour("grid"),
    linecolor: colour("line-strong"),
    zerolinecolor: colour("line-strong"),
    automargin: true,
    exponentformat: "none",
    ...(scale === "log" ? { dtick: "D2" } : {}),
  };
}

export const narrow = matchMedia("(max-width: 600px)");

export function timeAxis() {
  return { type: "date", gridcolor: colour("grid"), linecolor: colour("line-strong"), automargin: true, nticks: narrow.matches ? 4 : 6, tickangle: narrow.matches ? 0 : "auto", hoverformat: "%Y-%m-%d %H:%M UTC" };
}

export function frame(changes = {}) {
  return {
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour("text") },
    paper_bgcolor: colour("bg"),
    plot_bgcolor: colour("bg"),
    margin: { l: 48, r: 8, t: 8, b: 32 },
    hovermode: "closest",
    hoverlabel: { align: "left", bgcolor: colour("raised"), bordercolor: colour("line-strong"), font: { color: colour("text") } },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("muted"), activecolor: colour("accent") },
    uirevision: "keep",
    ...changes,
  };
}

// What Plotly says itself, and how it writes dates. English is what it has.
const language = document.documentElement.lang;
const dictionary = {
  "Zoom": say("Zoom"), "Pan": say("Pan"), "Zoom in": say("Zoom in"), "Zoom out": say("Zoom out"), "Reset axes": say("Reset axes"),
  "Download plot": say("Download plot"), "Download plot as a PNG": say("Download plot as a PNG"),
  "Preparing image - this may take a few seconds": say("Preparing image - this may take a few seconds"),
  "Image download succeeded": say("Image download succeeded"),
  "Sorry, there was a problem downloading your image!": say("Sorry, there was a problem downloading your image!"),
  "Double-click to zoom back out": say("Double-click to zoom back out"),
  "Double-click on legend to isolate one trace": say("Double-click on legend to isolate one trace"),
};

function dateFormat() {
  const named = (count, day, changes) => Array.from({ length: count }, (_, at) => new Intl.DateTimeFormat(language, { timeZone: "UTC", ...changes }).format(day(at)));
  const month = (at) => new Date(Date.UTC(2023, at, 1));
  const weekday = (at) => new Date(Date.UTC(2023, 0, 1 + at)); // a Sunday
  return {
    months: named(12, month, { month: "long" }), shortMonths: named(12, month, { month: "short" }),
    days: named(7, weekday, { weekday: "long" }), shortDays: named(7, weekday, { weekday: "short" }),
    month: say("%b %Y"), dayMonth: say("%b %-d"), dayMonthYear: say("%b %-d, %Y"),
  };
}

if (language !== "en") window.Plotly?.register({ moduleType: "locale", name: language, dictionary, format: dateFormat() });

export const options = { locale: language, displaylogo: false, displayModeBar: "hover", responsive: true, modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"] };

// A click opens what a point stands for, in a new tab where one asks for it.
export function openOnClick(chart) {
  chart.on("plotly_click", (event) => {
    const url = event.points[0].customdata;
    if (!url) return;
    if (event.event?.ctrlKey || event.event?.metaKey) window.open(url);
    else location.assign(url);
  });
  chart.on("plotly_hover", (event) => chart.querySelector(".nsewdrag")?.classList.toggle("cursor-pointer", Boolean(event.points[0].customdata)));
  chart.on("plotly_unhover", () => chart.querySelector(".nsewdrag")?.classList.remove("cursor-pointer"));
}

export function onThemeChange(redraw) {
  document.addEventListener("themechange", redraw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
}
