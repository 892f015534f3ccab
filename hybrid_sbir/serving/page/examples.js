// Sketches to begin with, for whoever cannot draw, or not yet.

const SVG = "http://www.w3.org/2000/svg";

/** Fills a list with examples; choose(example) is called with the one that is taken. */
export async function showExamples(list, choose) {
  const response = await fetch("/page/examples.json");
  if (!response.ok) return;
  for (const example of await response.json()) {
    const button = document.createElement("button");
    button.type = "button";
    button.title = example.name;
    button.setAttribute("aria-label", `Example: ${example.name}`);
    button.append(drawn(example.strokes));
    button.addEventListener("click", () => choose(example));
    const item = document.createElement("li");
    item.append(button);
    list.append(item);
  }
}

function drawn(strokes) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 256 256");
  svg.setAttribute("aria-hidden", "true");
  for (const [xs, ys] of strokes) {
    const line = document.createElementNS(SVG, "polyline");
    line.setAttribute("points", xs.map((x, i) => `${x},${ys[i]}`).join(" "));
    svg.append(line);
  }
  return svg;
}

/** An example's strokes, made to fit the paper: centred, as large as it goes with a border. Width and height in its unit. */
export function fitted(strokes, width, height) {
  const scale = (0.86 * Math.min(width, height)) / 256;
  const place = (value, side) => Math.round(((value - 128) * scale + side / 2) * 10) / 10;
  return strokes.map(([xs, ys]) => [xs.map((x) => place(x, width)), ys.map((y) => place(y, height))]);
}
