/** The metrics of a training, small: each chart on its own range, one above the other. */

import { s } from "../dom.js";
import { extentOf } from "../numbers.js";

const MARGIN = 4;

/**
 * The values of each line at each step; NaN where it has none.
 * @param {import("../types.d.ts").Panel} panel the panel `steps`
 * @returns {{ label: string, colour: string, dashed: boolean, chart: number, values: number[] }[]}
 */
export function metricLines(panel) {
  const numbers = new Float64Array(panel.buffers.numbers);
  const part = (/** @type {any} */ entry) => numbers.subarray(entry.offset / 8, entry.offset / 8 + entry.count);
  const { at, charts } = panel.header;
  const places = new Map(at.map((/** @type {number} */ x, /** @type {number} */ i) => [x, i]));
  return charts.flatMap((/** @type {any} */ chart, /** @type {number} */ i) => chart.series.map((/** @type {any} */ line) => {
    const values = at.map(() => NaN), x = part(line.x), y = part(line.y);
    x.forEach((/** @type {number} */ where, /** @type {number} */ j) => {
      const place = places.get(where);
      if (place !== undefined) values[place] = y[j];
    });
    return { label: line.label, colour: line.colour, dashed: line.dashed, chart: i, values };
  }));
}

/**
 * Draw the lines.
 * @param {ReturnType<typeof metricLines>} lines
 * @param {{ width: number, height: number, across: (place: number) => number, marks: { place: number, text: string }[] }} how
 * @returns {SVGElement}
 */
export function metricStrip(lines, { width, height, across, marks }) {
  const svg = s("svg", { class: "curve", width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
  for (const { place, text } of marks) {
    const x = across(place), end = x > width - 60;
    svg.append(s("line", { class: "best", x1: x, x2: x, y1: 0, y2: height }), s("text", { x: end ? x - 3 : x + 3, y: height / 2 + 3, "text-anchor": end ? "end" : "start" }, text));
  }
  for (const line of lines) {
    const [low, high] = extentOf(lines.filter((other) => other.chart === line.chart).flatMap((other) => other.values));
    const up = (/** @type {number} */ value) => height - MARGIN - (high > low ? (value - low) / (high - low) : 0.5) * (height - 2 * MARGIN);
    let path = "", pen = "M";
    line.values.forEach((value, place) => {
      if (Number.isFinite(value)) {
        path += `${pen}${across(place).toFixed(1)} ${up(value).toFixed(1)}`;
        pen = "L";
      } else pen = "M";
    });
    svg.append(s("path", { d: path, fill: "none", stroke: line.colour, "stroke-width": 1.5, "stroke-dasharray": line.dashed ? "4 3" : null }));
  }
  return svg;
}
