// The texts of a page whose contrast against their ground is below WCAG AA (4.5:1), with the ratio.
() => {
  const linear = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const luminance = (colour) => {
    const [red, green, blue] = colour.match(/[\d.]+/g).map((value) => linear(Number(value) / 255));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (!/, 0\)$|^transparent$/.test(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const hasText = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  const weak = new Set();
  for (const element of document.querySelectorAll("main *, nav *")) {
    if (!hasText(element) || !element.checkVisibility() || element.closest("svg, noscript, option")) continue;
    const pair = [getComputedStyle(element).color, ground(element)].map(luminance).sort((one, two) => two - one);
    const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (ratio < 4.5) weak.add(`${element.tagName}.${element.className} ${element.textContent.trim()} ${ratio.toFixed(2)}`);
  }
  return [...weak];
}
