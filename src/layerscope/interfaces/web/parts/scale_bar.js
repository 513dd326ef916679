/** The scale of a layer's colours: a bar with its ends where maps share one, words where they do not. */

import { h, shortNumber } from "../dom.js";

/** What the colours of the maps stand for. */
export class ScaleBar {
  /** @param {import("../page.js").Page} page */
  constructor(page) {
    this.page = page;
    this.canvas = h("canvas", { width: 240, height: 1, "aria-hidden": "true" });
    this.low = h("span");
    this.high = h("span");
    this.words = h("span");
    this.el = h("span", { class: "scalebar", role: "img" }, this.low, this.canvas, this.high, this.words);
  }

  /**
   * Show the scale of a stack's maps.
   * @param {Record<string, any>} header
   */
  show(header) {
    const { scale, palette } = this.page.state.view;
    const own = header.form !== "vector" && header.form !== "colour";
    const shared = !own || scale === "layer" || scale === "network" || scale === "steps";
    const over = scale === "steps" && header.over_steps;
    let range = scale === "network" && this.page.network ? this.page.network : over || header.layer;
    if (this.page.colours.isDiverging(palette)) {
      const reach = Math.max(Math.abs(range[0]), Math.abs(range[1]));
      range = [-reach, reach];
    }
    const ends = shared ? [shortNumber(range[0]), shortNumber(range[1])] : scale === "zscore" ? ["−2 std", "+2 std"] : ["min", "max"];
    this.low.textContent = ends[0];
    this.high.textContent = ends[1];
    this.words.textContent = over ? "over all steps" : shared ? "" : scale === "zscore" ? "about each map's mean" : "of each map";
    if (header.parts) this.words.textContent += `, differences −${shortNumber(header.difference)} … ${shortNumber(header.difference)}`;
    if (header.rounding) this.words.textContent += `, those within ±${shortNumber(header.rounding)} are rounding`;
    this.el.setAttribute("aria-label", `scale: ${ends[0]} to ${ends[1]} ${this.words.textContent}`);
    this._gradient(header.form === "colour" ? "gray" : palette);
  }

  /** @param {string} palette */
  _gradient(palette) {
    const { colours, ground } = this.page;
    const table = colours.table(palette, ground), image = new ImageData(240, 1), words = new Uint32Array(image.data.buffer);
    for (let i = 0; i < 240; i++) words[i] = table[Math.round((i / 239) * (colours.levels - 1))];
    this.canvas.getContext("2d").putImageData(image, 0, 0);
  }
}
