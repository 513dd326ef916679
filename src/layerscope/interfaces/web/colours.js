/** Palettes: which colour an index has, under any scaling. */

import { fromBase64 } from "./wire.js";

/** The indexes after those of values, as in palette.py. */
export const MASKED = 239;
export const NAN = 240;
export const POSITIVE_INFINITY = 241;
export const NEGATIVE_INFINITY = 242;

/**
 * The value that an index after those of values stands for.
 * @param {number} index
 */
export function specialValue(index) {
  return index === POSITIVE_INFINITY ? Infinity : index === NEGATIVE_INFINITY ? -Infinity : NaN;
}

/**
 * The value that an index stands for on a range.
 * @param {number} index
 * @param {number} low
 * @param {number} high
 * @param {number} levels
 */
export function valueOf(index, low, high, levels) {
  return index < levels ? low + (index / (levels - 1)) * (high - low) : specialValue(index);
}

/**
 * The index of a value on a range.
 * @param {number} value
 * @param {number} low
 * @param {number} high
 * @param {number} levels
 */
export function indexOf(value, low, high, levels) {
  if (Number.isNaN(value)) return NAN;
  if (!Number.isFinite(value)) return value > 0 ? POSITIVE_INFINITY : NEGATIVE_INFINITY;
  return high > low ? Math.floor(((value - low) / (high - low)) * (levels - 1) + 0.5) : 0;
}

/** The palettes and grounds that the outline brings, as lookup tables. */
export class Colours {
  /** @param {import("./types.d.ts").Outline} outline */
  constructor(outline) {
    this.levels = outline.levels;
    this.names = Object.keys(outline.palettes);
    this.grounds = outline.grounds;
    this.diverging = new Set(outline.diverging);
    this._bytes = Object.fromEntries(Object.entries(outline.palettes).map(([name, text]) => [name, fromBase64(text)]));
    this._special = Object.fromEntries(Object.entries(outline.grounds).map(([name, told]) => [name, fromBase64(told.special)]));
    /** @type {Map<string, Uint32Array>} */
    this._tables = new Map();
  }

  /** Whether a palette's middle stands for 0.
   * @param {string} name */
  isDiverging(name) {
    return this.diverging.has(name);
  }

  /**
   * The 256 colours, as the bytes of RGBA pixels read as whole numbers.
   * @param {string} name
   * @param {string} ground
   */
  table(name, ground) {
    const key = `${name} ${ground}`;
    let table = this._tables.get(key);
    if (!table) {
      const bytes = new Uint8Array(1024).fill(255);
      const palette = this._bytes[name] || this._bytes[this.names[0]];
      for (let i = 0; i < 256; i++) {
        const from = i < this.levels ? palette : this._special[ground];
        const at = 3 * (i < this.levels ? i : i - this.levels);
        for (let c = 0; c < 3; c++) bytes[4 * i + c] = from[at + c];
      }
      table = new Uint32Array(bytes.buffer);
      this._tables.set(key, table);
    }
    return table;
  }
}

/**
 * The range that a map is drawn on.
 * @param {{ scale: string, low: number, high: number, mean?: number, std?: number,
 *   layer: number[], network: number[] | null, steps?: number[] | null, diverging: boolean }} given
 * @returns {[number, number]}
 */
export function rangeOf({ scale, low, high, mean = 0, std = 0, layer, network, steps = null, diverging }) {
  if (scale === "zscore") return [mean - 2 * std, mean + std * (127 / 64)];
  let range = scale === "unit" ? [low, high] : scale === "network" && network ? network : scale === "steps" && steps ? steps : layer;
  if (diverging) {
    const reach = Math.max(Math.abs(range[0]), Math.abs(range[1]));
    range = [-reach, reach];
  }
  return [range[0], range[1]];
}

/**
 * Fill `into` with the colour of each index of a map that is drawn on another range than its own.
 * @param {Uint32Array} into 256 colours
 * @param {Uint32Array} table the palette's
 * @param {number} levels
 * @param {number} low the value of the map's index 0
 * @param {number} high and of its last
 * @param {[number, number]} range
 * @param {boolean} diverging
 */
export function recoloured(into, table, levels, low, high, range, diverging) {
  const width = range[1] - range[0];
  const last = levels - 1;
  for (let i = 0; i < levels; i++) {
    const value = low + (i / last) * (high - low);
    const level = width > 0 ? Math.round(((value - range[0]) / width) * last) : diverging ? last / 2 : 0;
    into[i] = table[Math.min(last, Math.max(0, level))];
  }
  for (let i = levels; i < 256; i++) into[i] = table[i];
}
