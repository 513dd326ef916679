/** The kind `stack`: all maps of a layer, drawn as they come into view. */

import { beforeNextFrame, h, shortNumber } from "../dom.js";
import { rangeOf, recoloured } from "../colours.js";
import { Activity } from "../parts/activity.js";
import { Stack } from "../stack.js";

const GAP = 6, APART = 10, LABEL = 13, LEAST = 8;
const USUAL = 64, LARGEST = 224; // pixels of a map's longer side, where nobody says how large

/** @param {{ model: import("../slot.js").PanelModel, el: HTMLElement }} given */
export function render({ model, el }) {
  const drawing = new StackDrawing(model, el);
  return { picture: () => drawing.picture(), stop: () => drawing.stop() };
}

/** A grid of maps on a canvas as large as what is seen of it. */
class StackDrawing {
  /**
   * @param {import("../slot.js").PanelModel} model
   * @param {HTMLElement} el
   */
  constructor(model, el) {
    this.model = model;
    this.page = model.page;
    this.free = !el.closest(".panel.bare");
    this.canvas = h("canvas", { tabindex: 0, role: "img", "data-panel": "stack" });
    this.sized = h("div", {}, h("div", { class: "view" }, this.canvas));
    this.scroller = h("div", { class: `stack${this.free ? " free" : ""}` }, this.sized);
    el.append(this.scroller);
    this.buffer = document.createElement("canvas");
    this.chosen = -1;
    this.panel = model.panel;
    this.stack = new Stack(model.panel, this.page.colours.levels);
    /** @type {number[]} the maps that are shown, in order */
    this.order = [];
    this.columns = 1;
    this.height = 0;
    this.cell = [0, 0];
    this.pitch = [1, 1];
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
    const panel = this.model.panel;
    if (panel !== this.panel) {
      this.panel = panel;
      this.stack = new Stack(panel, this.page.colours.levels);
    }
    this.activity = panel.header.activity ? new Activity(panel, this.page.placeOf(this.page.step)) : null;
    const { order, silent } = this.model.view;
    const stack = this.stack;
    const single = this.free;
    this.order = single ? stack.order("index") : stack.order(order, silent === "hide");
    this.canvas.setAttribute("aria-label", this._about());
    this._layout();
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
    this.labelled = stack.count > 1;
    const between = stack.parts.length > 1 ? 3 * GAP + APART : 0;
    let target = this.free ? (Math.min(width - 2 * GAP, 340) - between) / Math.min(stack.count, Math.max(1, Math.floor(width / 110))) : this.model.view.zoom;
    if (stack.form === "vector") target = 26;
    if (stack.form === "series") target = Math.min(width - 2 * GAP, Math.max(240, stack.width));
    if (target) this._place(target, width);
    else {
      // As large as all of them can be seen at once, within what is worth it.
      let each = LARGEST;
      do this._place(each, width); while (this.height > this.scroller.clientHeight && (each -= 8) >= USUAL);
    }
    this.sized.style.height = `${this.height}px`;
    const seen = this.free ? this.height : this.scroller.clientHeight;
    const ratio = window.devicePixelRatio || 1;
    this.seen = [width, Math.max(1, seen)];
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(this.seen[1] * ratio);
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${this.seen[1]}px`;
    this.draw();
  }

  /**
   * Place the maps, the longer side of each about as long as the target.
   * @param {number} target
   * @param {number} width of what they are placed in
   */
  _place(target, width) {
    const stack = this.stack, order = this.order;
    const long = Math.max(stack.height, stack.width);
    const times = long <= target ? Math.max(1, Math.floor(target / long)) : target / long;
    this.cell = [Math.max(LEAST, stack.width * times), stack.form === "series" ? 30 : Math.max(LEAST, stack.height * times)];
    const across = Math.max(this.cell[0], this.labelled ? 22 : 0) + GAP;
    const each = this.stack.parts.length, most = Math.floor((width - GAP + (each > 1 ? APART : 0)) / (across + (each > 1 ? APART / each : 0)));
    this.columns = Math.max(1, Math.min(order.length || 1, each > 1 && most > each ? most - (most % each) : most));
    this.pitch = [across, this.cell[1] + GAP + (this.labelled ? LABEL : 0)];
    this.height = Math.ceil(order.length / this.columns) * this.pitch[1] + GAP;
  }

  /** Where a map of the order stands, before scrolling.
   * @param {number} place */
  _box(place) {
    const row = Math.floor(place / this.columns), column = place % this.columns;
    return [this._left(column), GAP + row * this.pitch[1] + (this.labelled ? LABEL : 0), this.cell[0], this.cell[1]];
  }

  /** Where a column begins: those that belong together stand closer.
   * @param {number} column */
  _left(column) {
    const each = this.stack.parts.length;
    return GAP + column * this.pitch[0] + (each > 1 ? Math.floor(column / each) * APART : 0);
  }

  _draw() {
    const context = this.canvas.getContext("2d");
    if (!context) return;
    performance.mark("stack-draw-start");
    const ratio = window.devicePixelRatio || 1;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = getComputedStyle(this.scroller).backgroundColor;
    context.fillRect(0, 0, this.seen[0], this.seen[1]);
    const top = this.free ? 0 : this.scroller.scrollTop;
    context.translate(0, -top);
    const first = Math.max(0, Math.floor((top - GAP) / this.pitch[1])) * this.columns;
    const last = Math.min(this.order.length, (Math.floor((top + this.seen[1]) / this.pitch[1]) + 1) * this.columns);
    this._paint(context, first, last);
    performance.mark("stack-draw-end");
    performance.measure("layerscope.stack", "stack-draw-start", "stack-draw-end");
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {number} first
   * @param {number} last
   */
  _paint(context, first, last) {
    const { stack, order } = this;
    if (last <= first) return;
    if (stack.form === "series") this._lines(context, first, last);
    else this._maps(context, first, last);
    context.font = "10px system-ui, 'DejaVu Sans', sans-serif";
    context.textBaseline = "alphabetic";
    for (let place = first; place < last && this.labelled; place++) {
      const [x, y] = this._box(place);
      const silent = stack.silent(order[place]);
      context.fillStyle = place === this.chosen ? "#ffffff" : silent ? "#6e717e" : "#b4b6c0";
      const label = this._label(context, order[place], place < this.columns);
      context.fillText(label, x, y - 3);
      if (!this.activity) continue;
      const from = context.measureText(label).width + 5;
      this.activity.draw(context, stack.unit(order[place]), x + from, y - 6.5, this.cell[0] - from);
    }
    if (this.chosen >= first && this.chosen < last) {
      const [x, y, width, height] = this._box(this.chosen);
      context.strokeStyle = "#ffffff";
      context.strokeRect(x - 1.5, y - 1.5, width + 3, height + 3);
    }
  }

  /**
   * What stands above a map: its number, and in the first row what it is where two are compared.
   * @param {CanvasRenderingContext2D} context
   * @param {number} map
   * @param {boolean} head
   */
  _label(context, map, head) {
    const stack = this.stack, first = map % stack.parts.length === 0;
    const short = first ? stack.label(map) : "", long = head ? `${short} ${stack.part(map)}`.trim() : short;
    return context.measureText(long).width <= this.cell[0] + GAP ? long : short;
  }

  /**
   * Colour the maps seen, side by side at their own resolution, and put each in its place.
   * @param {CanvasRenderingContext2D} context
   * @param {number} first
   * @param {number} last
   */
  _maps(context, first, last) {
    const { stack, order } = this;
    const count = last - first;
    const across = Math.max(1, Math.min(count, Math.floor(4096 / stack.width)));
    const rows = Math.ceil(count / across);
    const width = across * stack.width, height = rows * stack.height;
    if (this.buffer.width !== width || this.buffer.height !== height) {
      this.buffer.width = width;
      this.buffer.height = height;
    }
    const buffer = /** @type {CanvasRenderingContext2D} */ (this.buffer.getContext("2d"));
    const image = new ImageData(width, height);
    const words = new Uint32Array(image.data.buffer);
    for (let i = 0; i < count; i++) {
      const start = Math.floor(i / across) * stack.height * width + (i % across) * stack.width;
      this._fill(words, start, width, order[first + i]);
    }
    buffer.putImageData(image, 0, 0);
    const smooth = this.cell[0] < stack.width;
    context.imageSmoothingEnabled = smooth;
    const dims = this.model.view.silent === "dim" && !this.free;
    for (let i = 0; i < count; i++) {
      const [x, y, w, hgt] = this._box(first + i);
      const map = order[first + i];
      context.globalAlpha = dims && stack.silent(map) ? 0.25 : 1;
      context.drawImage(this.buffer, (i % across) * stack.width, Math.floor(i / across) * stack.height, stack.width, stack.height, x, y, w, hgt);
      if (stack.silent(map) && stack.size > 1) this._mark(context, x, y, w, hgt);
    }
    context.globalAlpha = 1;
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {number} x
   * @param {number} y
   * @param {number} w
   * @param {number} hgt
   */
  _mark(context, x, y, w, hgt) {
    context.strokeStyle = "#5c5c68";
    context.beginPath();
    context.moveTo(x, y + hgt);
    context.lineTo(x + w, y);
    context.stroke();
  }

  /**
   * @param {Uint32Array} words
   * @param {number} start
   * @param {number} stride
   * @param {number} map
   */
  _fill(words, start, stride, map) {
    const stack = this.stack;
    const { pixels, height, width, size } = stack;
    if (stack.colour) {
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
          const at = 3 * (y * width + x);
          words[start + y * stride + x] = 0xff000000 | (pixels[at + 2] << 16) | (pixels[at + 1] << 8) | pixels[at];
        }
      }
      return;
    }
    this._colours(map);
    let at = map * size;
    for (let y = 0; y < height; y++) {
      let to = start + y * stride;
      for (let x = 0; x < width; x++) words[to++] = this.colour[pixels[at++]];
    }
  }

  /** Make the colours of a map's indexes, on the range that it is drawn on.
   * @param {number} map */
  _colours(map) {
    const stack = this.stack;
    const palette = stack.isDifference(map) ? this._apart() : this.model.view.palette;
    const diverging = this.page.colours.isDiverging(palette);
    const range = this.range(map);
    recoloured(this.colour, this.page.colours.table(palette, this.page.ground), stack.levels, stack.low[map], stack.high[map], range, diverging);
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

  /**
   * Draw each map of one row as a line over its positions.
   * @param {CanvasRenderingContext2D} context
   * @param {number} first
   * @param {number} last
   */
  _lines(context, first, last) {
    const { stack, order } = this;
    for (let place = first; place < last; place++) {
      const [x, y, width, height] = this._box(place), map = order[place];
      const [low, high] = this.range(map);
      context.fillStyle = "#1b1c22";
      context.fillRect(x, y, width, height);
      context.strokeStyle = "#6aa6f5";
      context.beginPath();
      for (let i = 0; i < stack.width; i++) {
        const share = high > low ? (stack.value(map, i) - low) / (high - low) : 0.5;
        const px = x + ((i + 0.5) / stack.width) * width, py = y + height - 2 - Math.min(1, Math.max(0, share)) * (height - 4);
        if (i) context.lineTo(px, py);
        else context.moveTo(px, py);
      }
      context.stroke();
    }
  }

  /** @param {MouseEvent} event */
  _at(event) {
    const box = this.canvas.getBoundingClientRect();
    const x = event.clientX - box.left, y = event.clientY - box.top + (this.free ? 0 : this.scroller.scrollTop);
    const row = Math.floor((y - GAP) / this.pitch[1]);
    let column = Math.floor((x - GAP) / this.pitch[0]);
    while (column > 0 && this._left(column) > x) column--;
    const place = row * this.columns + column;
    if (column < 0 || column >= this.columns || place < 0 || place >= this.order.length) return null;
    const [left, top, width, height] = this._box(place), stack = this.stack;
    const px = Math.floor(((x - left) / width) * stack.width), py = Math.floor(((y - top) / height) * stack.height);
    const inside = px >= 0 && py >= 0 && px < stack.width && py < stack.height;
    return { place, map: this.order[place], px, py, inside };
  }

  /** @param {PointerEvent} event */
  _hover(event) {
    const at = this._at(event);
    this.canvas.style.cursor = at && this._address(at.map) ? "pointer" : "default";
    if (!at || !at.inside) return this._leave();
    const stack = this.stack;
    const layer = this.page.place(stack.header.address).layer;
    const name = stack.form === "colour" ? layer : `${layer}:${stack.label(at.map)}`;
    const where = stack.form === "vector" ? "" : stack.form === "attention" ? ` @ query ${at.py}, key ${at.px}`
      : stack.form === "series" ? ` @ ${at.px}` : ` @ ${at.py},${at.px}`;
    const part = stack.part(at.map) && ` (${stack.part(at.map)})`;
    const value = stack.colour ? "" : ` = ${stack.exact ? "" : "≈ "}${shortNumber(stack.value(at.map, at.py * stack.width + at.px))}`;
    this.page.announce(`${name}${where}${part}${value}`);
    this.page.point(stack.form === "maps" ? { layer, y: at.py, x: at.px, height: stack.height, width: stack.width } : null);
  }

  _leave() {
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
    const moves = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.columns, ArrowUp: -this.columns };
    if (event.key in moves && !event.altKey) {
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
    const [, top, , height] = this._box(this.chosen);
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
        const each = Math.max(1, Math.floor(2048 / this.pitch[1])) * this.columns;
        for (let first = 0; first < this.order.length; first += each) this._paint(context, first, Math.min(this.order.length, first + each));
      },
    };
  }
}
