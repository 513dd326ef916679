/** The kind `maps`: a picture of maps as Python placed them, to be enlarged, recoloured and pointed at. */

import { beforeNextFrame, choice, h, shortNumber } from "../dom.js";
import { aboutZero, TilePainter, Tiles } from "../draw/tiles.js";
import { measured } from "../timing.js";

const USUAL = 3, MOST = 16, STEP = 1.25; // how many times as large it gets by itself, at most, and more with each key
const READABLE = 7, LARGEST = 13; // pixels of the smallest text that is written, and of the largest label
const FONT = "system-ui, 'DejaVu Sans', sans-serif", MARK = 243;

/** @param {{ model: import("../slot.js").PanelModel, el: HTMLElement }} given */
export function render({ model, el }) {
  const drawing = new MapsDrawing(model, el);
  return { picture: () => drawing.picture(), stop: () => drawing.stop() };
}

/** Tiles on a canvas as large as what is seen of them, in a heading's company. */
class MapsDrawing {
  /**
   * @param {import("../slot.js").PanelModel} model
   * @param {HTMLElement} el
   */
  constructor(model, el) {
    this.model = model;
    this.page = model.page;
    this.painter = new TilePainter();
    this.chosen = -1;
    this.zoom = 0; // 0: as large as fits
    this.tiles = new Tiles(model.panel, this.page.colours.levels);
    this.canvas = h("canvas", { tabindex: 0, role: "application", "aria-roledescription": "maps", "data-panel": "maps", on: {
      pointermove: (/** @type {PointerEvent} */ event) => this._hover(event), pointerleave: () => this.page.announce(""),
      click: (/** @type {MouseEvent} */ event) => this._click(event), keydown: (/** @type {KeyboardEvent} */ event) => this._key(event),
    } });
    this.sized = h("div", { class: "sized" }, h("div", { class: "view" }, this.canvas));
    this.scroller = h("div", { class: "tiles", on: { wheel: (/** @type {WheelEvent} */ event) => this._wheel(event) } }, this.sized);
    this.words = h("div", { class: "tools" });
    const names = this.page.colours.names.map((name) => /** @type {[string, string]} */ ([name, name]));
    this.palettes = choice("Palette", names, model.view.palette, (palette) => model.go({ palette }));
    this.buttons = h("span", { class: "beside" },
      ...[["−", "− smaller (key: -)", "-"], ["fit", "fit: as large as all of it can be seen (key: 0)", "0"], ["+", "+ larger (key: +)", "+"]].map(([sign, title, key]) =>
        h("button", { type: "button", title, "aria-label": title, on: { click: () => this._resize(key) } }, sign)));
    el.classList.add("filled");
    el.append(this.words, this.scroller);
    this.draw = beforeNextFrame(() => this._draw());
    this.changed = () => this._read();
    model.addEventListener("change", this.changed);
    this.resized = new ResizeObserver(() => this._layout());
    this.resized.observe(this.scroller);
    this.scroller.addEventListener("scroll", this.draw, { passive: true });
    this._read();
  }

  stop() {
    this.model.removeEventListener("change", this.changed);
    this.resized.disconnect();
    this.draw.cancel();
  }

  _read() {
    const { panel } = this.model;
    if (panel.header !== this.tiles.header) {
      this.tiles = new Tiles(panel, this.page.colours.levels);
      this.chosen = -1;
    }
    const { header, all } = this.tiles, blank = all.filter((tile) => tile.blank).length;
    const many = all.length === 1 ? "one map" : `${all.length} maps`;
    this.canvas.setAttribute("aria-label", `${header.title}: ${many}${blank ? `, ${blank} silent` : ""}`);
    this._tell();
    this._layout();
  }

  /** The palette that is looked at, with its colours; whether 0 moves to its middle. */
  get colours() {
    const { colours, ground } = this.page, { header } = this.tiles, { palette } = this.model.view;
    const middle = colours.isDiverging(palette) && !colours.isDiverging(header.palette);
    return { table: colours.table(palette, ground), name: `${palette} ${ground}`, middle };
  }

  /** Write the scale of the colours, what they stand for, and what else is to be known. */
  _tell() {
    const { header } = this.tiles, { low, high, text } = header.scale;
    const parts = [];
    if (low !== null && header.bar) {
      const ends = this.colours.middle ? aboutZero([low, high]) : [low, high];
      const bar = h("canvas", { width: 240, height: 1, "aria-hidden": "true" });
      this._gradient(bar.getContext("2d"));
      parts.push(h("span", { class: "scalebar", role: "img", "aria-label": `scale: ${shortNumber(ends[0])} to ${shortNumber(ends[1])}` },
        h("span", {}, shortNumber(ends[0])), bar, h("span", {}, shortNumber(ends[1]))));
    }
    parts.push(h("span", { class: "about" }, text));
    for (const entry of header.legend) parts.push(h("span", { class: "about" }, this._sample(entry.index), ` ${entry.text}`));
    if (header.note) parts.push(h("span", { class: "about" }, header.note));
    parts.push(h("span", { class: "room" }));
    this.palettes.value = this.model.view.palette;
    parts.push(h("span", { class: "ends" }, this.tiles.indexed ? h("label", {}, "colours", this.palettes) : null, this.buttons));
    const focus = document.activeElement;
    this.words.replaceChildren(...parts);
    if (focus instanceof HTMLElement && this.words.contains(focus)) focus.focus();
  }

  /** @param {CanvasRenderingContext2D} context */
  _gradient(context) {
    const { table } = this.colours, image = new ImageData(240, 1), words = new Uint32Array(image.data.buffer);
    for (let i = 0; i < 240; i++) words[i] = table[Math.round((i / 239) * (this.tiles.levels - 1))];
    context.putImageData(image, 0, 0);
  }

  /** A spot in the colour of an index.
   * @param {number} index */
  _sample(index) {
    const spot = h("canvas", { width: 1, height: 1, class: "spot", "aria-hidden": "true" }), image = new ImageData(1, 1);
    new Uint32Array(image.data.buffer)[0] = this.colours.table[index];
    spot.getContext("2d").putImageData(image, 0, 0);
    return spot;
  }

  /** How many times as large as Python's picture it is drawn. */
  get times() {
    const [width, height] = this.tiles.header.size, { clientWidth, clientHeight } = this.scroller;
    const wide = Math.max(80, clientWidth) / width, high = clientHeight / (height - this.tiles.top);
    return this.zoom || Math.max(Math.min(1, wide), Math.min(USUAL, wide, high));
  }

  _layout() {
    const [width, height] = this.tiles.header.size, { times } = this;
    this.sized.style.width = `${Math.ceil(width * times)}px`;
    this.sized.style.height = `${Math.ceil((height - this.tiles.top) * times)}px`;
    const ratio = window.devicePixelRatio || 1;
    this.seen = [Math.max(80, this.scroller.clientWidth), Math.max(40, this.scroller.clientHeight)];
    this.canvas.width = Math.round(this.seen[0] * ratio);
    this.canvas.height = Math.round(this.seen[1] * ratio);
    this.canvas.style.width = `${this.seen[0]}px`;
    this.canvas.style.height = `${this.seen[1]}px`;
    this.draw();
  }

  _draw() {
    const context = this.canvas.getContext("2d");
    if (!context || !this.seen) return;
    const start = performance.now(), ratio = window.devicePixelRatio || 1;
    const { times, tiles } = this, { scrollLeft, scrollTop } = this.scroller;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = getComputedStyle(this.scroller).backgroundColor;
    context.fillRect(0, 0, this.seen[0], this.seen[1]);
    context.translate(-scrollLeft, -scrollTop);
    context.scale(times, times);
    context.translate(0, -tiles.top);
    this._paint(context, tiles.seen(scrollTop / times + tiles.top, (scrollTop + this.seen[1]) / times + tiles.top), times);
    measured("layerscope.maps", start);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {number[]} range of tiles
   * @param {number} times
   */
  _paint(context, range, times) {
    const { tiles } = this, { table, name, middle } = this.colours, { header } = tiles;
    this.painter.paint(context, tiles, range, table, name, middle);
    const ink = this.page.ground === "dark" ? "#c6c8d0" : "#454852";
    for (let number = range[0]; number < range[1]; number++) {
      const tile = tiles.all[number], [x, y, width, height] = tile.box;
      if (tile.blank || number === this.chosen) {
        context.strokeStyle = number === this.chosen ? ink : cssColour(table[MARK]);
        context.lineWidth = (number === this.chosen ? 2 : 1) / times;
        context.strokeRect(x - 1 / times, y - 1 / times, width + 2 / times, height + 2 / times);
      }
      if (header.label_size * times < READABLE) continue;
      context.fillStyle = ink;
      if (tile.label) this._label(context, tile, times);
      if (tile.texts.length) this._values(context, tile, table);
    }
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {any} tile
   * @param {number} times
   */
  _label(context, tile, times) {
    const [x, y] = tile.box, size = Math.min(this.tiles.header.label_size + 1, LARGEST / times);
    context.font = `${size}px ${FONT}`;
    context.textBaseline = "bottom";
    tile.label.split("\n").reverse().forEach((/** @type {string} */ text, /** @type {number} */ i) => context.fillText(text, x, y - 1 / times - i * 1.25 * size));
  }

  /**
   * Write each value in the middle of its cell, in black or white, whichever stands out.
   * @param {CanvasRenderingContext2D} context
   * @param {any} tile
   * @param {Uint32Array} table
   */
  _values(context, tile, table) {
    const [x, y, width] = tile.box, columns = tile.shape[1], cell = width / columns;
    context.font = `${this.tiles.header.label_size + 1}px ${FONT}`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    tile.texts.forEach((/** @type {string} */ text, /** @type {number} */ i) => {
      const colour = table[this.tiles.pixels[tile.offset + i]];
      const light = 0.299 * (colour & 255) + 0.587 * ((colour >> 8) & 255) + 0.114 * ((colour >> 16) & 255);
      context.fillStyle = light > 140 ? "#000000" : "#ffffff";
      context.fillText(text, x + ((i % columns) + 0.5) * cell, y + (Math.floor(i / columns) + 0.5) * cell, cell - 2);
    });
    context.textAlign = "left";
  }

  /** What is under a point of the window.
   * @param {MouseEvent} event */
  _at(event) {
    const box = this.canvas.getBoundingClientRect(), { times } = this;
    return this.tiles.at((event.clientX - box.left + this.scroller.scrollLeft) / times,
      (event.clientY - box.top + this.scroller.scrollTop) / times + this.tiles.top);
  }

  /** @param {PointerEvent} event */
  _hover(event) {
    const at = this._at(event), values = at ? this.tiles.values(at) : [];
    if (!at || !values.length) return this.page.announce("");
    const tile = this.tiles.all[at.number], single = tile.shape[0] * tile.shape[1] === 1;
    const times = this.tiles.header.thinned || 1, where = single ? "" : ` @ ${at.row * times},${at.column * times}`;
    this.page.announce(`${this._name(at.number)}${where} ${this._value(at, values)}`);
  }

  /**
   * @param {{ number: number, row: number, column: number }} at
   * @param {number[]} values
   */
  _value(at, values) {
    if (this.tiles.isMasked(at)) return "is masked";
    if (values.length === 3) return `≈ red ${shortNumber(values[0])}, green ${shortNumber(values[1])}, blue ${shortNumber(values[2])}`;
    const written = this.tiles.written(at);
    return written === undefined ? `= ≈ ${shortNumber(values[0])}` : `= ${written.replace("-", "−")}`;
  }

  /** What a tile is called: its title, or the layer's name with its own.
   * @param {number} number */
  _name(number) {
    const { header } = this.tiles, lines = this.tiles.label(number).split("\n"), { address } = header;
    if (header.labels === "title" || address === "*") return lines.join(" ");
    const label = lines[0]; // further lines say how the map did
    return label && !address.endsWith(`:${label}`) ? `${address}:${label}` : address;
  }

  /** @param {MouseEvent} event */
  _click(event) {
    const at = this._at(event);
    if (at) this._choose(at.number);
  }

  /** @param {number} number */
  _choose(number) {
    this.chosen = Math.max(0, Math.min(this.tiles.all.length - 1, number));
    const tile = this.tiles.all[this.chosen], [low, high] = tile.range;
    this.page.announce(`${this._name(this.chosen)}: colours from ${shortNumber(low)} to ${shortNumber(high)}${tile.blank ? ", silent" : ""}`);
    this._reveal();
    this.draw();
  }

  _reveal() {
    const { times, scroller, tiles } = this, [x, y, width, height] = tiles.all[this.chosen].box.map((/** @type {number} */ length) => length * times);
    const top = y - (tiles.top + tiles.header.label_height) * times;
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (y - tiles.top * times + height > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = y - tiles.top * times + height + 4 - scroller.clientHeight;
    if (x < scroller.scrollLeft) scroller.scrollLeft = x - 4;
    else if (x + width > scroller.scrollLeft + scroller.clientWidth) scroller.scrollLeft = x + width + 4 - scroller.clientWidth;
  }

  /** @param {KeyboardEvent} event */
  _key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { columns } = this.tiles.header, count = this.tiles.all.length;
    /** @type {Record<string, number>} */
    const moves = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, Home: -count, End: count };
    if (event.key in moves) this._choose(this.chosen < 0 ? (event.key === "End" ? count : 0) : this.chosen + moves[event.key]);
    else if (["+", "=", "-", "0"].includes(event.key)) this._resize(event.key);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {string} key */
  _resize(key) {
    const { scroller, seen } = this;
    if (key === "0") this._zoomTo(0, 0, 0);
    else this._zoomTo(this.times * (key === "-" ? 1 / STEP : STEP), (seen?.[0] || 0) / 2, (seen?.[1] || 0) / 2);
    if (this.chosen >= 0 && key !== "0" && scroller.scrollHeight > scroller.clientHeight) this._reveal();
  }

  /** @param {WheelEvent} event */
  _wheel(event) {
    if (!event.ctrlKey) return;
    event.preventDefault();
    const box = this.canvas.getBoundingClientRect();
    this._zoomTo(this.times * Math.exp(-event.deltaY / 300), event.clientX - box.left, event.clientY - box.top);
  }

  /**
   * Draw it so many times as large, with what is at a point staying there; 0 is as large as fits.
   * @param {number} times
   * @param {number} x
   * @param {number} y
   */
  _zoomTo(times, x, y) {
    const before = this.times, { scrollLeft, scrollTop } = this.scroller;
    this.zoom = times && Math.max(0.05, Math.min(MOST, times));
    this._layout();
    const grown = this.times / before;
    this.scroller.scrollLeft = (scrollLeft + x) * grown - x;
    this.scroller.scrollTop = (scrollTop + y) * grown - y;
  }

  /** The whole picture with its heading, in the size that Python gives it. */
  picture() {
    const { header, all } = this.tiles, [width, height] = header.size;
    return {
      width, height,
      paint: (/** @type {CanvasRenderingContext2D} */ context) => {
        context.fillStyle = getComputedStyle(this.scroller).backgroundColor;
        context.fillRect(0, 0, width, height);
        this._heading(context);
        const each = header.columns * Math.max(1, Math.floor(1024 / header.columns));
        for (let first = 0; first < all.length; first += each) this._paint(context, [first, Math.min(all.length, first + each)], 1);
      },
    };
  }

  /** @param {CanvasRenderingContext2D} context */
  _heading(context) {
    const { header } = this.tiles, { table } = this.colours;
    context.textBaseline = "top";
    context.fillStyle = this.page.ground === "dark" ? "#dedee4" : "#22222a";
    for (const { text, at, size } of header.lines) {
      context.font = `${size}px ${FONT}`;
      context.fillText(text, at[0], at[1]);
    }
    for (const { index, box } of header.legend) {
      context.fillStyle = cssColour(table[index]);
      context.fillRect(box[0], box[1], box[2], box[3]);
    }
    if (!header.bar) return;
    const bar = h("canvas", { width: 240, height: 1 });
    this._gradient(bar.getContext("2d"));
    context.drawImage(bar, header.bar[0], header.bar[1], header.bar[2], header.bar[3]);
  }
}

/** A colour of a palette's table as styles have it.
 * @param {number} colour */
function cssColour(colour) {
  return `rgb(${colour & 255} ${(colour >> 8) & 255} ${(colour >> 16) & 255})`;
}
