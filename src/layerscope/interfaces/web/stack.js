/** The values of a stack: what its bytes stand for, map by map. */

import { MASKED, valueOf } from "./colours.js";
import { momentsOf } from "./numbers.js";

/** Maps of one shape, each on its own range: see render/stack.py. */
export class Stack {
  /**
   * @param {import("./types.d.ts").Panel} panel
   * @param {number} levels
   */
  constructor(panel, levels) {
    const header = panel.header;
    /** @type {number[]} */
    const [count, height, width] = header.shape;
    this.count = count;
    this.height = height;
    this.width = width;
    this.header = header;
    this.form = header.form;
    this.levels = levels;
    this.size = height * width;
    /** @type {string[]} what stands for each label, one map after the other: two that are compared, and their difference */
    this.parts = header.parts || [""];
    this.pixels = new Uint8Array(panel.buffers.pixels);
    this.colour = this.form === "colour";
    this.low = this.colour ? new Float32Array([header.layer[0]]) : new Float32Array(panel.buffers.low);
    this.high = this.colour ? new Float32Array([header.layer[1]]) : new Float32Array(panel.buffers.high);
    this.exact = panel.buffers.values ? new Float32Array(panel.buffers.values) : null;
    /** @type {{ mean: Float32Array, std: Float32Array } | null} */
    this._moments = null;
    /** @type {Map<number, boolean>} whether all values of a map are 0, of those that were asked for */
    this._zeros = new Map();
  }

  /** @param {number} map */
  label(map) {
    const at = Math.floor(map / this.parts.length);
    return this.header.labels.length ? this.header.labels[at] : String(at);
  }

  /** What a map is of those that stand for its label; empty where it stands alone.
   * @param {number} map */
  part(map) {
    return this.parts[map % this.parts.length];
  }

  /** Whether a map is the difference of the two before it.
   * @param {number} map */
  isDifference(map) {
    return this.parts.length > 1 && map % this.parts.length === this.parts.length - 1;
  }

  /** How many slices the volume of a channel has; 1 for what is no volume. */
  get slices() {
    /** @type {string[]} */
    const labels = this.header.labels;
    if (this.form !== "volume" || !labels.length) return 1;
    const channel = labels[0].split("·")[0];
    const count = labels.filter((label) => label.split("·")[0] === channel).length;
    return labels.length % count === 0 ? count : 1;
  }

  /** The number of the unit that a map belongs to.
   * @param {number} map */
  unit(map) {
    return Number.parseInt(this.label(map), 10);
  }

  /** Whether a map is a unit that does not fire.
   * @param {number} map */
  silent(map) {
    return this.header.silences && !this.isDifference(map) && this.low[map] === 0 && this.high[map] === 0 && this._isZero(map);
  }

  /** Whether no value of a map that ranges from 0 to 0 is NaN or infinite.
   * @param {number} map */
  _isZero(map) {
    let zero = this._zeros.get(map);
    if (zero === undefined) {
      zero = this.pixels.subarray(map * this.size, (map + 1) * this.size).every((index) => index < this.levels || index === MASKED);
      this._zeros.set(map, zero);
    }
    return zero;
  }

  /** The value at a place of a map; as it was sent, or as its colour tells.
   * @param {number} map
   * @param {number} at */
  value(map, at) {
    if (this.exact) return this.exact[map * this.size + at];
    return valueOf(this.pixels[map * this.size + at], this.low[map], this.high[map], this.levels);
  }

  /** Mean and standard deviation of each map. */
  get moments() {
    if (!this._moments) {
      const mean = new Float32Array(this.count), std = new Float32Array(this.count);
      for (let map = 0; map < this.count; map++) {
        const indexes = this.pixels.subarray(map * this.size, (map + 1) * this.size);
        ({ mean: mean[map], std: std[map] } = momentsOf(indexes, this.low[map], this.high[map], this.levels));
      }
      this._moments = { mean, std };
    }
    return this._moments;
  }

  /**
   * The maps in an order: by number, by how strongly they answer, or by how far they are from what
   * they are compared with. Those that belong together stay so.
   * @param {string} by
   * @param {boolean} [fire] leave out those that do not fire
   */
  order(by, fire = false) {
    const parts = this.parts.length, each = parts * this.slices;
    let order = Array.from({ length: Math.floor(this.count / each) }, (_, i) => i * each);
    const members = (/** @type {number} */ map) => Array.from({ length: each }, (_, i) => map + i);
    if (fire) order = order.filter((map) => members(map).some((one) => !this.isDifference(one) && !this.silent(one)));
    /** @type {((map: number) => number) | null} */
    let strength = null;
    if (by === "strength") {
      const { mean } = this.moments;
      strength = (map) => members(map).reduce((sum, one) => sum + (one % parts === 0 ? mean[one] : 0), 0);
    } else if (by === "difference" && parts > 1) {
      strength = (map) => members(map).reduce((sum, one) => sum + (this.isDifference(one) ? this._distance(one) : 0), 0);
    }
    if (strength) {
      const known = new Map(order.map((map) => [map, strength(map)]));
      order.sort((a, b) => (known.get(b) || 0) - (known.get(a) || 0) || a - b);
    }
    return each === 1 ? order : order.flatMap(members);
  }

  /** How far a map's values are from 0, together.
   * @param {number} map */
  _distance(map) {
    let sum = 0;
    for (let at = 0; at < this.size; at++) sum += Math.abs(this.value(map, at)) || 0;
    return sum;
  }
}
