/** When a channel answered: a thin strip over the steps of a training, dark where it was silent. */

const HIGH = 5;

/** How far each channel of a layer went at each step. */
export class Activity {
  /**
   * @param {import("../types.d.ts").Panel} panel
   * @param {number} at the place of the step that is looked at
   * @param {string[]} moments what each step is called
   */
  constructor(panel, at, moments) {
    this.moments = moments;
    const [steps, units] = panel.header.activity;
    this.steps = steps;
    this.units = units;
    this.levels = new Uint8Array(panel.buffers.activity);
    this.at = at;
  }

  /**
   * Say in words when a channel answered.
   * @param {number} unit
   */
  words(unit) {
    const fires = Array.from({ length: this.steps }, (_, step) => this.levels[step * this.units + unit] > 0);
    const first = fires.indexOf(true), last = fires.lastIndexOf(true);
    if (first < 0) return `never fired at ${this.steps} steps`;
    const words = [];
    if (first > 0) words.push(`silent until ${this.moments[first]}`);
    if (last < this.steps - 1) words.push(`silent from ${this.moments[last + 1]} on`);
    const between = fires.slice(first, last + 1).filter((fired) => !fired).length;
    if (between) words.push(`silent at ${between} step${between === 1 ? "" : "s"} between`);
    return words.join(", ") || "fired at every step";
  }

  /**
   * Draw the strip of a channel.
   * @param {CanvasRenderingContext2D} context
   * @param {number} unit
   * @param {number} x
   * @param {number} y of its middle
   * @param {number} width
   */
  draw(context, unit, x, y, width) {
    if (width < 12 || unit >= this.units) return;
    const each = width / this.steps, top = y - HIGH / 2;
    for (let step = 0; step < this.steps; step++) {
      const level = this.levels[step * this.units + unit];
      context.fillStyle = level ? `rgba(106, 166, 245, ${0.25 + (0.75 * level) / 255})` : "#4a3830";
      context.fillRect(x + step * each, level ? top : y - 0.5, Math.max(0.6, each - (each > 3 ? 0.6 : 0)), level ? HIGH : 1);
    }
    if (this.at < 0) return;
    context.fillStyle = "#ffffff";
    context.fillRect(x + (this.at + 0.5) * each - 0.75, top - 1.5, 1.5, HIGH + 3);
  }
}
