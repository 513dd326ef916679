/** The kind `stack`: all maps of a layer, drawn as they come into view. */

import { beforeNextFrame, h, shortNumber } from "../dom.js";
import { rangeOf, recoloured } from "../colours.js";
import { GAP, Grid } from "../draw/grid.js";
import { paintMaps } from "../draw/maps.js";
import { paintSeries, placeSeries } from "../draw/series.js";
import { paintVector, placeVector } from "../draw/vector.js";
import { fieldAt, fieldWords } from "../fields.js";
import { Activity } from "../parts/activity.js";
import { Stack } from "../stack.js";
import { measured } from "../timing.js";

const LABEL = 13, LEAST = 8;
const USUAL = 64, LARGEST = 224, SLICE = 40; // pixels of a map's longer side, where nobody says how large

/** @param {{ model: import("../slot.js").PanelModel, el: HTMLElement }} given */
export function render({ model, el }) {
  const drawing = new StackDrawing(model, el);
  return { picture: () => drawing.picture(), stop: () => drawing.stop() };
}

/** A grid of maps on a canvas as large as what is seen of it. */
export class StackDrawing {
  /**
   * @param {import("../slot.js").PanelModel} model
   * @param {HTMLElement} el
   */
  constructor(model, el) {
    this.model = model;
    this.page = model.page;
    this.free = !el.closest(".panel.bare");
    this.canvas = h("canvas", { tabindex: 0, role: "application", "aria-roledescription": "maps", "data-panel": "stack" });
    this.sized = h("div", {}, h("div", { class: "view" }, this.canvas));
    this.scroller = h("div", { class: `stack${this.free ? " free" : ""}` }, this.sized);
    el.append(this.scroller);
    this.buffer = document.createElement("canvas");
    this.chosen = -1;
    this.panel = model.panel;
    this.stack = new Stack(model.panel, this.page.colours.levels);
    /** @type {number[]} the maps that are shown, in order */
    this.order = [];
    this.grid = new Grid({ count: 0, width: 1, cell: [1, 1] });
    this.height = 0;
    this.seen = [0, 0];
    this.labelled = false;
    this.colour = new Uint32Array(256);
    this.draw = beforeNextFrame(() => this._draw());
    this.changed = () => this._read();
    model.addEventListener("change", this.changed);
    this.resized = new ResizeObserver(() => this._layout());
    this.resized.observe(this.scroller);
    this.scroller.addEventListener("scroll", this.draw, { passive: true });
    this.canvas.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => this._hover(event));
    this.canvas.addEventListener("pointerleave", () => this._leave());
    /** @type {PointerEvent | null} where the pointer is, while what is there is told */
    this.pointer = null;
    this.canvas.addEventListener("click", (/** @type {MouseEvent} */ event) => this._click(event));
    this.canvas.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this._key(event));
    this._read();
  }

  stop() {
    this.model.removeEventListener("change", this.changed);
    this.resized.disconnect();
    this.draw.cancel();
  }

  /** Read the panel and how it is to be shown. */
  _read() {
    const panel = this.model.panel, each = this.stack.parts.length, chosen = this.order[this.chosen];
    const other = panel !== this.panel;
    if (other) {
      this.panel = panel;
      this.stack = new Stack(panel, this.page.colours.levels);
    }
    this._follow(panel);
    const { order, silent } = this.model.view;
    const stack = this.stack;
    const single = this.free;
    this.order = single ? stack.order("index") : stack.order(order, silent === "hide");
    const parts = stack.parts.length; // as many as before, unless something is compared since or no longer
    this.chosen = chosen === undefined ? -1 : this.order.indexOf(Math.floor(chosen / each) * parts + Math.min(chosen % each, parts - 1));
    this.canvas.setAttribute("aria-label", this._about());
    this._layout();
    if (other && this.pointer) this._hover(this.pointer); // another value is there now
  }

  /** Take in when the channels answered, and which step is looked at.
   * @param {import("../types.d.ts").Panel} panel */
  _follow(panel) {
    const { step, outline } = this.page;
    if (!panel.header.activity) this.activity = null;
    else if (!this.activity?.goesOn(panel, this.page.placeOf(step))) this.activity = new Activity(panel, this.page.placeOf(step), outline.moments);
  }

  _about() {
    const stack = this.stack;
    const silent = Array.from({ length: stack.count }, (_, map) => map).filter((map) => stack.silent(map)).length;
    const count = stack.count / stack.parts.length;
    const what = count === 1 ? "one map" : `${count} ${stack.header.counts}s`;
    return `${stack.header.title}: ${what} of ${stack.height} by ${stack.width}${silent ? `, ${silent} silent` : ""}`;
  }

  /** How large a map is drawn, and how many to a row. */
  _layout() {
    const stack = this.stack;
    const width = Math.max(80, this.scroller.clientWidth);
    this.labelled = stack.count > 1 && stack.form !== "vector" && stack.form !== "series";
    const between = stack.parts.length > 1 ? 5 * GAP : 0;
    const row = stack.slices > 1 ? Math.max(SLICE, (width - 4 * GAP) / (stack.slices * stack.parts.length) - GAP) : LARGEST;
    const target = this.free ? (Math.min(width - 2 * GAP, 340) - between) / Math.min(stack.count, Math.max(1, Math.floor(width / 110))) : this.model.view.zoom;
    if (stack.form === "vector") this.grid = placeVector(this, width);
    else if (stack.form === "series") this.grid = placeSeries(this, width);
    else if (target) this.grid = this._placed(target, width);
    else {
      // As large as all of them can be seen at once, within what is worth it.
      let each = Math.min(row, LARGEST);
      do this.grid = this._placed(each, width); while (this.grid.height > this.scroller.clientHeight && (each -= 8) >= Math.min(row, USUAL));
    }
    this.height = this.grid.height;
    const high = `${this.height}px`;
    if (this.sized.style.height !== high) this.sized.style.height = high;
    const seen = this.free ? this.height : this.scroller.clientHeight;
    const ratio = window.devicePixelRatio || 1, wide = Math.round(width * ratio), tall = Math.round(Math.max(1, seen) * ratio);
    this.seen = [width, Math.max(1, seen)];
    if (this.canvas.width !== wide || this.canvas.height !== tall) { // a canvas that is as large as before keeps its memory
      this.canvas.width = wide;
      this.canvas.height = tall;
      this.canvas.style.width = `${width}px`;
      this.canvas.style.height = `${this.seen[1]}px`;
    }
    this.draw();
  }

  /**
   * Place the maps, the longer side of each about as long as the target. Slices of a volume stay together, and so does
   * what is compared.
   * @param {number} target
   * @param {number} width of what they are placed in
   */
  _placed(target, width) {
    const stack = this.stack;
    const long = Math.max(stack.height, stack.width);
    const times = long <= target ? Math.max(1, Math.floor(target / long)) : target / long;
    return new Grid({
      count: this.order.length, width, cell: [Math.max(LEAST, stack.width * times), Math.max(LEAST, stack.height * times)],
      label: this.labelled ? LABEL : 0, least: this.labelled ? 22 : 0, per: stack.slices * stack.parts.length,
      left: stack.form === "attention" ? LABEL : 0,
    });
  }

  _draw() {
    const context = this.canvas.getContext("2d");
    if (!context) return;
    const start = performance.now();
    const ratio = window.devicePixelRatio || 1;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = getComputedStyle(this.scroller).backgroundColor;
    context.fillRect(0, 0, this.seen[0], this.seen[1]);
    const top = this.free ? 0 : this.scroller.scrollTop;
    context.translate(0, -top);
    const [first, last] = this.grid.seen(top, this.seen[1]);
    this._paint(context, first, last);
    measured("layerscope.stack", start);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {number} first
   * @param {number} last
   */
  _paint(context, first, last) {
    const { stack } = this;
    if (last <= first) return;
    if (stack.form === "series") paintSeries(context, this, first, last);
    else if (stack.form === "vector") paintVector(context, this, first, last);
    else paintMaps(context, this, first, last);
    context.font = "10px system-ui, 'DejaVu Sans', sans-serif";
    context.textBaseline = "alphabetic";
    for (let place = first; place < last && this.labelled; place++) this._name(context, place);
    for (let place = first; place < last && stack.form === "attention"; place++) this._axes(context, place);
    if (this.chosen >= first && this.chosen < last) {
      const [x, y, width, height] = this.grid.box(this.chosen);
      context.strokeStyle = "#ffffff";
      context.strokeRect(x - 1.5, y - 1.5, width + 3, height + 3);
    }
  }

  /**
   * Write what a map is called, with the steps at which it answered.
   * @param {CanvasRenderingContext2D} context
   * @param {number} place
   */
  _name(context, place) {
    const { stack, order } = this, map = order[place];
    const [x, y] = this.grid.box(place);
    context.fillStyle = place === this.chosen ? "#ffffff" : stack.silent(map) ? "#6e717e" : "#b4b6c0";
    const label = this._label(context, map, place < this.grid.columns);
    context.fillText(label, x, y - 3);
    if (!this.activity) return;
    const from = context.measureText(label).width + 5;
    this.activity.draw(context, stack.unit(map), x + from, y - 6.5, this.grid.cell[0] - from);
  }

  /**
   * What stands above a map: its number, and in the first row what it is where two are compared.
   * @param {CanvasRenderingContext2D} context
   * @param {number} map
   * @param {boolean} head
   */
  _label(context, map, head) {
    const stack = this.stack, first = map % stack.parts.length === 0;
    const number = stack.form === "attention" ? `head ${stack.label(map)}` : stack.label(map);
    const short = first ? number : "", long = head ? `${short} ${stack.part(map)}`.trim() : short;
    return context.measureText(long).width <= this.grid.cell[0] + GAP ? long : short;
  }

  /**
   * Name the axes of attention: queries downwards, keys to the right.
   * @param {CanvasRenderingContext2D} context
   * @param {number} place
   */
  _axes(context, place) {
    const [x, y, width] = this.grid.box(place);
    if (width < 90) return;
    context.fillStyle = "#8a8d99";
    context.textAlign = "right";
    if (this.labelled) context.fillText("key →", x + width, y - 3);
    context.save();
    context.translate(x - 4, y);
    context.rotate(-Math.PI / 2);
    context.fillText("← query", 0, 0);
    context.restore();
    context.textAlign = "left";
  }

  /** The colours of a map's indexes, on the range that it is drawn on.
   * @param {number} map */
  colours(map) {
    const stack = this.stack;
    const palette = stack.isDifference(map) ? this._apart() : this.model.view.palette;
    const diverging = this.page.colours.isDiverging(palette);
    const range = this.range(map);
    recoloured(this.colour, this.page.colours.table(palette, this.page.ground), stack.levels, stack.low[map], stack.high[map], range, diverging);
    return this.colour;
  }

  /** The palette of differences: the one that is chosen where that has a middle. */
  _apart() {
    const { palette } = this.model.view;
    return this.page.colours.isDiverging(palette) ? palette : "diverging";
  }

  /** The range that a map is drawn on.
   * @param {number} map
   * @returns {[number, number]} */
  range(map) {
    const stack = this.stack;
    if (stack.isDifference(map)) return [-stack.header.difference, stack.header.difference];
    const { scale, palette } = this.model.view;
    const alone = stack.form === "vector" && (scale === "unit" || scale === "zscore");
    const { mean, std } = scale === "zscore" ? stack.moments : { mean: [], std: [] };
    return rangeOf({
      scale: alone ? "layer" : scale, low: stack.low[map], high: stack.high[map], mean: mean[map], std: std[map],
      layer: stack.header.layer, network: this.page.network, steps: stack.header.over_steps, diverging: this.page.colours.isDiverging(palette),
    });
  }

  /** @param {MouseEvent} event */
  _at(event) {
    const box = this.canvas.getBoundingClientRect();
    const x = event.clientX - box.left, y = event.clientY - box.top + (this.free ? 0 : this.scroller.scrollTop);
    const place = this.grid.at(x, y);
    if (place < 0) return null;
    const [left, top, width, height] = this.grid.box(place), stack = this.stack;
    const px = Math.floor(((x - left) / width) * stack.width), py = Math.floor(((y - top) / height) * stack.height);
    const inside = px >= 0 && py >= 0 && px < stack.width && py < stack.height;
    return { place, map: this.order[place], px, py, inside };
  }

  /** @param {PointerEvent} event */
  _hover(event) {
    const at = this._at(event);
    this.canvas.style.cursor = at && this._address(at.map) ? "pointer" : "default";
    this.canvas.title = at && at.py < 0 ? this._when(at.map) : "";
    if (!at || !at.inside) return this._leave();
    this.pointer = event;
    const stack = this.stack;
    const layer = this.page.place(stack.header.address).layer;
    const name = stack.form === "colour" ? layer : `${layer}:${stack.label(at.map)}`;
    const part = stack.part(at.map) && ` (${stack.part(at.map)})`;
    const value = stack.colour ? "" : ` = ${stack.exact || stack.size === 1 ? "" : "≈ "}${shortNumber(stack.value(at.map, at.py * stack.width + at.px))}`;
    const box = fieldAt(stack.header.field, stack.unit(at.map), at.py, at.px, stack.header.thinned || 1);
    this.page.announce(`${name}${whereIn(stack, at.py, at.px)}${part}${value}${value && box ? `, ${fieldWords(box)}` : ""}`);
    const placed = stack.form === "maps" || stack.form === "volume" || stack.form === "series" || stack.colour;
    this.page.point(placed ? { layer, y: at.py, x: at.px, height: stack.height, width: stack.width,
      input: stack.header.input, along: stack.form === "series", box } : null);
  }

  /** When the channel of a map answered, in words; empty where nothing tells.
   * @param {number} map */
  _when(map) {
    return this.activity ? `${this._address(map)}: ${this.activity.words(this.stack.unit(map))}` : "";
  }

  _leave() {
    if (this.pointer) this.page.announce(""); // what was told is no longer pointed at
    this.pointer = null;
    this.page.point(null);
  }

  /** The address of the unit that a map belongs to; empty where it is none.
   * @param {number} map */
  _address(map) {
    const stack = this.stack;
    const { layer } = this.page.place(stack.header.address);
    if (layer === "input" || stack.colour || stack.count === 1 && this.free) return "";
    return `${layer}:${stack.unit(map)}`;
  }

  /** @param {MouseEvent} event */
  _click(event) {
    const at = this._at(event), address = at && this._address(at.map);
    if (address) this.model.go({ address });
  }

  /** @param {KeyboardEvent} event */
  _key(event) {
    /** @type {Record<string, number>} */
    const moves = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.grid.columns, ArrowUp: -this.grid.columns };
    if (event.key in moves && !event.altKey && this.order.length) {
      this.chosen = Math.max(0, Math.min(this.order.length - 1, this.chosen + (this.chosen < 0 ? 1 : moves[event.key])));
      this._reveal();
      const stack = this.stack, map = this.order[this.chosen];
      this.page.announce(`${this._address(map) || stack.label(map)}: ${shortNumber(stack.low[map])} to ${shortNumber(stack.high[map])}${stack.silent(map) ? ", silent" : ""}`);
      this.draw();
      event.preventDefault();
      event.stopPropagation();
    } else if (event.key === "Enter" && this.chosen >= 0) {
      const address = this._address(this.order[this.chosen]);
      if (address) this.model.go({ address });
    }
  }

  _reveal() {
    if (this.free) return;
    const [, top, , height] = this.grid.box(this.chosen);
    if (top - LABEL < this.scroller.scrollTop) this.scroller.scrollTop = top - LABEL - GAP;
    else if (top + height > this.scroller.scrollTop + this.seen[1]) this.scroller.scrollTop = top + height + GAP - this.seen[1];
  }

  /** The whole grid, however much of it is seen. */
  picture() {
    return {
      width: this.seen[0], height: this.height,
      paint: (/** @type {CanvasRenderingContext2D} */ context) => {
        context.fillStyle = getComputedStyle(this.scroller).backgroundColor;
        context.fillRect(0, 0, this.seen[0], this.height);
        const each = Math.max(1, Math.floor(2048 / this.grid.group[1])) * this.grid.across * this.grid.per;
        for (let first = 0; first < this.order.length; first += each) this._paint(context, first, Math.min(this.order.length, first + each));
      },
    };
  }
}

/**
 * A place in a map, in words.
 * @param {Stack} stack
 * @param {number} y
 * @param {number} x
 */
function whereIn(stack, y, x) {
  if (stack.form === "vector") return "";
  if (stack.form === "attention") return ` @ query ${y}, key ${x}`;
  const times = stack.header.thinned || 1;
  return stack.form === "series" && !stack.header.flat ? ` @ ${x * times}` : ` @ ${y * times},${x * times}`;
}
