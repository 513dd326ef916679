/** The kind `bars`: how many values lie in each bin; a chart for one group, small ones for several. */

import { h, s, shortNumber } from "../dom.js";

const WIDTH = 420, HEIGHT = 150, LEFT = 8, BOTTOM = 20;

/** @param {{ model: import("../slot.js").PanelModel, el: HTMLElement }} given */
export function render({ model, el }) {
  /** @type {SVGElement} */
  let chart;
  const draw = () => {
    chart = chartOf(model.panel);
    el.replaceChildren(chart, h("p", { class: "note" }, model.panel.header.note));
  };
  draw();
  model.addEventListener("change", draw);
  return {
    picture: () => ({ width: 2 * WIDTH, height: 2 * HEIGHT, svg: chart, paint: () => {} }),
    stop: () => model.removeEventListener("change", draw),
  };
}

/** @param {import("../types.d.ts").Panel} panel */
function chartOf(panel) {
  const { header, buffers } = panel;
  const numbers = new Float64Array(buffers.numbers);
  const part = (/** @type {any} */ entry) => numbers.subarray(entry.offset / 8, entry.offset / 8 + entry.count);
  const group = header.groups[0], counts = part(group.counts), edges = part(header.edges);
  const share = (/** @type {number} */ count) => (header.y.logarithmic ? Math.log1p(count) / Math.log1p(header.most || 1) : count / (header.most || 1));
  const width = (WIDTH - LEFT - 4) / (counts.length + 3), base = HEIGHT - BOTTOM;
  const svg = s("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${header.title}: ${header.note}` });
  const bar = (/** @type {number} */ at, /** @type {number} */ count, /** @type {string} */ kind, /** @type {string} */ words) => {
    const height = Math.max(count ? 1 : 0, share(count) * (base - 6));
    svg.append(s("rect", { class: kind, x: at, y: base - height, width: Math.max(0.5, width - 0.6), height }, s("title", {}, words)));
  };
  bar(LEFT, group.zeros, "zero", `exactly 0: ${group.zeros}`);
  counts.forEach((/** @type {number} */ count, /** @type {number} */ i) =>
    bar(LEFT + (i + 2) * width, count, "bar", `${shortNumber(edges[i])} … ${shortNumber(edges[i + 1])}: ${count}`));
  svg.append(
    s("line", { class: "axis", x1: LEFT, x2: WIDTH, y1: base + 0.5, y2: base + 0.5 }),
    s("text", { x: LEFT, y: HEIGHT - 5 }, "0"),
    s("text", { x: LEFT + 2 * width, y: HEIGHT - 5 }, shortNumber(edges[0])),
    s("text", { x: WIDTH - 4, y: HEIGHT - 5, "text-anchor": "end" }, shortNumber(edges[edges.length - 1])));
  return svg;
}
