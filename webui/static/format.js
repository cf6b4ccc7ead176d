// Relative times, as formats.py writes them; and text that Plotly must not take for markup.
import { say } from "./say.js";

export function ago(epoch, now) {
  const seconds = Math.trunc(now - epoch);
  if (seconds < 2) return say("now");
  if (seconds < 60) return say("{count} s ago", { count: seconds });
  if (seconds < 3600) return say("{count} min ago", { count: Math.trunc(seconds / 60) });
  if (seconds < 86400) return say("{count} h ago", { count: Math.trunc(seconds / 3600) });
  return say("{count} d ago", { count: Math.trunc(seconds / 86400) });
}

export function duration(milliseconds) {
  if (milliseconds === null || milliseconds === undefined) return say("unknown");
  if (milliseconds < 999.5) return `${Math.round(milliseconds)} ms`;
  return `${(milliseconds / 1000).toFixed(1)} s`;
}

// A name in a chart: what a legend has room for, and nothing that turns other text around.
export function shortName(name, most) {
  const plain = name.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, "\ufffd");
  const half = Math.floor(most / 2);
  return plain.length <= most ? plain : `${plain.slice(0, half)}…${plain.slice(-half)}`;
}

// Plotly reads a few tags and all entities in its texts, so what comes from outside is spelled with entities.
export function plotlyText(text) {
  return String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
