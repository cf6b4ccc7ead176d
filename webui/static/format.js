// Relative times, as formats.py writes them; and text that Plotly must not take for markup.

export function ago(epoch, now) {
  const seconds = Math.trunc(now - epoch);
  if (seconds < 2) return "now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.trunc(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.trunc(seconds / 3600)} h ago`;
  return `${Math.trunc(seconds / 86400)} d ago`;
}

export function duration(milliseconds) {
  if (milliseconds === null || milliseconds === undefined) return "unknown";
  if (milliseconds < 999.5) return `${Math.round(milliseconds)} ms`;
  return `${(milliseconds / 1000).toFixed(1)} s`;
}

// Plotly reads a few tags and all entities in its texts, so what comes from outside is spelled with entities.
export function plotlyText(text) {
  return String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
