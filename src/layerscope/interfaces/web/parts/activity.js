/** When a channel answered: a thin strip over the steps of a training, a line where it was silent, and when it woke or fell silent. */

const HIGH = 5; // pixels
const KEPT = 2048, TOLD = 4; // strips that were drawn, and times that are told one by one
const FIRED = [106, 166, 245], SILENT = "#4a3830";
const WOKE = "#54c08f", FELL = "#f0906a"; // as the signs on the line of time

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
    /** @type {Map<string, HTMLCanvasElement>} strips that were drawn, which are alike at every step that is looked at */
    this.strips = new Map();
    /** @type {Map<number, { woke: boolean, at: number } | null>} when channels woke or fell silent, as far as it was asked */
    this.known = new Map();
  }

  /**
   * Whether a panel tells the same of the channels; which step is looked at is taken from it then.
   * @param {import("../types.d.ts").Panel} panel
   * @param {number} at
   */
  goesOn(panel, at) {
    const [steps, units] = panel.header.activity, levels = new Uint8Array(panel.buffers.activity);
    if (steps !== this.steps || units !== this.units || !alike(levels, this.levels)) return false;
    this.at = at;
    return true;
  }

  /**
   * At which steps a channel answered.
   * @param {number} unit
   */
  _fires(unit) {
    return Array.from({ length: this.steps }, (_, step) => this.levels[step * this.units + unit] > 0);
  }

  /**
   * When a channel that was silent at the first step began to answer for good, or one that answered fell silent to the last.
   * @param {number} unit
   * @returns {{ woke: boolean, at: number } | null} the place of that step; null of other channels
   */
  change(unit) {
    let change = this.known.get(unit);
    if (change === undefined) {
      change = this._change(unit);
      this.known.set(unit, change);
    }
    return change;
  }

  /**
   * As above, from every step anew.
   * @param {number} unit
   * @returns {{ woke: boolean, at: number } | null}
   */
  _change(unit) {
    const fires = this._fires(unit), first = fires.indexOf(true), last = fires.lastIndexOf(true);
    if (first < 0) return null;
    if (last < this.steps - 1) return { woke: false, at: last + 1 };
    const begins = fires.lastIndexOf(false) + 1;
    return fires[0] || begins === 0 ? null : { woke: true, at: begins };
  }

  /** How many channels woke, and how many fell silent, in words; empty where none did. */
  get changes() {
    const each = Array.from({ length: this.units }, (_, unit) => this.change(unit));
    const woke = each.filter((one) => one?.woke).length, fell = each.filter((one) => one && !one.woke).length;
    return [woke ? `▲ ${woke} woke` : "", fell ? `▼ ${fell} fell silent` : ""].filter(Boolean).join(" · ");
  }

  /**
   * Say in words when a channel answered, as recordings/fate.py does: no step that is not shown is claimed.
   * @param {number} unit
   */
  words(unit) {
    const fires = this._fires(unit), first = fires.indexOf(true);
    if (first < 0) return `never fired at ${this.steps} steps`;
    const events = fires.flatMap((now, i) => (i && now !== fires[i - 1] ? [`${now ? (i > first ? "revived" : "woke") : "died"} ${this._when(i)}`] : []));
    if (!events.length) return `fires at each of ${this.steps} steps`;
    const begins = fires[0] ? "fires at first" : "silent at first", deaths = events.filter((event) => event.startsWith("died")).length;
    if (events.length <= TOLD) return [begins, ...events].join(", ");
    return `${begins}, died ${deaths} times, ${fires.at(-1) ? "fires" : "is silent"} at the last step, since it ${events.at(-1)}`;
  }

  /** Between which steps something came about, in words.
   * @param {number} place of the first step at which it had */
  _when(place) {
    const [before, after] = [this.moments[place - 1], this.moments[place]], number = (/** @type {string} */ text) => Number(/\d+/.exec(text || "")?.[0]);
    return number(after) - number(before) === 1 ? `in ${after}` : `between ${before} and ${after}`;
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
    const sign = this._sign(context, unit, x, y, width - 12);
    x += sign;
    width -= sign;
    const ratio = window.devicePixelRatio || 1, pixels = Math.max(1, Math.floor(width * ratio));
    // Pixel by pixel: none may be lost in which a channel fired.
    x = Math.round(x * ratio) / ratio;
    width = pixels / ratio;
    const each = width / this.steps, top = y - HIGH / 2;
    context.imageSmoothingEnabled = false;
    context.drawImage(this._strip(unit, pixels), x, top, width, HIGH);
    if (this.at < 0) return;
    context.fillStyle = "#ffffff";
    context.fillRect(x + (this.at + 0.5) * each - 0.75, top - 1.5, 1.5, HIGH + 3);
  }

  /**
   * The strip of a channel, so many pixels of the screen wide, drawn once: of steps that share a pixel, the strongest.
   * @param {number} unit
   * @param {number} width
   */
  _strip(unit, width) {
    const key = `${unit} ${width}`, drawn = this.strips.get(key);
    if (drawn) return drawn;
    const canvas = document.createElement("canvas"), ratio = window.devicePixelRatio || 1;
    canvas.width = width;
    canvas.height = Math.ceil(HIGH * ratio);
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    context.scale(1, canvas.height / HIGH);
    const parts = Math.min(this.steps, width), each = width / parts, gap = each > 3 * ratio ? 0.6 * ratio : 0;
    for (let part = 0; part < parts; part++) {
      const end = Math.ceil(((part + 1) * this.steps) / parts);
      let level = 0;
      for (let step = Math.floor((part * this.steps) / parts); step < end; step++) level = Math.max(level, this.levels[step * this.units + unit]);
      context.fillStyle = level ? `rgba(${FIRED}, ${0.25 + (0.75 * level) / 255})` : SILENT;
      context.fillRect(part * each, level ? 0 : HIGH / 2 - 0.5, each - gap, level ? HIGH : 1);
    }
    if (this.strips.size >= KEPT) this.strips.clear();
    this.strips.set(key, canvas);
    return canvas;
  }

  /**
   * Write that a channel woke, or fell silent, and at which epoch or step, where there is room.
   * @param {CanvasRenderingContext2D} context
   * @param {number} unit
   * @param {number} x
   * @param {number} y
   * @param {number} room
   * @returns {number} how wide it is
   */
  _sign(context, unit, x, y, room) {
    const change = this.change(unit);
    if (!change) return 0;
    const text = `${change.woke ? "▲" : "▼"}${/\d+/.exec(this.moments[change.at] || "")?.[0] ?? ""}`;
    const width = context.measureText(text).width;
    if (width > room) return 0;
    context.fillStyle = change.woke ? WOKE : FELL;
    context.fillText(text, x, y + 3.5);
    return width + 4;
  }
}

/**
 * Whether bytes are the same.
 * @param {Uint8Array} one
 * @param {Uint8Array} other
 */
function alike(one, other) {
  for (let i = 0; i < one.length; i++) if (one[i] !== other[i]) return false;
  return one.length === other.length;
}
