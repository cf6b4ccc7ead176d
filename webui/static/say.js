// What scripts say, in the language of the page. `say("{count} new", { count })`: the text is the English one, as it is
// in the catalogs (webui/languages/); a page in another language brings its words with it.
const words = JSON.parse(document.getElementById("words")?.textContent || "{}");

export function say(text, values = {}) {
  return (words[text] ?? text).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}
