// What all charts share: colours of the page, axes, the layout around them. Plotly is loaded by the page.
import { plotlyText } from "./format.js";

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

export function timeAxis() {
  return { type: "date", gridcolor: colour("grid"), linecolor: colour("line-strong"), automargin: true, nticks: 6, hoverformat: "%Y-%m-%d %H:%M UTC" };
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

export const options = { displaylogo: false, displayModeBar: "hover", responsive: true, modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"] };

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
