/** A graph, as it is drawn: frames of blocks, lines, boxes, thumbnails and words; only what is seen. */

import { recoloured } from "../colours.js";
import { markBox } from "../fields.js";

export const READABLE = 0.42; // how large a graph is to be for its words to be read
const FEW = 120; // boxes, of which names alone are written where a graph is smaller
const LARGER = 2.2, LEAST = 7, BEST = 9.5; // how many times their size these get, and their pixels

/** Draws a panel of the kind `graph`, in the palette and on the ground of now. */
export class GraphPainter {
  /** @param {import("../page.js").Page} page */
  constructor(page) {
    this.page = page;
    this.colour = new Uint32Array(256);
    /** @type {import("../types.d.ts").Panel | null} */
    this.panel = null;
    this.pixels = new Uint8Array(0);
    this.look = "";
    /** @type {HTMLCanvasElement[]} thumbnails that were drawn */
    this.pictures = [];
  }

  /**
   * Have what is drawn from now on be of this panel.
   * @param {import("../types.d.ts").Panel} panel
   */
  take(panel) {
    const look = `${this.page.state.view.palette} ${this.page.ground}`;
    if (panel === this.panel && look === this.look) return;
    this.panel = panel;
    this.look = look;
    this.pixels = new Uint8Array(panel.buffers.pixels || new ArrayBuffer(0));
    this.pictures = [];
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {{ seen: number[], times: number, chosen: number, pointed: import("../types.d.ts").PointedAt | null }} view the part to draw (left, top,
   *   width, height), how large it will be seen, which box is chosen, and what is marked on the input
   */
  paint(context, { seen, times, chosen, pointed }) {
    const header = /** @type {any} */ (this.panel).header, look = this.page.colours.grounds[this.page.ground];
    const visible = (/** @type {number[]} */ b) =>
      b[0] < seen[0] + seen[2] && b[1] < seen[1] + seen[3] && b[0] + b[2] > seen[0] && b[1] + b[3] > seen[1];
    paintFrames(context, header, look, visible);
    paintLines(context, header, look, visible);
    paintBoxes(context, header, look, visible, chosen);
    context.imageSmoothingEnabled = false;
    header.tiles.forEach((/** @type {any} */ tile, /** @type {number} */ i) => {
      if (visible(tile.box)) context.drawImage(this._picture(i), tile.box[0], tile.box[1], tile.box[2], tile.box[3]);
    });
    if (pointed) markInput(context, header, pointed);
    if (times >= READABLE) paintTexts(context, header, look, visible);
    else if (header.boxes.length <= FEW) paintNames(context, header, look, times, visible);
  }

  /** A thumbnail in the palette of now, made once.
   * @param {number} index */
  _picture(index) {
    if (this.pictures[index]) return this.pictures[index];
    const tile = /** @type {any} */ (this.panel).header.tiles[index];
    const [height, width] = tile.shape, { pixels } = this;
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = height;
    const image = new ImageData(width, height), words = new Uint32Array(image.data.buffer);
    const table = this._colours(tile);
    for (let i = 0; i < words.length; i++) {
      const at = tile.offset + (tile.format === "rgb" ? 3 * i : i);
      words[i] = tile.format === "rgb" ? 0xff000000 | (pixels[at + 2] << 16) | (pixels[at + 1] << 8) | pixels[at] : table[pixels[at]];
    }
    /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")).putImageData(image, 0, 0);
    this.pictures[index] = canvas;
    return canvas;
  }

  /** The colours of a thumbnail's indexes: zero in the middle of a palette that has one.
   * @param {any} tile */
  _colours(tile) {
    const { colours, ground, state } = this.page, { palette } = state.view;
    const table = colours.table(palette, ground), [low, high] = tile.range;
    if (!colours.isDiverging(palette)) return table;
    const reach = Math.max(Math.abs(low), Math.abs(high));
    recoloured(this.colour, table, colours.levels, low, high, [-reach, reach], true);
    return this.colour;
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {any} header
 * @param {any} look
 * @param {(box: number[]) => boolean} visible
 */
function paintFrames(context, header, look, visible) {
  for (const frame of header.frames) {
    if (!visible(frame.box)) continue;
    context.fillStyle = look.frames[Math.min(frame.level, look.frames.length - 1)];
    context.strokeStyle = look.frame;
    rounded(context, frame.box, 8);
    context.fill();
    context.stroke();
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {any} header
 * @param {any} look
 * @param {(box: number[]) => boolean} visible
 */
function paintLines(context, header, look, visible) {
  context.strokeStyle = look.line;
  context.fillStyle = look.line;
  context.lineWidth = 1.3;
  for (const line of header.lines) {
    line.bounds ||= boundsOf(line.path);
    if (!visible(line.bounds)) continue;
    context.beginPath();
    for (const [letter, points] of line.path) {
      const flat = points.flat();
      if (letter === "M") context.moveTo(flat[0], flat[1]);
      else if (letter === "L") for (let i = 0; i < flat.length; i += 2) context.lineTo(flat[i], flat[i + 1]);
      else context.bezierCurveTo(flat[0], flat[1], flat[2], flat[3], flat[4], flat[5]);
    }
    context.stroke();
    if (!line.arrow) continue;
    context.beginPath();
    line.arrow.forEach((/** @type {number[]} */ p, /** @type {number} */ i) => (i ? context.lineTo(p[0], p[1]) : context.moveTo(p[0], p[1])));
    context.fill();
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {any} header
 * @param {any} look
 * @param {(box: number[]) => boolean} visible
 * @param {number} chosen
 */
function paintBoxes(context, header, look, visible, chosen) {
  header.boxes.forEach((/** @type {any} */ box, /** @type {number} */ i) => {
    if (!visible(box.box)) return;
    const [fill, bar] = look.kinds[box.kind] || look.kinds.other;
    context.fillStyle = fill;
    context.strokeStyle = i === chosen ? look.ink : bar;
    context.lineWidth = i === chosen ? 2.5 : 0.8;
    rounded(context, box.box, 4);
    context.fill();
    context.stroke();
    context.fillStyle = bar;
    context.fillRect(box.box[0], box.box[1], 5, box.box[3]);
  });
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {any} header
 * @param {any} look
 * @param {(box: number[]) => boolean} visible
 */
function paintTexts(context, header, look, visible) {
  for (const text of header.texts) {
    const left = text.anchor === "end" ? text.x - text.width : text.anchor === "middle" ? text.x - text.width / 2 : text.x;
    if (!visible([left, text.y - text.size, text.width, text.size * 1.4])) continue;
    context.font = `${text.style === "name" ? "600 " : ""}${text.size}px system-ui, "DejaVu Sans", sans-serif`;
    context.fillStyle = text.style === "soft" ? look.soft : look.ink;
    context.textAlign = text.anchor === "end" ? "right" : text.anchor === "middle" ? "center" : "left";
    context.fillText(text.text, text.x, text.y, text.width + 2);
  }
}

/**
 * Write the names of boxes alone, larger, over the lines that are too small to be read.
 * @param {CanvasRenderingContext2D} context
 * @param {any} header
 * @param {any} look
 * @param {number} times
 * @param {(box: number[]) => boolean} visible
 */
function paintNames(context, header, look, times, visible) {
  context.fillStyle = look.ink;
  context.textAlign = "left";
  for (const text of header.texts) {
    const size = Math.min(LARGER * text.size, BEST / times);
    if (text.style !== "name" || size * times < LEAST) continue;
    const around = header.boxes.find((/** @type {any} */ { box }) => text.x >= box[0] && text.x <= box[0] + box[2] && text.y >= box[1] && text.y <= box[1] + box[3]);
    if (!around || !visible(around.box)) continue;
    context.font = `600 ${size}px system-ui, "DejaVu Sans", sans-serif`;
    const [x, y, width] = around.box, room = width - size;
    let name = text.text;
    while (name.length > 3 && context.measureText(name).width > room) name = `${name.slice(0, -2)}…`;
    context.fillText(name, x + size * 0.7, y + size * 1.25);
  }
}

/**
 * Mark on the input what the part of a map that is under the pointer is computed from; where that is not known, about
 * where it lies, by its share of the map.
 * @param {CanvasRenderingContext2D} context
 * @param {any} header
 * @param {import("../types.d.ts").PointedAt} where
 */
function markInput(context, header, where) {
  const inputs = header.boxes.filter((/** @type {any} */ box) => box.kind === "input");
  const box = inputs.length === 1 ? inputs[0] : inputs.find((/** @type {any} */ one) => one.addresses.includes(where.input));
  const tile = box && header.tiles.find((/** @type {any} */ one) => one.label === box.id);
  if (!tile) return;
  const [x, y, width, height] = tile.box;
  // Of what goes along positions, these are the rows of the picture.
  if (where.along && tile.shape[0] <= tile.shape[1]) return;
  const { rows, columns, of } = where.box || (where.along
    ? { rows: [where.x, where.x + 1], columns: [0, 1], of: [where.width, 1] }
    : { rows: [where.y, where.y + 1], columns: [where.x, where.x + 1], of: [where.height, where.width] });
  if (rows[1] <= rows[0] || columns[1] <= columns[0]) return;
  const tall = Math.max(1, ((rows[1] - rows[0]) / of[0]) * height);
  markBox(context, [x + (columns[0] / of[1]) * width, y + (rows[0] / of[0]) * height, ((columns[1] - columns[0]) / of[1]) * width, tall], 1.5);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number[]} box
 * @param {number} radius
 */
function rounded(context, box, radius) {
  context.beginPath();
  context.roundRect(box[0], box[1], box[2], box[3], radius);
}

/** @param {[string, number[][]][]} path */
function boundsOf(path) {
  const points = path.flatMap(([, some]) => some);
  const xs = points.map((p) => p[0]), ys = points.map((p) => p[1]);
  const left = Math.min(...xs), top = Math.min(...ys);
  return [left - 1, top - 1, Math.max(...xs) - left + 2, Math.max(...ys) - top + 2];
}
