/** The kind `lines`: charts below one another over one axis; a click goes to the step. */

import { h, s, shortNumber } from "../dom.js";
import { extentOf, nearestTo } from "../numbers.js";

const WIDTH = 400, HEIGHT = 94, LEFT = 46, RIGHT = 8, BOTTOM = 14, TOP = 19;

/** @param {{ model: import("../slot.js").PanelModel, el: HTMLElement }} given */
export function render({ model, el }) {
  /** @type {SVGElement} */
  let svg;
  const draw = () => {
    svg = drawn(model);
    const notes = model.panel.header.notes || [];
    el.replaceChildren(svg, ...notes.map((/** @type {string} */ note) => h("p", { class: "note" }, note)));
  };
  draw();
  model.addEventListener("change", draw);
  return {
    picture: () => ({ width: WIDTH, height: HEIGHT * model.panel.header.charts.length, svg, paint: () => {} }),
    stop: () => model.removeEventListener("change", draw),
  };
}

/** @param {import("../slot.js").PanelModel} model */
function drawn(model) {
  const { header, buffers } = model.panel;
  const numbers = new Float64Array(buffers.numbers);
  const part = (/** @type {any} */ entry) => numbers.subarray(entry.offset / 8, entry.offset / 8 + entry.count);
  const [least, most] = extentOf(header.charts.flatMap((/** @type {any} */ chart) => chart.series.flatMap((/** @type {any} */ line) => [...part(line.x)])));
  const across = (/** @type {number} */ x) => LEFT + ((x - least) / (most - least || 1)) * (WIDTH - LEFT - RIGHT);
  const svg = s("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT * header.charts.length}`, role: "img", "aria-label": header.title });
  header.charts.forEach((/** @type {any} */ chart, /** @type {number} */ i) => svg.append(chartOf(chart, i * HEIGHT, part, across)));
  for (const mark of header.marks) {
    const x = across(mark.at);
    svg.append(s("line", { class: "grid", x1: x, x2: x, y1: 0, y2: HEIGHT * header.charts.length }, s("title", {}, mark.text)));
  }
  if (header.steps) stepped(svg, model, across, part);
  return svg;
}

/**
 * Mark the step that is looked at; a click goes to another, and the pointer is told what was there.
 * @param {SVGElement} svg
 * @param {import("../slot.js").PanelModel} model
 * @param {(x: number) => number} across
 * @param {(entry: any) => Float64Array} part
 */
function stepped(svg, model, across, part) {
  const { steps, at, charts, x: axis, title } = model.panel.header;
  const now = model.view.step === null ? steps.length - 1 : steps.indexOf(model.view.step);
  if (now >= 0) svg.append(s("line", { class: "now", x1: across(at[now]), x2: across(at[now]), y1: 0, y2: HEIGHT * charts.length }));
  svg.classList.add("steps");
  const nearest = (/** @type {MouseEvent} */ event) => {
    const box = svg.getBoundingClientRect(), x = ((event.clientX - box.left) / box.width) * WIDTH;
    return nearestTo(at.map(across), x);
  };
  svg.addEventListener("click", (event) => model.go({ step: steps[nearest(event)] }));
  svg.addEventListener("pointermove", (event) => {
    const i = nearest(event);
    const values = charts.flatMap((/** @type {any} */ chart) => chart.series.map((/** @type {any} */ line) => {
      const y = part(line.y)[i];
      return `${line.label} ${chart.form === "percent" ? `${Math.round(100 * y)} %` : shortNumber(y)}`;
    }));
    model.page.announce(`${title}, ${axis.label} ${at[i]}: ${values.join(", ")}`);
  });
}

/**
 * @param {any} chart
 * @param {number} top
 * @param {(entry: any) => Float64Array} part
 * @param {(x: number) => number} across
 */
function chartOf(chart, top, part, across) {
  let [low, high] = chart.limits || extentOf(chart.series.flatMap((/** @type {any} */ line) => [...part(line.y)]));
  if (!(high > low)) [low, high] = [low - 0.5, low + 0.5];
  // Beyond `linear_to` an axis is logarithmic in both directions.
  const bent = (/** @type {number} */ y) => (chart.linear_to ? Math.asinh(y / chart.linear_to) : y);
  const level = (/** @type {number} */ y) => (chart.logarithmic && low > 0
    ? Math.log(y / low) / Math.log(high / low) : (bent(y) - bent(low)) / (bent(high) - bent(low)));
  const up = (/** @type {number} */ y) => top + HEIGHT - BOTTOM - level(y) * (HEIGHT - BOTTOM - TOP);
  const written = (/** @type {number} */ y) => (chart.form === "percent" ? `${Math.round(100 * y)} %` : shortNumber(y));
  const group = s("g", {},
    s("text", { x: LEFT - 6, y: up(high) + 8, "text-anchor": "end" }, written(high)),
    s("text", { x: LEFT - 6, y: up(low), "text-anchor": "end" }, written(low)),
    s("line", { class: "axis", x1: LEFT, x2: WIDTH - RIGHT, y1: up(low), y2: up(low) }),
    s("text", { x: LEFT, y: top + TOP - 7 }, chart.label));
  for (const line of chart.series) {
    const x = part(line.x), y = part(line.y);
    let path = "", pen = "M";
    for (let i = 0; i < x.length; i++) {
      if (Number.isFinite(y[i])) { path += `${pen}${across(x[i]).toFixed(1)} ${up(y[i]).toFixed(1)}`; pen = "L"; } else pen = "M";
    }
    group.append(s("path", { d: path, fill: "none", stroke: line.colour, "stroke-width": line.width, "stroke-dasharray": line.dashed ? "4 3" : null }, s("title", {}, line.label)));
  }
  return group;
}
