/** The kind `overlay`: a unit's map by itself, and over the input that it is a map of. */

import { rangeOf, recoloured, valueOf } from "../colours.js";
import { beforeNextFrame, choice, h, shortNumber } from "../dom.js";
import { contours } from "../draw/contours.js";
import { drawSeries } from "../draw/series.js";
import { fieldAt, fieldWords, markBox } from "../fields.js";

const SIDE = 360, LOW = 120; // pixels: of a picture's longer side at most, of lines' height at least

/** @param {{ model: import("../slot.js").PanelModel, el: HTMLElement }} given */
export function render({ model, el }) {
  const drawing = new OverlayDrawing(model, el);
  return { picture: () => drawing.picture(), stop: () => drawing.stop() };
}

/** A map, the input, and the one over the other; what is under the pointer is marked on both. */
class OverlayDrawing {
  /**
   * @param {import("../slot.js").PanelModel} model
   * @param {HTMLElement} el
   */
  constructor(model, el) {
    this.model = model;
    this.page = model.page;
    this.el = el;
    this.how = "heat";
    this.opacity = 0.6;
    /** @type {{ opacity: number, canvas: HTMLCanvasElement } | null} the map as it lay over the input last */
    this.heat = null;
    this.values = new Float32Array(0);
    this.pixels = new Uint8Array(0);
    /** @type {[number, number] | null} row and column of the map under the pointer */
    this.at = null;
    this.own = h("canvas", { role: "img", "data-panel": "overlay" });
    this.over = h("canvas", { role: "img", "data-panel": "overlay-input" });
    this.text = h("p", { class: "value" });
    this.slider = h("input", { type: "range", min: 0, max: 100, step: 5, "aria-label": "Opacity of the map over the input",
      on: { input: () => { this.opacity = Number(this.slider.value) / 100; this.draw(); } } });
    this.slider.value = "60";
    this.tools = h("div", { class: "tools" },
      choice("How the map lies over the input", [["heat", "heat"], ["contour", "contour"]], this.how, (how) => { this.how = how; this.draw(); }),
      h("label", {}, "opacity", this.slider));
    this.note = h("p", { class: "note" });
    this.pair = h("div", { class: "overlay" }, this.own, this.over);
    el.append(this.pair, this.text, this.tools, this.note);
    this.draw = beforeNextFrame(() => this._draw());
    this.changed = () => this._read();
    model.addEventListener("change", this.changed);
    this.resized = new ResizeObserver(() => this._layout());
    this.resized.observe(this.pair);
    for (const canvas of [this.own, this.over]) {
      canvas.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => this._hover(event, canvas));
      canvas.addEventListener("pointerleave", () => this._leave());
    }
    this._read();
  }

  stop() {
    this.model.removeEventListener("change", this.changed);
    this.resized.disconnect();
    this.draw.cancel();
  }

  _read() {
    const { header, buffers } = this.model.panel;
    this.map = header.map;
    this.heat = null;
    this.given = header.picture;
    this.values = buffers.values ? new Float32Array(buffers.values) : new Float32Array(0);
    this.pixels = new Uint8Array(buffers.pixels || new ArrayBuffer(0));
    this.lines = Boolean(this.map ? this.map.form === "series" : this.given?.format === "float");
    this.own.hidden = this.lines ? false : !this.map;
    this.over.hidden = this.lines || !this.given;
    this.tools.hidden = this.lines || !this.map || !this.given;
    this.text.hidden = !header.text;
    this.text.textContent = header.text;
    const [from, to] = this.map ? this._range() : [0, 0];
    this.note.textContent = [header.note, this.map ? `from ${shortNumber(from)} to ${shortNumber(to)}` : ""].filter(Boolean).join("; ");
    this.own.setAttribute("aria-label", `${header.title}: ${this.map ? this.map.shape.join(" by ") : header.text}`);
    this.over.setAttribute("aria-label", `${header.title} over the input`);
    this.shown = this.map && !this.lines ? this._coloured() : null;
    this.below = this.given && this.given.format !== "float" ? this._input() : null;
    this._layout();
  }

  /** The range that the map is drawn on. */
  _range() {
    const { scale, palette } = this.model.view, over = this.model.panel.header.over_steps;
    const { low, high } = this.map;
    return rangeOf({ scale: scale === "zscore" ? "unit" : scale, low, high, layer: [low, high], steps: over, network: this.page.network,
      diverging: this.page.colours.isDiverging(palette) });
  }

  /** The colours of the map's indexes, on the range that it is drawn on. */
  _colours() {
    const { palette } = this.model.view, { low, high } = this.map;
    const colours = new Uint32Array(256);
    recoloured(colours, this.page.colours.table(palette, this.page.ground), this.page.colours.levels, low, high,
      this._range(), this.page.colours.isDiverging(palette));
    return colours;
  }

  /** The map in the palette of now, at its own resolution. */
  _coloured() {
    const [height, width] = this.map.shape, colours = this._colours();
    return canvasOf(width, height, (i) => colours[this.pixels[i]]);
  }

  /** The map for lying over the input, on the same range: the stronger, the less is seen of what is below. */
  _heat() {
    if (this.heat?.opacity !== this.opacity) this.heat = { opacity: this.opacity, canvas: this._heated() };
    return this.heat.canvas;
  }

  _heated() {
    const [height, width] = this.map.shape, { levels } = this.page.colours, { low, high } = this.map;
    const [from, to] = this._range();
    const colours = this._colours();
    return canvasOf(width, height, (i) => {
      const index = this.pixels[i];
      const value = valueOf(index, low, high, levels);
      const share = index >= levels || !(to > from) ? 0 : Math.max(0, Math.min(1, (value - from) / (to - from)));
      return ((colours[index] & 0xffffff) | (Math.round(255 * this.opacity * (0.25 + 0.75 * share)) << 24)) >>> 0;
    });
  }

  /** The input, in its colours. */
  _input() {
    const [height, width] = this.given.shape;
    const bytes = new Uint8Array(this.model.panel.buffers.picture);
    const gray = this.page.colours.table("gray", this.page.ground);
    const rgb = this.given.format === "rgb";
    return canvasOf(width, height, (i) => (rgb ? 0xff000000 | (bytes[3 * i + 2] << 16) | (bytes[3 * i + 1] << 8) | bytes[3 * i] : gray[bytes[i]]) >>> 0);
  }

  _layout() {
    const width = Math.max(120, this.pair.clientWidth || this.el.clientWidth);
    if (this.lines) this._size(this.own, width, Math.max(LOW, Math.min(200, width / 3)));
    else {
      const both = !this.own.hidden && !this.over.hidden;
      const side = Math.min(SIDE, both ? (width - 10) / 2 : width);
      const [height, across] = this.given && this.below ? this.given.shape : this.map.shape;
      const times = side / Math.max(height, across);
      for (const canvas of [this.own, this.over]) this._size(canvas, across * times, height * times);
    }
    this.draw();
  }

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {number} width
   * @param {number} height
   */
  _size(canvas, width, height) {
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.max(1, Math.round(width * ratio));
    canvas.height = Math.max(1, Math.round(height * ratio));
    canvas.style.width = `${Math.round(width)}px`;
    canvas.style.height = `${Math.round(height)}px`;
  }

  _draw() {
    if (this.lines) this._drawLines(this.own);
    else {
      if (this.shown) this._drawMap(this.own);
      if (this.below) this._drawOver(this.over);
    }
  }

  /** @param {HTMLCanvasElement} canvas */
  _drawMap(canvas) {
    const context = contextOf(canvas);
    if (this.shown) context.drawImage(this.shown, 0, 0, canvas.width, canvas.height);
    this._mark(context, canvas);
  }

  /** @param {HTMLCanvasElement} canvas */
  _drawOver(canvas) {
    const context = contextOf(canvas);
    if (!this.below) return;
    context.imageSmoothingEnabled = this.below.width > canvas.width;
    context.drawImage(this.below, 0, 0, canvas.width, canvas.height);
    if (!this.map) return;
    if (this.how === "heat") {
      context.imageSmoothingEnabled = true;
      context.drawImage(this._heat(), 0, 0, canvas.width, canvas.height);
    } else this._contour(context, canvas);
    if (!this._markField(context, canvas)) this._mark(context, canvas);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {HTMLCanvasElement} canvas
   */
  _contour(context, canvas) {
    const [height, width] = this.map.shape, { low, high } = this.map;
    const wide = canvas.width / width, tall = canvas.height / height;
    const table = this.page.colours.table(this.model.view.palette, this.page.ground);
    context.globalAlpha = 0.25 + 0.75 * this.opacity;
    for (const share of [0.4, 0.6, 0.8]) {
      const word = table[Math.round(share * (this.page.colours.levels - 1))];
      context.strokeStyle = "#000000";
      context.lineWidth = 4;
      const lines = contours(this.values, height, width, low + share * (high - low));
      for (const pass of [0, 1]) {
        if (pass) {
          context.strokeStyle = `rgb(${word & 255} ${(word >> 8) & 255} ${(word >> 16) & 255})`;
          context.lineWidth = 2;
        }
        context.beginPath();
        for (const [x1, y1, x2, y2] of lines) {
          context.moveTo((x1 + 0.5) * wide, (y1 + 0.5) * tall);
          context.lineTo((x2 + 0.5) * wide, (y2 + 0.5) * tall);
        }
        context.stroke();
      }
    }
    context.globalAlpha = 1;
  }

  /** @param {HTMLCanvasElement} canvas */
  _drawLines(canvas) {
    const context = contextOf(canvas), style = getComputedStyle(this.el);
    context.fillStyle = style.getPropertyValue("--stage");
    context.fillRect(0, 0, canvas.width, canvas.height);
    const box = [0, 0, canvas.width, canvas.height];
    if (this.given?.format === "float") {
      const [count, width] = this.given.shape, all = new Float32Array(this.model.panel.buffers.picture);
      for (let row = 0; row < count; row++) drawSeries(context, all.subarray(row * width, (row + 1) * width), box, null, "#6e717e");
    }
    if (this.map) {
      context.lineWidth = 1.5;
      drawSeries(context, this.values, box, this._range(), style.getPropertyValue("--accent"));
    }
    this._markField(context, canvas);
    this._mark(context, canvas);
  }

  /** The receptive field of the part under the pointer; null where there is none that is known. */
  _field() {
    const { address, field } = this.model.panel.header;
    return this.at ? fieldAt(field, this.page.place(address).unit || 0, this.at[0], this.at[1]) : null;
  }

  /**
   * Mark on the input what the part of the map under the pointer is computed from; whether that is known.
   * @param {CanvasRenderingContext2D} context
   * @param {HTMLCanvasElement} canvas
   */
  _markField(context, canvas) {
    const field = this._field();
    if (!field) return false;
    const { rows, columns, of, along } = field;
    const [left, right] = along ? rows : columns, [top, bottom] = along ? [0, 1] : rows;
    const wide = canvas.width / (along ? of[0] : of[1]), tall = canvas.height / (along ? 1 : of[0]), line = window.devicePixelRatio || 1;
    if (right > left && bottom > top) markBox(context, [left * wide, top * tall, (right - left) * wide, (bottom - top) * tall], 2 * line, [5 * line, 3 * line]);
    return true;
  }

  /**
   * Mark the part of the map under the pointer.
   * @param {CanvasRenderingContext2D} context
   * @param {HTMLCanvasElement} canvas
   */
  _mark(context, canvas) {
    if (!this.at || !this.map) return;
    const [height, width] = this.lines ? [1, this.map.shape[1]] : this.map.shape;
    const wide = canvas.width / width, tall = canvas.height / height;
    markBox(context, [this.at[1] * wide, this.at[0] * tall, wide, tall], 2);
  }

  /**
   * @param {PointerEvent} event
   * @param {HTMLCanvasElement} canvas
   */
  _hover(event, canvas) {
    if (!this.map) return;
    const box = canvas.getBoundingClientRect(), [height, width] = this.map.shape;
    const x = Math.max(0, Math.min(width - 1, Math.floor(((event.clientX - box.left) / box.width) * width)));
    const y = this.lines ? 0 : Math.max(0, Math.min(height - 1, Math.floor(((event.clientY - box.top) / box.height) * height)));
    this.at = [y, x];
    const address = this.model.panel.header.address, place = this.lines && !this.model.panel.header.flat ? `${x}` : `${y},${x}`;
    this.page.announce(`${address}@${place} = ${this.map.approximate ? "≈ " : ""}${shortNumber(this.values[y * width + x])}${this._where(y, x)}`);
    this.page.point({ layer: this.page.place(address).layer, y, x, height: this.lines ? 1 : height, width,
      input: this.given?.name, along: this.lines, box: this._field() });
    this.draw();
  }

  /**
   * Where a part of the map lies on the input, in words.
   * @param {number} y
   * @param {number} x
   */
  _where(y, x) {
    const field = this._field();
    if (field) return `, ${fieldWords(field)}`;
    if (!this.given) return "";
    const [rows, columns] = this.given.of || this.given.shape, [height, width] = this.map.shape;
    const span = (/** @type {number} */ at, /** @type {number} */ of, /** @type {number} */ size) => {
      const first = Math.floor((at * size) / of), last = Math.max(first, Math.ceil(((at + 1) * size) / of) - 1);
      return first === last ? `${first}` : `${first}–${last}`;
    };
    if (this.lines) return `, about ${span(x, width, columns)} of the input`;
    return `, about row ${span(y, height, rows)}, column ${span(x, width, columns)} of the input`;
  }

  _leave() {
    this.at = null;
    this.page.point(null);
    this.draw();
  }

  /** All that is shown, side by side. */
  picture() {
    const shown = [this.own, this.over].filter((canvas) => !canvas.hidden);
    return {
      width: shown.reduce((sum, canvas) => sum + canvas.clientWidth, 0), height: Math.max(...shown.map((canvas) => canvas.clientHeight)),
      paint: (/** @type {CanvasRenderingContext2D} */ context) => {
        let x = 0;
        for (const canvas of shown) {
          context.drawImage(canvas, x, 0, canvas.clientWidth, canvas.clientHeight);
          x += canvas.clientWidth;
        }
      },
    };
  }
}

/**
 * A canvas filled pixel by pixel.
 * @param {number} width
 * @param {number} height
 * @param {(i: number) => number} word the colour of a pixel, RGBA as a whole number
 */
function canvasOf(width, height, word) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height), words = new Uint32Array(image.data.buffer);
  for (let i = 0; i < words.length; i++) words[i] = word(i);
  /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")).putImageData(image, 0, 0);
  return canvas;
}

/** @param {HTMLCanvasElement} canvas */
function contextOf(canvas) {
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingEnabled = false;
  return context;
}
