/** The kind `lines`: charts below one another over one axis; a click goes to the step. */

import { h, s, shortNumber } from "../dom.js";
import { extentOf, nearestTo } from "../numbers.js";

const WIDTH = 400, HEIGHT = 94, LEFT = 52, BOTTOM = 14, TOP = 19;
/** What is to the right of the lines: nothing, or their names. */
const RIGHT = 8, NAMES = 112;
/** Names are as far from one another, and as long, in pixels and letters. */
const APART = 10, LETTERS = 18;

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
  const right = header.charts.some(isNamed) ? NAMES : RIGHT;
  const across = (/** @type {number} */ x) => LEFT + ((x - least) / (most - least || 1)) * (WIDTH - LEFT - right);
  const svg = s("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT * header.charts.length}`, role: "img", "aria-label": header.title });
  header.charts.forEach((/** @type {any} */ chart, /** @type {number} */ i) => svg.append(chartOf(chart, i * HEIGHT, part, across, right)));
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
 * @param {number} right
 */
function chartOf(chart, top, part, across, right) {
  let [low, high] = chart.limits || extentOf(chart.series.flatMap((/** @type {any} */ line) => [...part(line.y)]));
  if (!(high > low)) [low, high] = [low - 0.5, low + 0.5];
  // Beyond `linear_to` an axis is logarithmic in both directions.
  const bent = (/** @type {number} */ y) => (chart.linear_to ? Math.asinh(y / chart.linear_to) : y);
  const level = (/** @type {number} */ y) => (chart.logarithmic && low > 0
    ? Math.log(y / low) / Math.log(high / low) : (bent(y) - bent(low)) / (bent(high) - bent(low)));
  const up = (/** @type {number} */ y) => top + HEIGHT - BOTTOM - level(y) * (HEIGHT - BOTTOM - TOP);
  const written = (/** @type {number} */ y) => (chart.form === "percent" ? `${Math.round(100 * y)} %` : shortNumber(y));
  const lowest = chart.form === "percent" ? Math.max(low, 0) : low; // a margin below 0 is no share
  const group = s("g", {},
    s("text", { x: LEFT - 6, y: up(high) + 8, "text-anchor": "end" }, written(high)),
    s("text", { x: LEFT - 6, y: up(lowest), "text-anchor": "end" }, written(lowest)),
    s("line", { class: "axis", x1: LEFT, x2: WIDTH - right, y1: up(low), y2: up(low) }),
    s("text", { x: LEFT, y: top + TOP - 7 }, chart.label));
  for (const line of chart.series) {
    const x = part(line.x), y = part(line.y);
    let path = "", pen = "M";
    for (let i = 0; i < x.length; i++) {
      if (Number.isFinite(y[i])) { path += `${pen}${across(x[i]).toFixed(1)} ${up(y[i]).toFixed(1)}`; pen = "L"; } else pen = "M";
    }
    group.append(s("path", { d: path, fill: "none", stroke: line.colour, "stroke-width": line.width, "stroke-dasharray": line.dashed ? "4 3" : null }, s("title", {}, line.label)));
  }
  if (isNamed(chart)) group.append(...namesOf(chart, top, part, across, up));
  return group;
}

/**
 * Whether the lines of a chart are named at their ends: one alone is what the chart says.
 * @param {any} chart
 */
function isNamed(chart) {
  return chart.series.length > 1 && chart.series.some((/** @type {any} */ line) => line.label);
}

/**
 * The names at the ends of lines, led to by their colours, apart from one another; lines that are the same share one.
 * @param {any} chart
 * @param {number} top
 * @param {(entry: any) => Float64Array} part
 * @param {(x: number) => number} across
 * @param {(y: number) => number} up
 */
function namesOf(chart, top, part, across, up) {
  /** @type {Map<string, { labels: string[], colour: string, x: number, y: number }>} */
  const ends = new Map();
  for (const line of chart.series) {
    const x = part(line.x), y = part(line.y);
    let last = y.length - 1;
    while (last >= 0 && !Number.isFinite(y[last])) last--;
    if (last < 0 || !line.label) continue;
    const key = [...y].join();
    const known = ends.get(key);
    if (known) { known.labels.push(line.label); known.colour = line.colour; } // that of the one on top
    else ends.set(key, { labels: [line.label], colour: line.colour, x: across(x[last]), y: up(y[last]) });
  }
  const most = Math.floor((HEIGHT - BOTTOM) / APART), sorted = [...ends.values()].sort((a, b) => a.y - b.y);
  const shown = sorted.slice(0, sorted.length > most ? most - 1 : most);
  const places = apart(shown.map((end) => end.y), top + APART, top + HEIGHT - 2);
  const texts = shown.map((end, i) => {
    const whole = end.labels.join(" = "), x = WIDTH - NAMES + 16;
    const text = s("text", { class: "end", x, y: places[i] + 3 }, shortened(whole), s("title", {}, whole));
    // The name itself keeps the colour of text: some lines are too light to be read.
    const lead = s("path", { d: `M${end.x + 2} ${end.y}L${x - 9} ${places[i]}H${x - 3}`, fill: "none", stroke: end.colour, "stroke-width": 1 });
    return s("g", {}, lead, text);
  });
  const left = sorted.length - shown.length;
  if (left) texts.push(s("text", { class: "end", x: WIDTH - NAMES + 16, y: top + HEIGHT - 2 }, `and ${left} more`));
  return texts;
}

/**
 * Move places, from above to below, so far that they are apart, and within bounds.
 * @param {number[]} places
 * @param {number} least
 * @param {number} most
 */
function apart(places, least, most) {
  /** @type {number[]} */
  const moved = [];
  for (const place of places) moved.push(Math.max(place, moved.length ? moved[moved.length - 1] + APART : least));
  for (let i = moved.length - 1, below = most; i >= 0; i--, below -= APART) moved[i] = Math.min(moved[i], below);
  return moved;
}

/** @param {string} text */
function shortened(text) {
  const letters = [...text], kept = (LETTERS - 1) / 2;
  return letters.length <= LETTERS ? text : `${letters.slice(0, Math.ceil(kept)).join("")}…${letters.slice(-Math.floor(kept)).join("")}`;
}
