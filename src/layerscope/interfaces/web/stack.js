/** The values of a stack: what its bytes stand for, map by map. */

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
    this.pixels = new Uint8Array(panel.buffers.pixels);
    this.colour = this.form === "colour";
    this.low = this.colour ? new Float32Array([header.layer[0]]) : new Float32Array(panel.buffers.low);
    this.high = this.colour ? new Float32Array([header.layer[1]]) : new Float32Array(panel.buffers.high);
    this.exact = panel.buffers.values ? new Float32Array(panel.buffers.values) : null;
    /** @type {{ mean: Float32Array, std: Float32Array } | null} */
    this._moments = null;
  }

  /** @param {number} map */
  label(map) {
    return this.header.labels.length ? this.header.labels[map] : String(map);
  }

  /** The number of the unit that a map belongs to.
   * @param {number} map */
  unit(map) {
    return Number.parseInt(this.label(map), 10);
  }

  /** Whether a map is a unit that does not fire.
   * @param {number} map */
  silent(map) {
    return this.header.silences && this.low[map] === 0 && this.high[map] === 0;
  }

  /** The value at a place of a map; as it was sent, or as its colour tells.
   * @param {number} map
   * @param {number} at */
  value(map, at) {
    if (this.exact) return this.exact[map * this.size + at];
    const index = this.pixels[map * this.size + at];
    if (index >= this.levels) return index === this.levels + 2 ? Infinity : index === this.levels + 3 ? -Infinity : NaN;
    return this.low[map] + (index / (this.levels - 1)) * (this.high[map] - this.low[map]);
  }

  /** Mean and standard deviation of each map. */
  get moments() {
    if (!this._moments) {
      const mean = new Float32Array(this.count), std = new Float32Array(this.count);
      for (let map = 0; map < this.count; map++) {
        let sum = 0, squares = 0, count = 0;
        const end = (map + 1) * this.size;
        for (let at = map * this.size; at < end; at++) {
          const index = this.pixels[at];
          if (index < this.levels) { sum += index; squares += index * index; count++; }
        }
        const unit = (this.high[map] - this.low[map]) / (this.levels - 1);
        const middle = count ? sum / count : 0;
        mean[map] = this.low[map] + middle * unit;
        std[map] = count ? Math.sqrt(Math.max(0, squares / count - middle * middle)) * unit : 0;
      }
      this._moments = { mean, std };
    }
    return this._moments;
  }

  /** The maps in an order: by number, by how strongly they answer, or by how they differ from another's.
   * @param {string} by
   * @param {Stack | null} other */
  order(by, other = null) {
    const order = Array.from({ length: this.count }, (_, i) => i);
    if (by === "strength") {
      const { mean } = this.moments;
      order.sort((a, b) => mean[b] - mean[a] || a - b);
    } else if (by === "difference" && other && other.count === this.count && other.size === this.size) {
      const distance = order.map((map) => {
        let sum = 0;
        for (let at = 0; at < this.size; at++) sum += Math.abs(this.value(map, at) - other.value(map, at)) || 0;
        return sum;
      });
      order.sort((a, b) => distance[b] - distance[a] || a - b);
    }
    return order;
  }
}
