/** The kind `strips`: what units were at each step, a strip of rows for each layer; a click leads to the unit. */

import { beforeNextFrame, h, s } from "../dom.js";
import { nearestTo } from "../numbers.js";
import { metricLines, metricStrip } from "../parts/metric_strip.js";

const BESIDE = 128, HIGH = 72, LINE = 12, EDGE = 3; // pixels: names of groups, charts, a name, room around a strip
const UNKNOWN = 0, SILENT = 1, FIRES = 2, WOKE = 3, DIED = 4;

/** @param {{ model: import("../slot.js").PanelModel, el: HTMLElement }} given */
export function render({ model, el }) {
  const drawing = new StripsDrawing(model, el);
  return { stop: () => drawing.stop() };
}

/** The strips of a panel, below one another, with the metrics above them. */
class StripsDrawing {
  /**
   * @param {import("../slot.js").PanelModel} model
   * @param {HTMLElement} el
   */
  constructor(model, el) {
    this.model = model;
    this.el = el;
    /** @type {UnitStrip[]} */
    this.strips = [];
    this.charts = h("div", { class: "curves" });
    this.draw = beforeNextFrame(() => this._draw());
    this.changed = () => this._read();
    model.addEventListener("change", this.changed);
    this.resized = new ResizeObserver(() => this.draw());
    this.resized.observe(el);
    /** @type {import("../types.d.ts").Panel | null} */
    this.panel = null;
    this._read();
  }

  stop() {
    this.model.removeEventListener("change", this.changed);
    this.resized.disconnect();
    this.draw.cancel();
  }

  /** Read the panel, where it is another, and which step is looked at. */
  _read() {
    const { panel } = this.model;
    if (panel !== this.panel) {
      this.panel = panel;
      const { states, strips, note, notes } = panel.header;
      this.strips = strips.map((/** @type {any} */ strip) => new UnitStrip(this.model, strip));
      const present = this._present(), alone = strips.length === 1;
      this.el.replaceChildren(
        h("p", { class: "strip-legend" }, alone ? h("span", {}, strips[0].text) : null, ...states.filter((/** @type {any} */ _, /** @type {number} */ i) => present.has(i)).flatMap(legend)),
        this.charts,
        ...this.strips.map((strip) => strip.el),
        ...[note, ...notes].filter(Boolean).map((text) => h("p", { class: "note" }, text)));
    }
    this.draw();
  }

  /** The states that some cell has. */
  _present() {
    return new Set(this.strips.flatMap((strip) => [...new Set(strip.cells)]));
  }

  _draw() {
    const width = Math.max(80, this.el.clientWidth), across = width - BESIDE;
    const { steps } = this.model.panel.header, now = placeOf(this.model, steps);
    this._drawCharts(across);
    for (const strip of this.strips) strip.draw(width, across, now);
  }

  /** @param {number} width */
  _drawCharts(width) {
    const { charts, steps } = this.model.panel.header;
    this.charts.hidden = !charts.length;
    if (!charts.length) return;
    const across = (/** @type {number} */ place) => ((place + 0.5) * width) / steps.length, lines = metricLines(this.model.panel);
    this.charts.replaceChildren(h("p", { class: "strip-legend" }, ...lines.flatMap(lineName)), metricStrip(lines, { width, height: HIGH, across, marks: [] }));
  }
}

/**
 * Where the step that is looked at stands; the last where none is named.
 * @param {import("../slot.js").PanelModel} model
 * @param {number[]} steps
 */
function placeOf(model, steps) {
  const step = model.page.step ?? model.view.step;
  return step === null || step === undefined ? -1 : nearestTo(steps, step);
}

/**
 * A state in its colour.
 * @param {{ text: string, colour: string }} state
 */
function legend({ text, colour }) {
  return [s("svg", { class: "sample", width: 11, height: 11, "aria-hidden": "true" }, s("rect", { width: 11, height: 11, rx: 2, fill: colour })),
    h("span", {}, text)];
}

/**
 * The name of a metric beside a piece of its line.
 * @param {{ label: string, colour: string, dashed: boolean }} line
 */
function lineName({ label, colour, dashed }) {
  return [s("svg", { width: 16, height: 11, "aria-hidden": "true" },
    s("line", { x1: 0, x2: 16, y1: 6, y2: 6, stroke: colour, "stroke-width": 1.5, "stroke-dasharray": dashed ? "4 3" : null })), h("span", {}, label)];
}

/** The strip of one layer. */
class UnitStrip {
  /**
   * @param {import("../slot.js").PanelModel} model
   * @param {Record<string, any>} strip as the header has it
   */
  constructor(model, strip) {
    this.model = model;
    this.strip = strip;
    const [rows, columns] = strip.shape, { buffers, header } = model.panel;
    this.rows = rows;
    this.columns = columns;
    this.cells = new Uint8Array(buffers.cells, strip.offset, rows * columns);
    this.colours = header.states.map((/** @type {any} */ state) => state.colour);
    this.chosen = -1; // a place among the units
    this.across = 1;
    this.canvas = h("canvas", { tabindex: 0, role: "application", "aria-roledescription": "strip", "aria-label": this._about(),
      on: {
        pointermove: (/** @type {PointerEvent} */ event) => this._hover(event), pointerleave: () => model.page.announce(""),
        click: (/** @type {MouseEvent} */ event) => this._go(this._at(event)?.place ?? -1), keydown: (/** @type {KeyboardEvent} */ event) => this._key(event),
      } });
    const alone = header.strips.length === 1; // then the panel's title says which layer it is
    this.el = h("div", { class: "strip" }, alone ? null : h("p", { class: "about" }, h("b", {}, strip.label), ` ${strip.text}`), this.canvas);
  }

  _about() {
    const { strip } = this;
    return `${strip.label}: ${strip.text}; ${strip.groups.map((/** @type {any} */ group) => group.text).filter(Boolean).join(", ")}`;
  }

  /**
   * @param {number} width of all
   * @param {number} across of the strip
   * @param {number} now the place of the step that is looked at, or -1
   */
  draw(width, across, now) {
    const { canvas, strip } = this, ratio = window.devicePixelRatio || 1;
    const high = strip.box[3], named = strip.groups.length * LINE, height = Math.max(high, named) + 2 * EDGE;
    this.across = across;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    context.scale(ratio, ratio);
    context.imageSmoothingEnabled = false;
    const steps = this.model.panel.header.steps.length, reach = (across * this.columns * strip.each) / steps;
    context.save();
    context.beginPath();
    context.rect(0, EDGE, across, high);
    context.clip();
    context.drawImage(this._image(Math.max(1, Math.round(reach * ratio))), 0, EDGE, reach, high);
    context.restore();
    const style = getComputedStyle(this.el);
    if (now >= 0) this._mark(context, ((now + 0.5) * across) / steps, high, style.color);
    this._groups(context, across, high, height, style);
    this._frame(context, across, high, style.color);
  }

  /**
   * The cells as they are, or, where so many pixels are fewer than there are columns, several in one: by the rule of the note.
   * @param {number} most
   */
  _image(most) {
    const columns = Math.min(this.columns, most), canvas = document.createElement("canvas");
    canvas.width = columns;
    canvas.height = this.rows;
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    for (let row = 0; row < this.rows; row++) {
      for (let column = 0; column < columns; column++) {
        const from = Math.floor((column * this.columns) / columns), to = Math.ceil(((column + 1) * this.columns) / columns);
        const cells = this.cells.subarray(row * this.columns + from, row * this.columns + Math.max(to, from + 1));
        context.fillStyle = this.colours[foldedCell(cells)];
        context.fillRect(column, row, 1, 1);
      }
    }
    return canvas;
  }

  /** Mark the step that is looked at.
   * @param {CanvasRenderingContext2D} context
   * @param {number} x
   * @param {number} high
   * @param {string} colour */
  _mark(context, x, high, colour) {
    context.fillStyle = colour;
    context.fillRect(x - 0.75, 0, 1.5, high + 2 * EDGE);
  }

  /** Name the groups of rows at their right, apart from each other.
   * @param {CanvasRenderingContext2D} context
   * @param {number} across
   * @param {number} high
   * @param {number} height
   * @param {CSSStyleDeclaration} style */
  _groups(context, across, high, height, style) {
    context.font = "11px system-ui, 'DejaVu Sans', sans-serif";
    context.textBaseline = "middle";
    context.fillStyle = style.color;
    context.strokeStyle = style.color;
    const groups = this.strip.groups.filter((/** @type {any} */ group) => group.text);
    let last = -LINE / 2;
    groups.forEach((/** @type {any} */ group, /** @type {number} */ i) => {
      const top = EDGE + (high * group.start) / this.rows, bottom = EDGE + (high * group.end) / this.rows;
      const below = (groups.length - 1 - i) * LINE;
      const y = Math.min(Math.max((top + bottom) / 2, last + LINE, LINE / 2), height - below - LINE / 2);
      last = y;
      context.globalAlpha = 0.5;
      context.fillRect(across + 4, top + 0.5, 1.5, Math.max(1, bottom - top - 1));
      context.beginPath();
      context.moveTo(across + 5.5, (top + bottom) / 2);
      context.lineTo(across + 12, y);
      context.stroke();
      context.globalAlpha = 1;
      context.fillText(group.text, across + 15, y);
    });
  }

  /** Frame the row of the unit that is chosen by keys.
   * @param {CanvasRenderingContext2D} context
   * @param {number} across
   * @param {number} high
   * @param {string} colour */
  _frame(context, across, high, colour) {
    if (this.chosen < 0) return;
    const row = this._row(this.chosen), each = high / this.rows;
    context.strokeStyle = colour;
    context.strokeRect(0.5, EDGE + row * each - 1, across - 1, Math.max(3, each + 2));
  }

  /** The row that a unit is in, by its place among the units.
   * @param {number} place */
  _row(place) {
    const { starts } = this.strip;
    let row = starts.length - 1;
    while (row > 0 && starts[row] > place) row--;
    return row;
  }

  /** @param {MouseEvent} event */
  _at(event) {
    const box = this.canvas.getBoundingClientRect(), { strip } = this;
    const x = event.clientX - box.left, y = event.clientY - box.top - EDGE;
    if (y < 0 || y >= strip.box[3] || x < 0 || x >= box.width) return null;
    const down = (y / strip.box[3]) * this.rows, row = Math.min(this.rows - 1, Math.floor(down));
    const start = strip.starts[row], end = strip.starts[row + 1] ?? strip.units.length;
    const steps = this.model.panel.header.steps.length;
    const step = x < this.across ? Math.min(steps - 1, Math.floor((x / this.across) * steps)) : -1;
    return { place: Math.min(end - 1, start + Math.floor((down - row) * (end - start))), row, step };
  }

  /** @param {PointerEvent} event */
  _hover(event) {
    const at = this._at(event);
    this.canvas.style.cursor = at ? "pointer" : "default";
    this.model.page.announce(at ? this._words(at.place, at.row, at.step) : "");
  }

  /**
   * What is known of a unit, and what it is at a step.
   * @param {number} place among the units
   * @param {number} row
   * @param {number} step its place, or -1
   */
  _words(place, row, step) {
    const { strip } = this, { moments, states } = this.model.panel.header;
    const group = strip.groups.find((/** @type {any} */ one) => row >= one.start && row < one.end)?.text || "";
    const words = [`${strip.name}:${strip.units[place]}`, group && `one of ${group}`];
    if (step >= 0) {
      const column = Math.floor(step / strip.each), state = states[this.cells[row * this.columns + column]].text;
      words.push(`${moments[step]}: ${state}`);
    }
    return words.filter(Boolean).join(", ");
  }

  /** Go to a unit's page.
   * @param {number} place among the units */
  _go(place) {
    if (place >= 0) this.model.go({ address: `${this.strip.name}:${this.strip.units[place]}` });
  }

  /** @param {KeyboardEvent} event */
  _key(event) {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key] || 0, count = this.strip.units.length;
    if (event.key === "Enter") this._go(this.chosen);
    if (!by || event.altKey) return;
    this.chosen = this.chosen < 0 ? (by > 0 ? 0 : count - 1) : Math.max(0, Math.min(count - 1, this.chosen + by));
    const { steps } = this.model.panel.header, now = placeOf(this.model, steps);
    this.model.page.announce(this._words(this.chosen, this._row(this.chosen), now));
    this.draw(this.canvas.clientWidth, this.across, now);
    event.preventDefault();
    event.stopPropagation();
  }
}

/**
 * What one cell shows in place of several: what died, or else woke, if one did; else what most do.
 * @param {Uint8Array} cells
 */
function foldedCell(cells) {
  const counts = [0, 0, 0, 0, 0];
  for (const cell of cells) counts[cell]++;
  if (counts[DIED]) return DIED;
  if (counts[WOKE]) return WOKE;
  if (!counts[FIRES] && !counts[SILENT]) return UNKNOWN;
  return counts[FIRES] > counts[SILENT] ? FIRES : SILENT;
}
