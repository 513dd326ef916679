/** A board to draw on, pixel by pixel what the network gets: for small grey images. */

import { h } from "../dom.js";

const LEAST_RADIUS = 0.5, RADII = 24, SOFTNESS = 0.85; // of a stroke, in pixels, as in MNIST at 28

/** A grey image that grows under the pointer. */
export class DrawingBoard {
  /**
   * @param {{ height: number, width: number, dark: boolean, changed: () => void, say: (text: string) => void }} given
   *   `dark` says that strokes are bright on a dark ground.
   */
  constructor({ height, width, dark, changed, say }) {
    this.height = height;
    this.width = width;
    this.dark = dark;
    this.changed = changed;
    this.say = say;
    /** How much ink each pixel has, 0 to 255. */
    this.ink = new Uint8Array(height * width);
    this.radius = Math.max(LEAST_RADIUS, Math.max(height, width) / RADII);
    this.softness = SOFTNESS;
    /** @type {number[] | null} where the stroke that is being drawn has come */
    this.last = null;
    this.pen = { x: (width - 1) / 2, y: (height - 1) / 2, down: false, shown: false };
    this.canvas = h("canvas", {
      width, height, tabindex: 0, class: "board", role: "application", "aria-roledescription": "drawing board",
      "aria-label": `Draw here, ${height} by ${width} pixels. Arrows move a pen, Space sets it down or lifts it, Delete clears.`,
      on: {
        pointerdown: (/** @type {PointerEvent} */ event) => this._down(event),
        pointermove: (/** @type {PointerEvent} */ event) => this._move(event),
        pointerup: () => this._lift(),
        pointercancel: () => this._lift(),
        keydown: (/** @type {KeyboardEvent} */ event) => this._key(event),
        blur: () => this._hidePen(),
      },
    });
    this.mark = h("span", { class: "pen", hidden: true, "aria-hidden": "true" });
    this.el = h("div", { class: "drawing" }, this.canvas, this.mark);
    this._paint();
  }

  /** Take all ink away. */
  clear() {
    this.ink.fill(0);
    this._paint();
    this.changed();
  }

  /**
   * Draw from one place to another; pixels have their centres at whole numbers.
   * @param {number[]} from x and y
   * @param {number[]} to
   */
  stroke(from, to) {
    const reach = this.radius + this.softness;
    const [left, right] = [Math.min(from[0], to[0]) - reach, Math.max(from[0], to[0]) + reach];
    const [top, bottom] = [Math.min(from[1], to[1]) - reach, Math.max(from[1], to[1]) + reach];
    for (let y = Math.max(0, Math.ceil(top)); y <= Math.min(this.height - 1, bottom); y++) {
      for (let x = Math.max(0, Math.ceil(left)); x <= Math.min(this.width - 1, right); x++) {
        const away = distance(x, y, from, to);
        const share = Math.min(1, Math.max(0, (this.radius + this.softness / 2 - away) / this.softness));
        const at = y * this.width + x;
        this.ink[at] = Math.max(this.ink[at], Math.round(255 * share));
      }
    }
    this._paint();
    this.changed();
  }

  /** The image as a file.
   * @returns {Promise<Blob>} */
  async blob() {
    const canvas = document.createElement("canvas");
    canvas.width = this.width;
    canvas.height = this.height;
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    context.putImageData(this._image(), 0, 0);
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
    if (!blob) throw new Error("This browser makes no image of the drawing.");
    return blob;
  }

  _image() {
    const image = new ImageData(this.width, this.height), words = new Uint32Array(image.data.buffer);
    for (let i = 0; i < words.length; i++) {
      const level = this.dark ? this.ink[i] : 255 - this.ink[i];
      words[i] = 0xff000000 | (level << 16) | (level << 8) | level;
    }
    return image;
  }

  _paint() {
    const context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d", { willReadFrequently: true }));
    context.putImageData(this._image(), 0, 0);
  }

  /**
   * Where the pointer is, in pixels of the image.
   * @param {PointerEvent} event
   */
  _at(event) {
    const box = this.canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * this.width - 0.5, ((event.clientY - box.top) / box.height) * this.height - 0.5];
  }

  /** @param {PointerEvent} event */
  _down(event) {
    if (event.button !== 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    this._hidePen();
    this.last = this._at(event);
    this.stroke(this.last, this.last);
  }

  /** @param {PointerEvent} event */
  _move(event) {
    if (!this.last) return;
    const all = event.getCoalescedEvents?.() || [];
    for (const each of all.length ? all : [event]) {
      const to = this._at(each);
      this.stroke(this.last, to);
      this.last = to;
    }
  }

  _lift() {
    this.last = null;
  }

  /** @param {KeyboardEvent} event */
  _key(event) {
    /** @type {Record<string, number[]>} */
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const { pen } = this;
    if (event.key in moves) {
      const from = [pen.x, pen.y], [x, y] = moves[event.key];
      pen.x = Math.min(this.width - 1, Math.max(0, pen.x + x));
      pen.y = Math.min(this.height - 1, Math.max(0, pen.y + y));
      if (pen.down) this.stroke(from, [pen.x, pen.y]);
    } else if (event.key === " ") {
      pen.down = !pen.down;
      if (pen.down) this.stroke([pen.x, pen.y], [pen.x, pen.y]);
    } else if (event.key === "Delete" || event.key === "Backspace") this.clear();
    else return;
    event.preventDefault();
    this._showPen();
    this.say(`row ${Math.round(pen.y)}, column ${Math.round(pen.x)}, pen ${pen.down ? "down" : "lifted"}`);
  }

  _showPen() {
    const { x, y, down } = this.pen;
    this.mark.hidden = false;
    this.mark.classList.toggle("down", down);
    this.mark.style.left = `${(100 * (x + 0.5)) / this.width}%`;
    this.mark.style.top = `${(100 * (y + 0.5)) / this.height}%`;
  }

  _hidePen() {
    this.mark.hidden = true;
    this.pen.down = false;
  }
}

/**
 * How far a place is from a line between two others.
 * @param {number} x
 * @param {number} y
 * @param {number[]} from
 * @param {number[]} to
 */
function distance(x, y, from, to) {
  const along = [to[0] - from[0], to[1] - from[1]], length = along[0] ** 2 + along[1] ** 2;
  const share = length ? Math.min(1, Math.max(0, ((x - from[0]) * along[0] + (y - from[1]) * along[1]) / length)) : 0;
  return Math.hypot(x - from[0] - share * along[0], y - from[1] - share * along[1]);
}
