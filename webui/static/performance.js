// The scatter of response time against tokens. Plotly itself is loaded before this module (both are deferred).
import { axis, colour, frame, narrow, onThemeChange, openOnClick, options } from "./charts.js";
import { duration, plotlyText, shortName } from "./format.js";
import { say } from "./say.js";

const chart = document.getElementById("chart");

function hover(point, data) {
  return [
    plotlyText(shortName(point.model ?? say("no model"), 80)),
    plotlyText(point.outcome),
    say("Duration: {duration}", { duration: duration(point.y * 1000) }),
    say("{name}: {value}", { name: plotlyText(data.x_axis), value: point.x }),
    plotlyText(new Date(point.started_at * 1000).toISOString().replace("T", " ").slice(0, 19) + " UTC"),
    say("Click to open"),
  ].join("<br>");
}

// One series per model or server: its colour and shape are the ones it has everywhere. Failed requests are hollow.
function series(data) {
  return data.series.map((one) => {
    const points = data.points.filter((point) => point[data.by] === one.name);
    const shape = (point) => (point.failed ? `${one.shape}-open` : one.shape);
    return {
      type: "scatter",
      mode: "markers",
      name: plotlyText(shortName(one.name ?? data.nothing, 28)),
      x: points.map((point) => point.x),
      y: points.map((point) => point.y),
      customdata: points.map((point) => point.url),
      text: points.map((point) => hover(point, data)),
      hoverinfo: "text",
      marker: { color: colour(`series-${one.colour}`), symbol: points.map(shape), size: 9, opacity: 0.85 },
    };
  });
}

function layout(data) {
  return frame({
    margin: { l: 56, r: 16, t: 16, b: 48 },
    xaxis: axis(data.x_axis, data.scale),
    yaxis: axis(data.y_axis, data.scale),
    showlegend: true,
    legend: narrow.matches ? { orientation: "h", y: -0.2 } : { x: 1.01, y: 1 },
  });
}

// Where each step begins, and how many there are: a line that goes across and up.
function distribution(element, steps, title) {
  const told = say("{count} from {begin}", { count: "%{y}", begin: "%{x:.3g}" }); // Plotly puts the values in
  const trace = { type: "scatter", mode: "lines", x: steps.x, y: steps.y, line: { shape: "hv", color: colour("series-0"), width: 1.5 }, fill: "tozeroy", hovertemplate: `${told}<extra></extra>` };
  return window.Plotly.react(element, [trace], frame({ xaxis: { ...axis(title, "log"), dtick: 1 }, yaxis: axis(say("Requests")), showlegend: false }), options);
}

function speeds(element, found) {
  const bars = [...found].reverse();
  const told = say("{rate} tokens a second", { rate: "%{x:.3g}" });
  const trace = {
    type: "bar", orientation: "h", x: bars.map((bar) => bar.p50), y: bars.map((_, at) => at), marker: { color: bars.map((bar) => colour(`series-${bar.colour}`)) },
    text: bars.map((bar) => plotlyText(bar.model)), hovertemplate: `%{text}<br>${told}<extra></extra>`, textposition: "none",
  };
  const names = bars.map((bar) => plotlyText(shortName(bar.model, 24)));
  return window.Plotly.react(element, [trace], frame({ xaxis: axis(say("Tokens a second")), yaxis: { tickvals: bars.map((_, at) => at), ticktext: names, automargin: true }, showlegend: false, bargap: 0.3 }), options);
}

const TITLES = { durations: say("Seconds"), ttfts: say("Seconds"), overheads: say("Milliseconds") };

async function drawOthers(found) {
  for (const element of document.querySelectorAll("[data-chart]")) {
    element.classList.remove("waiting");
    const name = element.dataset.chart;
    if (name === "rates") await speeds(element, found.rates);
    else await distribution(element, found[name], TITLES[name]);
    element.dataset.ready = "true";
  }
}

async function draw(data) {
  chart.classList.remove("waiting");
  await window.Plotly.react(chart, series(data), layout(data), options);
}

async function start() {
  const answer = await fetch(chart.dataset.url, { credentials: "same-origin" });
  if (!answer.ok) throw new Error(say("the server answered {status}", { status: answer.status }));
  const data = await answer.json();
  await draw(data);
  openOnClick(chart);
  document.getElementById("chart-note").textContent = data.note;
  chart.dataset.ready = String(data.points.length);
  await drawOthers(data.distributions);
  onThemeChange(() => draw(data).then(() => drawOthers(data.distributions)));
}

start().catch((error) => {
  chart.classList.remove("waiting");
  chart.textContent = say("The chart could not be drawn: {why}.", { why: error.message });
});
