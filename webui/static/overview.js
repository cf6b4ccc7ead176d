// The overview: its charts, and what keeps its live parts live. Asks less often while the tab is hidden.
import { updateTimes } from "./app.js";
import { axis, colour, frame, narrow, onThemeChange, openOnClick, options, timeAxis } from "./charts.js";
import { plotlyText, shortName } from "./format.js";
import { say } from "./say.js";

const OFTEN = 10000; // ms between two questions
const SLOW = 120000; // ms: the longest wait of a hidden tab, or for a dashboard that does not answer

const page = document.getElementById("overview");
const badge = document.getElementById("live");
const charts = [...document.querySelectorAll("[data-chart]")];
let wait = OFTEN;
let timer = 0;

// Name of the series in the data, its words, its colour.
const REQUESTS = [["complete", say("complete"), "series-0"], ["cached", say("from a cache"), "series-2"], ["cancelled", say("cancelled"), "series-4"], ["errors", say("errors"), "series-1"]];
const LATENCY = [["p50", "50 %", "series-0"], ["p95", "95 %", "series-1"], ["p99", "99 %", "series-3"], ["ttft", say("first token, 50 %"), "series-2"]];
const TOKENS = [["input", say("in"), "series-0"], ["cached", say("in, cached"), "series-5"], ["output", say("out"), "series-1"], ["reasoning", say("out, thoughts"), "series-4"]];

// Two columns on a phone, where Plotly would make one of the widest name, over the chart.
const legend = { orientation: "h", y: 1.04, yanchor: "bottom", x: 0, ...(narrow.matches ? { entrywidth: 0.5, entrywidthmode: "fraction", font: { size: 11 } } : {}) };

function stack(trend, values, lines) {
  return lines.map(([name, words, paint]) => ({
    type: "bar", name: words, x: trend.at, y: values[name], customdata: trend.urls, marker: { color: colour(paint) },
    width: trend.at.map(() => trend.step * 1000 * 0.9), offset: 0,
  }));
}

function lines(trend) {
  return LATENCY.map(([name, words, paint]) => ({
    type: "scatter", mode: "lines+markers", name: words, x: trend.at.map((at) => at + trend.step * 500), y: trend.latency[name],
    customdata: trend.urls, connectgaps: false, line: { color: colour(paint), width: 1.5 }, marker: { color: colour(paint), size: 4 },
  }));
}

const along = {
  requests: (trend) => [stack(trend, trend.requests, REQUESTS), say("Requests")],
  latency: (trend) => [lines(trend), say("Seconds")],
  tokens: (trend) => [stack(trend, trend.tokens, TOKENS), say("Tokens")],
  cost: (trend) => [stack(trend, { cost: trend.cost }, [["cost", say("cost"), "series-0"]]), say("Dollars")],
};

function drawAlong(chart, trend) {
  const [traces, title] = along[chart.dataset.chart](trend);
  const layout = frame({ barmode: "stack", xaxis: timeAxis(), yaxis: axis(title), showlegend: traces.length > 1, legend, margin: { l: 48, r: 8, t: 28, b: 32 } });
  layout.xaxis.range = [trend.at[0], trend.at.at(-1) + trend.step * 1000];
  return window.Plotly.react(chart, traces, layout, options);
}

function drawBars(chart, division, measure) {
  const bars = [...division.bars].reverse(); // Plotly counts from below
  const trace = {
    type: "bar", orientation: "h", x: bars.map((bar) => bar.amount), y: bars.map((_, at) => at), customdata: bars.map((bar) => bar.url),
    marker: { color: bars.map((bar) => colour(`series-${bar.colour}`)) },
    text: bars.map((bar) => plotlyText(bar.words)), hovertemplate: "%{text}<br>%{x}<extra></extra>", textposition: "none",
  };
  const names = bars.map((bar) => plotlyText(shortName(bar.words, 24)));
  const layout = frame({ xaxis: axis(measure.axis), yaxis: { tickvals: bars.map((_, at) => at), ticktext: names, automargin: true, fixedrange: true }, showlegend: false, bargap: 0.3, margin: { l: 8, r: 16, t: 8, b: 40 } });
  return window.Plotly.react(chart, [trace], layout, options);
}

async function draw(data) {
  for (const chart of charts) {
    const name = chart.dataset.chart;
    const first = chart.classList.contains("waiting");
    chart.classList.remove("waiting");
    if (name in along) await drawAlong(chart, data.trend);
    else await drawBars(chart, data.divisions[name], data.measure);
    if (first) openOnClick(chart);
    chart.dataset.ready = "true";
  }
}

// The server escapes every value in these parts (Jinja), and the page's policy runs no inline script.
function show(parts) {
  for (const [name, html] of Object.entries(parts)) {
    const place = document.getElementById(`part-${name}`);
    if (place.contains(document.activeElement)) continue;
    const open = [...place.querySelectorAll("details")].map((one) => one.open);
    place.innerHTML = html;
    [...place.querySelectorAll("details")].forEach((one, at) => { one.open = open[at] ?? false; });
  }
  updateTimes();
}

function showState(state, text) {
  badge.dataset.state = state;
  badge.lastElementChild.textContent = text;
}

let latest = null;

async function take() {
  const answer = await fetch(page.dataset.url, { headers: { Accept: "application/json" }, credentials: "same-origin" });
  if (!answer.ok) throw Object.assign(new Error(`status ${answer.status}`), { status: answer.status });
  latest = await answer.json();
  show(latest.html);
  if (charts.length && window.Plotly) await draw(latest);
}

async function poll() {
  clearTimeout(timer);
  try {
    await take();
    showState("live", say("Live"));
    wait = document.hidden ? Math.min(wait * 2, SLOW) : OFTEN;
  } catch (error) {
    if (error.status === 401 || error.status === 403) {
      showState("offline", say("Signed out: reload the page"));
      return;
    }
    wait = Math.min(wait * 2, SLOW);
    showState("offline", say("No answer, trying again"));
  }
  timer = setTimeout(poll, wait);
}

poll();
onThemeChange(() => latest && charts.length && draw(latest));
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  wait = OFTEN;
  poll();
});
