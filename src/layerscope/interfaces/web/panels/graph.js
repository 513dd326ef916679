/** The kind `graph`: the network, laid out, with a thumbnail in each box; to be moved, enlarged, and gone through. */

import { beforeNextFrame, h } from "../dom.js";
import { GraphPainter, READABLE } from "../draw/graph.js";
import { measured } from "../timing.js";

const FARTHEST = 0.02, NEAREST = 6;

/** @param {{ model: import("../slot.js").PanelModel, el: HTMLElement }} given */
export function render({ model, el }) {
  const drawing = new GraphDrawing(model, el);
  return { picture: () => drawing.picture(), stop: () => drawing.stop() };
}

/** A graph on a canvas; only what is in view is drawn, text only where it can be read. */
class GraphDrawing {
  /**
   * @param {import("../slot.js").PanelModel} model
   * @param {HTMLElement} el
   */
  constructor(model, el) {
    this.model = model;
    this.page = model.page;
    this.canvas = h("canvas", { tabindex: 0, role: "application", "aria-roledescription": "network graph", "data-panel": "graph" });
    const button = (/** @type {string} */ text, /** @type {string} */ label, /** @type {() => void} */ act) =>
      h("button", { type: "button", "aria-label": label, title: label, on: { click: act } }, text);
    this.corner = h("div", { class: "corner" },
      button("+", "Enlarge", () => this._zoom(1.3)), button("−", "Reduce", () => this._zoom(1 / 1.3)),
      button("fit", "fit: show the whole network", () => this._fit(true)));
    this.el = el;
    el.append(this.canvas, this.corner);
    this.painter = new GraphPainter(this.page);
    this.at = { x: 0, y: 0, times: 0 };
    this.fitted = "head"; // to what of it is seen: its head, the whole of it; empty where somebody moved it
    /** @type {import("../types.d.ts").Panel | null} */
    this.panel = null;
    /** @type {string | null} */
    this.address = null;
    this.structure = "";
    this.chosen = -1;
    this.pointers = new Map();
    this.draw = beforeNextFrame(() => this._draw());
    this.changed = () => this._read();
    /** @type {import("../types.d.ts").PointedAt | null} what is marked on the input */
    this.pointed = null;
    this.pointing = (/** @type {Event} */ event) => { this.pointed = /** @type {CustomEvent} */ (event).detail; this.draw(); };
    this.page.addEventListener("point", this.pointing);
    model.addEventListener("change", this.changed);
    this.resized = new ResizeObserver(() => this._resize());
    this.resized.observe(el);
    this.canvas.addEventListener("wheel", (/** @type {WheelEvent} */ event) => this._wheel(event), { passive: false });
    this.canvas.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => this._down(event));
    this.canvas.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => this._move(event));
    this.canvas.addEventListener("pointerup", (/** @type {PointerEvent} */ event) => this._up(event));
    this.canvas.addEventListener("pointercancel", (/** @type {PointerEvent} */ event) => this.pointers.delete(event.pointerId));
    this.canvas.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this._key(event));
    this._read();
  }

  stop() {
    this.model.removeEventListener("change", this.changed);
    this.page.removeEventListener("point", this.pointing);
    this.resized.disconnect();
    this.draw.cancel();
  }

  _read() {
    const { panel, view } = this.model;
    const structure = panel.header.boxes.map((/** @type {any} */ box) => box.id).join("\n");
    this.panel = panel;
    this.painter.take(panel);
    if (structure !== this.structure) {
      this.structure = structure;
      this.at.times = 0;
      this.fitted = "head";
    }
    const address = this.page.place(view.address).layer;
    if (address !== this.address) {
      this.address = address;
      this.chosen = panel.header.boxes.findIndex((/** @type {any} */ box) => box.addresses.includes(address));
      if (this.at.times && this.chosen >= 0) this._reveal();
    }
    this.canvas.setAttribute("aria-label", `${panel.header.title}, ${panel.header.boxes.length} boxes; arrows move, Enter opens`);
    this._resize();
  }

  _resize() {
    const ratio = window.devicePixelRatio || 1;
    const width = this.el.clientWidth, height = this.el.clientHeight;
    if (!width || !height) return;
    const other = this.size && (this.size[0] !== width || this.size[1] !== height);
    this.size = [width, height];
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    if (!this.at.times || (other && this.fitted !== "")) {
      this._fit(this.fitted === "whole");
      if (this.fitted !== "whole") this._reveal();
    }
    this.draw();
  }

  /** Show the whole network; at first no smaller than can be read, its head on top.
   * @param {boolean} whole */
  _fit(whole) {
    const [width, height] = this.panel?.header.size || [1, 1];
    const [w, hgt] = this.size || [1, 1];
    this.fitted = whole ? "whole" : "head";
    const both = Math.min(w / width, hgt / height, 1.6);
    this.at.times = whole ? both : Math.max(both, Math.min(1, w / width, Math.max(READABLE, 0.8)));
    this.at.x = (w - width * this.at.times) / 2;
    this.at.y = height * this.at.times < hgt ? (hgt - height * this.at.times) / 2 : 0;
    this.draw();
  }

  /**
   * @param {number} by
   * @param {number} [x]
   * @param {number} [y]
   */
  _zoom(by, x = (this.size || [0])[0] / 2, y = (this.size || [0, 0])[1] / 2) {
    const times = Math.min(NEAREST, Math.max(FARTHEST, this.at.times * by));
    const change = times / this.at.times;
    this.fitted = "";
    this.at = { times, x: x - (x - this.at.x) * change, y: y - (y - this.at.y) * change };
    this.draw();
  }

  /** @param {WheelEvent} event */
  _wheel(event) {
    const framed = window !== window.parent; // in a notebook the wheel scrolls the notebook, until one clicks here
    if (framed && document.activeElement !== this.canvas && !event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const box = this.canvas.getBoundingClientRect();
    if (event.ctrlKey || event.metaKey) this._zoom(Math.exp(-event.deltaY / 180), event.clientX - box.left, event.clientY - box.top);
    else {
      this.fitted = "";
      this.at.x -= event.deltaX;
      this.at.y -= event.deltaY;
      this.draw();
    }
  }

  /** @param {PointerEvent} event */
  _down(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
    this.travelled = 0;
  }

  /** @param {PointerEvent} event */
  _move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) {
      const found = this._under(event);
      this.canvas.style.cursor = found ? "pointer" : "grab";
      if (found) this.page.announce(found.box ? spoken(found.box) : `close ${found.frame.title}`);
      return;
    }
    const now = [event.clientX, event.clientY];
    if (this.pointers.size === 2) {
      const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1] || now;
      const length = (/** @type {number[]} */ p) => Math.hypot(p[0] - other[0], p[1] - other[1]) || 1;
      const box = this.canvas.getBoundingClientRect();
      this._zoom(length(now) / length(before), other[0] - box.left, other[1] - box.top);
    } else {
      this.fitted = "";
      this.at.x += now[0] - before[0];
      this.at.y += now[1] - before[1];
    }
    this.travelled = (this.travelled || 0) + Math.abs(now[0] - before[0]) + Math.abs(now[1] - before[1]);
    this.pointers.set(event.pointerId, now);
    this.draw();
  }

  /** @param {PointerEvent} event */
  _up(event) {
    this.pointers.delete(event.pointerId);
    if ((this.travelled || 0) > 4) return;
    const found = this._under(event);
    if (found?.box) this._open(found.box);
    else if (found?.frame) this._toggle(found.frame.block, false);
  }

  /**
   * The box, or the title of a frame, under the pointer.
   * @param {MouseEvent} event
   */
  _under(event) {
    const bounds = this.canvas.getBoundingClientRect();
    const x = (event.clientX - bounds.left - this.at.x) / this.at.times, y = (event.clientY - bounds.top - this.at.y) / this.at.times;
    const header = this.panel?.header;
    if (!header) return null;
    const inside = (/** @type {number[]} */ box) => x >= box[0] && y >= box[1] && x <= box[0] + box[2] && y <= box[1] + box[3];
    const box = header.boxes.find((/** @type {any} */ one) => inside(one.box));
    if (box) return { box, frame: null };
    const frame = header.frames.find((/** @type {any} */ one) => one.block && inside([one.box[0], one.box[1], one.box[2], 22]));
    return frame ? { box: null, frame } : null;
  }

  /** @param {any} box */
  _open(box) {
    if (box.block) this._toggle(box.block, true);
    else if (box.addresses.length) {
      const known = box.addresses.filter((/** @type {string} */ address) => this.page.layers.has(address));
      const several = (this.panel?.header.boxes || []).filter((/** @type {any} */ one) => one.kind === "input").length > 1;
      this.model.go({ address: known.at(-1) || (box.kind === "input" && !several ? "input" : box.addresses.at(-1)) });
    }
  }

  /**
   * Open or close a block.
   * @param {string} block
   * @param {boolean} opened
   */
  _toggle(block, opened) {
    const header = this.panel?.header;
    const open = new Set(header?.frames.map((/** @type {any} */ frame) => frame.block).filter(Boolean));
    if (opened) open.add(block);
    else open.delete(block);
    this.model.go({ open: ["", ...open].join("\n") || "\n" });
  }

  /** @param {KeyboardEvent} event */
  _key(event) {
    const boxes = this.panel?.header.boxes || [];
    if (event.key === "+" || event.key === "=") this._zoom(1.3);
    else if (event.key === "-") this._zoom(1 / 1.3);
    else if (event.key === "0") this._fit(true);
    else if (event.key.startsWith("Arrow") && !event.altKey) {
      const by = event.key === "ArrowDown" || event.key === "ArrowRight" ? 1 : -1;
      this.chosen = Math.min(boxes.length - 1, Math.max(0, this.chosen + by));
      this.page.announce(spoken(boxes[this.chosen]));
      this._reveal();
    } else if (event.key === "Enter" && boxes[this.chosen]) this._open(boxes[this.chosen]);
    else return;
    event.preventDefault();
    event.stopPropagation();
    this.draw();
  }

  _reveal() {
    const box = this.panel?.header.boxes[this.chosen]?.box;
    if (!box || !this.size) return;
    const [width, height] = this.size, { times } = this.at;
    const left = box[0] * times + this.at.x, top = box[1] * times + this.at.y;
    if (left < 0 || left + box[2] * times > width) this.at.x = width / 2 - (box[0] + box[2] / 2) * times;
    if (top < 0 || top + box[3] * times > height) this.at.y = height / 2 - (box[1] + box[3] / 2) * times;
    this.draw();
  }

  _draw() {
    const context = this.canvas.getContext("2d");
    if (!context || !this.panel || !this.size) return;
    const start = performance.now();
    const ratio = window.devicePixelRatio || 1, { x, y, times } = this.at;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.setTransform(ratio * times, 0, 0, ratio * times, ratio * x, ratio * y);
    const seen = [-x / times, -y / times, this.size[0] / times, this.size[1] / times];
    this.painter.paint(context, { seen, times, chosen: this.chosen, pointed: this.pointed });
    measured("layerscope.graph", start);
  }

  /** The whole graph. */
  picture() {
    const [width, height] = this.panel?.header.size || [1, 1];
    return {
      width, height,
      paint: (/** @type {CanvasRenderingContext2D} */ context) => {
        context.fillStyle = this.page.colours.grounds[this.page.ground].paper;
        context.fillRect(0, 0, width, height);
        this.painter.paint(context, { seen: [0, 0, width, height], times: 1, chosen: this.chosen, pointed: this.pointed });
      },
    };
  }
}

/**
 * What is said of a box: what a layer is, or that a block can be opened.
 * @param {any} box
 */
function spoken(box) {
  return box.block ? `open ${box.block}; ${box.about}` : box.about;
}
