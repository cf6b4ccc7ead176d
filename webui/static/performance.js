// The scatter of response time against tokens. Plotly itself is loaded before this module (both are deferred).
import { duration, plotlyText, shortName } from "./format.js";

const chart = document.getElementById("chart");
const narrow = matchMedia("(max-width: 600px)");

// Plotly wants plain colours; custom properties hold light-dark() pairs, which an element's colour resolves.
function colour(name) {
  const probe = document.createElement("span");
  probe.style.color = `var(--${name})`;
  chart.append(probe);
  const plain = getComputedStyle(probe).color;
  probe.remove();
  return plain;
}

function hover(point, data) {
  return [
    plotlyText(shortName(point.model ?? "no model", 80)),
    plotlyText(point.outcome),
    `Duration: ${duration(point.y * 1000)}`,
    `${plotlyText(data.x_axis)}: ${point.x}`,
    plotlyText(new Date(point.started_at * 1000).toISOString().replace("T", " ").slice(0, 19) + " UTC"),
    "Click to open",
  ].join("<br>");
}

// One series per model: its colour and shape are the ones it has everywhere. Failed requests are hollow.
function series(data) {
  return data.models.map((model) => {
    const points = data.points.filter((point) => point.model === model.model);
    const shape = (point) => (point.failed ? `${model.shape}-open` : model.shape);
    return {
      type: "scatter",
      mode: "markers",
      name: plotlyText(shortName(model.model ?? "no model", 28)),
      x: points.map((point) => point.x),
      y: points.map((point) => point.y),
      customdata: points.map((point) => point.url),
      text: points.map((point) => hover(point, data)),
      hoverinfo: "text",
      marker: { color: colour(`series-${model.colour}`), symbol: points.map(shape), size: 9, opacity: 0.85 },
    };
  });
}

function axis(title, scale) {
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

function layout(data) {
  return {
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour("text") },
    paper_bgcolor: colour("bg"),
    plot_bgcolor: colour("bg"),
    margin: { l: 56, r: 16, t: 16, b: 48 },
    xaxis: axis(data.x_axis, data.scale),
    yaxis: axis(data.y_axis, data.scale),
    hovermode: "closest",
    hoverlabel: { align: "left", bgcolor: colour("raised"), bordercolor: colour("line-strong"), font: { color: colour("text") } },
    showlegend: true,
    legend: narrow.matches ? { orientation: "h", y: -0.2 } : { x: 1.01, y: 1 },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("muted"), activecolor: colour("accent") },
    uirevision: "keep",
  };
}

const options = { displaylogo: false, displayModeBar: "hover", responsive: true, modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"] };

async function draw(data) {
  chart.classList.remove("waiting");
  await window.Plotly.react(chart, series(data), layout(data), options);
}

async function start() {
  const answer = await fetch(chart.dataset.url, { credentials: "same-origin" });
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  const data = await answer.json();
  await draw(data);
  chart.on("plotly_click", (event) => {
    const url = event.points[0].customdata;
    if (event.event?.ctrlKey || event.event?.metaKey) window.open(url);
    else location.assign(url);
  });
  chart.on("plotly_hover", () => chart.querySelector(".nsewdrag")?.classList.add("cursor-pointer"));
  chart.on("plotly_unhover", () => chart.querySelector(".nsewdrag")?.classList.remove("cursor-pointer"));
  document.getElementById("chart-note").textContent = data.note;
  chart.dataset.ready = String(data.points.length);
  const redraw = () => draw(data);
  document.addEventListener("themechange", redraw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
}

start().catch((error) => {
  chart.classList.remove("waiting");
  chart.textContent = `The chart could not be drawn: ${error.message}.`;
});
