/** The tiles of a picture of maps: which are in view, in which colours, and what is under a point. */

import { MASKED, recoloured, specialValue } from "../colours.js";

const EDGE = 6; // pixels above the first row
const WIDEST = 4096; // pixels of a line of the buffer in which maps are coloured

/** The places of a panel's tiles, and their pixels: see render/maps.py. */
export class Tiles {
  /**
   * @param {import("../types.d.ts").Panel} panel
   * @param {number} levels
   */
  constructor(panel, levels) {
    const { header, buffers } = panel;
    this.header = header;
    this.levels = levels;
    /** @type {any[]} */
    this.all = header.tiles;
    this.pixels = new Uint8Array(buffers.pixels);
    /** @type {{ top: number, bottom: number, first: number, end: number }[]} */
    this.rows = rowsOf(this.all, header.columns, header.label_height);
    /** Where the first row begins, below the heading. */
    this.top = this.rows.length ? this.rows[0].top - EDGE : 0;
  }

  /** Whether a palette says what its colours stand for. */
  get indexed() {
    return this.all.some((tile) => tile.format === "index");
  }

  /**
   * The first of the tiles between two heights of the picture, and the one after the last.
   * @param {number} top
   * @param {number} bottom
   */
  seen(top, bottom) {
    const rows = this.rows.filter((row) => row.bottom > top && row.top < bottom);
    return rows.length ? [rows[0].first, rows[rows.length - 1].end] : [0, 0];
  }

  /**
   * The tile at a point of the picture, with the row and the column of it; null between tiles.
   * @param {number} x
   * @param {number} y
   */
  at(x, y) {
    const row = this.rows.find((one) => y >= one.top && y < one.bottom);
    for (let number = row?.first ?? 0; row && number < row.end; number++) {
      const [left, top, width, height] = this.all[number].box, [rows, columns] = this.all[number].shape;
      if (x < left || x >= left + width || y < top || y >= top + height) continue;
      return { number, row: Math.floor(((y - top) / height) * rows), column: Math.floor(((x - left) / width) * columns) };
    }
    return null;
  }

  /**
   * The values at a place of a tile, as its colours tell them: one, or red, green and blue. None where nothing is drawn.
   * @param {{ number: number, row: number, column: number }} place
   * @returns {number[]}
   */
  values({ number, row, column }) {
    const tile = this.all[number], at = row * tile.shape[1] + column, [low, high] = tile.range;
    if (tile.format === "rgb") return [0, 1, 2].map((c) => low + (this.pixels[tile.offset + 3 * at + c] / 255) * (high - low));
    const index = this.pixels[tile.offset + at];
    if (index < this.levels) return [low + (index / (this.levels - 1)) * (high - low)];
    return index >= MASKED && index < MASKED + 4 ? [specialValue(index)] : [];
  }

  /** @param {{ number: number, row: number, column: number }} place */
  isMasked({ number, row, column }) {
    const tile = this.all[number];
    return tile.format === "index" && this.pixels[tile.offset + row * tile.shape[1] + column] === MASKED;
  }

  /** What stands above a tile; of several that belong together, above the first.
   * @param {number} number */
  label(number) {
    let labelled = number;
    while (labelled > 0 && !this.all[labelled].label && this.all[0].label) labelled--;
    return this.all[labelled].label;
  }

  /** What is written in a cell, exactly; undefined where nothing is.
   * @param {{ number: number, row: number, column: number }} place */
  written({ number, row, column }) {
    const tile = this.all[number];
    return tile.texts[row * tile.shape[1] + column];
  }
}

/**
 * Tiles that stand beside one another; a label is above each.
 * @param {any[]} tiles
 * @param {number} columns
 * @param {number} above
 */
function rowsOf(tiles, columns, above) {
  const rows = [];
  for (let first = 0; first < tiles.length; first += columns) {
    const row = tiles.slice(first, first + columns);
    const top = Math.min(...row.map((tile) => tile.box[1])) - above;
    rows.push({ top, bottom: Math.max(...row.map((tile) => tile.box[1] + tile.box[3])) + 1, first, end: first + row.length });
  }
  return rows;
}

/** Colours tiles side by side at their own resolution, and puts each in its place. */
export class TilePainter {
  constructor() {
    this.buffer = document.createElement("canvas");
    this._held = "";
    /** @type {Tiles | null} */
    this._tiles = null;
    /** @type {number[][]} where in the buffer each tile is */
    this._places = [];
  }

  /**
   * @param {CanvasRenderingContext2D} context in the picture's own pixels
   * @param {Tiles} tiles
   * @param {number[]} range the first, and the one after the last
   * @param {Uint32Array} table the colours of the palette
   * @param {string} name of the palette and the ground
   * @param {boolean} middle whether 0 is to have the palette's middle, which it has not as the panel came
   */
  paint(context, tiles, [first, end], table, name, middle) {
    const held = `${first} ${end} ${name} ${middle}`;
    if (held !== this._held || tiles !== this._tiles) this._colour(tiles, first, end, table, middle);
    this._held = held;
    this._tiles = tiles;
    const scale = context.getTransform().a;
    for (let number = first; number < end; number++) {
      const [x, y, width, height] = tiles.all[number].box, [left, top, columns, rows] = this._places[number - first];
      context.imageSmoothingEnabled = scale * width < columns;
      context.drawImage(this.buffer, left, top, columns, rows, x, y, width, height);
    }
  }

  /**
   * @param {Tiles} tiles
   * @param {number} first
   * @param {number} end
   * @param {Uint32Array} table
   * @param {boolean} middle
   */
  _colour(tiles, first, end, table, middle) {
    this._places = shelves(tiles.all.slice(first, end));
    const width = Math.max(1, ...this._places.map(([x, , w]) => x + w)), height = Math.max(1, ...this._places.map(([, y, , h]) => y + h));
    this.buffer.width = width;
    this.buffer.height = height;
    const image = new ImageData(width, height), words = new Uint32Array(image.data.buffer), colours = new Uint32Array(256);
    this._places.forEach(([x, y, columns, rows], i) => {
      const tile = tiles.all[first + i], start = y * width + x;
      if (tile.format === "rgb") return inColour(words, start, width, tiles.pixels, tile);
      if (middle) recoloured(colours, table, tiles.levels, tile.range[0], tile.range[1], aboutZero(tile.range), true);
      const of = middle ? colours : table;
      for (let row = 0, at = tile.offset; row < rows; row++) {
        for (let to = start + row * width, last = to + columns; to < last;) words[to++] = of[tiles.pixels[at++]];
      }
    });
    /** @type {CanvasRenderingContext2D} */ (this.buffer.getContext("2d")).putImageData(image, 0, 0);
  }
}

/**
 * The same reach to both sides of 0.
 * @param {number[]} range
 * @returns {[number, number]}
 */
export function aboutZero([low, high]) {
  const reach = Math.max(Math.abs(low), Math.abs(high));
  return [-reach, reach];
}

/**
 * Left, top, width and height of each tile where they stand in lines of about the same length.
 * @param {any[]} tiles
 */
function shelves(tiles) {
  let x = 0, y = 0, tallest = 0;
  return tiles.map(({ shape: [rows, columns] }) => {
    if (x && x + columns > WIDEST) {
      x = 0;
      y += tallest;
      tallest = 0;
    }
    const place = [x, y, columns, rows];
    x += columns;
    tallest = Math.max(tallest, rows);
    return place;
  });
}

/**
 * @param {Uint32Array} words
 * @param {number} start
 * @param {number} stride
 * @param {Uint8Array} pixels
 * @param {any} tile
 */
function inColour(words, start, stride, pixels, tile) {
  const [rows, columns] = tile.shape;
  for (let row = 0, at = tile.offset; row < rows; row++) {
    for (let to = start + row * stride, last = to + columns; to < last; at += 3) {
      words[to++] = 0xff000000 | (pixels[at + 2] << 16) | (pixels[at + 1] << 8) | pixels[at];
    }
  }
}
