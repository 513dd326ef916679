/** The line of time below all: the steps of a training, its metrics above them, and what came about when. */

import { beforeNextFrame, choice, h, shortNumber } from "../dom.js";
import { nearestTo } from "../numbers.js";
import { watchChanges } from "../parts/changes.js";
import { openDialog } from "../parts/dialog.js";
import { metricLines, metricStrip } from "../parts/metric_strip.js";

const EDGE = 9; // pixels left and right of the first and the last step
const HEIGHT = 42;
const SPEEDS = /** @type {[string, string][]} */ (["1", "2", "4", "8", "16"].map((speed) => [speed, `${speed} / s`]));
/** What stands for the kinds of findings on the line. @type {Record<string, string>} */
const SIGNS = { woke: "▲", silent: "▼", "not finite": "✕", still: "◆" };

/** @typedef {{ address: string, kind: string, step: number | null, text: string }} Happening */

/** A scrubber over the recorded steps. */
export class TimeBar {
  /** @param {import("../page.js").Page} page */
  constructor(page) {
    this.page = page;
    this.speed = 4;
    this.playing = 0;
    this.plays = 0;
    this.missing = "";
    /** @type {import("../types.d.ts").Panel | null} */
    this.panel = null;
    /** @type {ReturnType<typeof metricLines>} */
    this.lines = [];
    this.pointed = 0;
    this.shownPlace = -1;
    this.width = 0; // of the line, measured where it changes: else each step costs a layout
    this.left = 0;
    this._build();
    if (page.host.changes && (page.outline.steps.length || page.outline.can.change)) watchChanges(page, (missing) => this._tell(missing));
    if (!page.outline.steps.length) return;
    this.el.hidden = false;
    this.follow = beforeNextFrame(() => page.goToStep(this.pointed));
    page.state.addEventListener("change", () => this._moved());
    page.addEventListener("grown", () => this._read());
    new ResizeObserver(() => this._draw()).observe(this.track);
    this._read();
  }

  _build() {
    this.button = h("button", { type: "button", class: "play", on: { click: () => this._toggle() } });
    this.speeds = choice("Speed", SPEEDS, String(this.speed), (speed) => { this.speed = Number(speed); });
    this.moment = h("b", { class: "moment" });
    this.counted = h("span", { class: "about" });
    this.happenings = h("button", { type: "button", class: "plain", on: { click: () => this._list() } });
    this.values = h("span", { class: "values" });
    this.words = h("span", { class: "words" });
    this.cursor = h("div", { class: "cursor" });
    this.other = h("div", { class: "cursor other", hidden: true });
    this.curve = h("div", { class: "curves" });
    this.marks = h("div", { class: "marks", role: "group", "aria-label": "What came about" });
    this.track = h("div", { class: "track", role: "slider", tabindex: 0, "aria-label": "Step of the training", "aria-valuemin": 0,
      on: { keydown: (/** @type {KeyboardEvent} */ event) => this._key(event), pointerdown: (/** @type {PointerEvent} */ event) => this._down(event),
        pointermove: (/** @type {PointerEvent} */ event) => this._drag(event) } }, this.curve, this.other, this.cursor);
    this.el = h("section", { class: "time", "aria-label": "Time", hidden: true },
      h("div", { class: "controls" }, this.button, this.speeds, this.happenings),
      h("div", { class: "figures" }, this.moment, this.counted, this.values, this.words),
      h("div", { class: "line" }, this.track, this.marks));
    this._playing(0);
  }

  get count() {
    return this.page.outline.steps.length;
  }

  /** Where the step that is looked at is among those recorded; the nearest where there is none of its number. */
  get at() {
    return this.page.placeOf(this.page.step);
  }

  /** Whether the sample that is looked at was recorded over the steps. */
  get recorded() {
    return this.page.state.view.sample < this.page.outline.recorded;
  }

  /** Read what there is along the line. */
  async _read() {
    try {
      this.panel = await this.page.host.panel("steps", {});
      this.lines = this.panel ? metricLines(this.panel) : [];
    } catch (error) {
      this.panel = null;
      this.lines = [];
      this._tell(/** @type {Error} */ (error).message);
    }
    const count = this._happenings().length;
    this.happenings.hidden = count === 0;
    this.happenings.textContent = count === 1 ? "1 finding" : `${count} findings`;
    this._draw();
  }

  /** @returns {Happening[]} */
  _happenings() {
    return this.panel?.header.events || [];
  }

  /** Where a step stands on the line, in pixels.
   * @param {number} place */
  _across(place) {
    return EDGE + (this.count > 1 ? place / (this.count - 1) : 0.5) * Math.max(1, this.width - 2 * EDGE);
  }

  /** Draw what does not change from step to step. */
  _draw() {
    const width = this.track.clientWidth;
    if (!width) return;
    this.width = width;
    const header = this.panel?.header;
    const marks = (header?.marks || []).map((/** @type {any} */ mark) => ({ place: nearestTo(header?.at || [], mark.at), text: mark.text }));
    this.curve.replaceChildren(metricStrip(this.lines, { width, height: HEIGHT, across: (place) => this._across(place), marks }));
    this.track.setAttribute("aria-valuemax", String(this.count - 1));
    this._mark();
    this._moved();
  }

  /** Put a sign where something came about, and the first and the last step at the ends. */
  _mark() {
    /** @type {Map<number, Happening[]>} */
    const places = new Map();
    for (const one of this._happenings()) {
      if (one.step === null || !(one.kind in SIGNS)) continue;
      const place = this.page.placeOf(one.step);
      places.set(place, [...(places.get(place) || []), one]);
    }
    const { moments } = this.page.outline;
    const end = (/** @type {number} */ place) => this._at(h("span", { class: "end" }, moments[place]?.replace(/^epoch /, "") || ""), place);
    const signs = [...places].map(([place, some]) => this._at(h("button", {
      type: "button", class: "sign", title: some.map((one) => one.text).join("\n"), "aria-label": some.map((one) => one.text).join("; "),
      on: { click: () => this._visit(some) },
    }, ...[...new Set(some.map((one) => one.kind))].map((kind) => h("span", { class: kind.replace(" ", "-") }, SIGNS[kind]))), place));
    const free = [...new Set([0, this.count - 1])].filter((place) => !places.has(place));
    this.marks.replaceChildren(...free.map(end), ...signs);
  }

  /**
   * @param {HTMLElement} element
   * @param {number} place
   */
  _at(element, place) {
    element.style.left = `${this._across(place)}px`;
    return element;
  }

  /** Show which step is looked at. */
  _moved() {
    const { outline } = this.page, place = this.at;
    this.el.classList.toggle("aside", !this.recorded);
    this.track.setAttribute("aria-disabled", String(!this.recorded));
    this.track.setAttribute("aria-valuenow", String(place));
    this.track.setAttribute("aria-valuetext", `${outline.moments[place]}, step ${place + 1} of ${this.count}`);
    this.cursor.style.transform = `translateX(${this._across(place)}px)`;
    const [kind, against] = this.page.state.view.against.split(":");
    this.other.hidden = kind !== "step";
    if (kind === "step") this.other.style.transform = `translateX(${this._across(this.page.placeOf(Number(against)))}px)`;
    this.moment.textContent = outline.moments[place] || "";
    this.counted.textContent = `${place + 1} of ${this.count}`;
    this.values.replaceChildren(...this.lines.map((line) => {
      const value = h("span", { class: line.dashed ? "value dashed" : "value" }, `${line.label} ${Number.isNaN(line.values[place]) ? "–" : shortNumber(line.values[place])}`);
      value.style.setProperty("--line", line.colour);
      return value;
    }));
    this._say();
    if (place !== this.shownPlace) this._prefetch(place);
    this.shownPlace = place;
  }

  /** Say what came about at this step, or what is the matter. */
  _say() {
    const step = this.page.outline.steps[this.at];
    const here = this._happenings().filter((one) => one.step === step);
    if (this.missing) this.words.replaceChildren(h("span", { class: "error", role: "alert" }, this.missing));
    else if (!this.recorded) this.words.textContent = "This sample was not recorded: it is shown as the network is now.";
    else if (this._againstNow()) this.words.textContent = "The other sample was not recorded: it is shown as the network is now, and this one as it was then.";
    else this.words.replaceChildren(...here.map((one) => h("button", { type: "button", class: `happening ${one.kind.replace(" ", "-")}`, on: { click: () => this._visit([one]) } }, `${SIGNS[one.kind] || ""} ${one.text}`)));
  }

  /** Whether the sample that is compared with was not recorded over the steps. */
  _againstNow() {
    const [kind, number] = this.page.state.view.against.split(":");
    return kind === "sample" && Number(number) >= this.page.outline.recorded;
  }

  /** @param {string} missing */
  _tell(missing) {
    if (missing === this.missing) return;
    this.missing = missing;
    this._say();
  }

  /**
   * Go to where something came about; of several, to the one after that which is looked at.
   * @param {Happening[]} some
   */
  _visit(some) {
    const known = some.filter((one) => this.page.layers.has(this.page.place(one.address).layer));
    const next = known[(known.findIndex((one) => one.address === this.page.state.view.address) + 1) % known.length];
    const step = (next || some[0]).step;
    const sample = this.recorded ? {} : { sample: 0 };
    this.page.announce((next || some[0]).text);
    this.page.state.go({ ...sample, ...(next ? { address: next.address } : {}), ...(step === null ? {} : { step }) });
  }

  /** List everything that there is to say of the training. */
  _list() {
    const rows = this._happenings().map((one) => h("li", {}, h("button", { type: "button", class: "plain", on: {
      click: (/** @type {Event} */ event) => { /** @type {HTMLElement} */ (event.target).closest("dialog")?.close(); this._visit([one]); },
    } }, `${SIGNS[one.kind] || "•"} ${one.text}`)));
    openDialog("What came about", h("ul", { class: "happenings" }, ...rows));
  }

  /** @param {PointerEvent} event */
  _down(event) {
    if (!this.recorded) return;
    this.track.setPointerCapture(event.pointerId);
    this.left = this.track.getBoundingClientRect().left;
    this._stop();
    this._point(event);
  }

  /** @param {PointerEvent} event */
  _drag(event) {
    if (this.recorded && this.track.hasPointerCapture(event.pointerId)) this._point(event);
  }

  /** @param {PointerEvent} event */
  _point(event) {
    const share = (event.clientX - this.left - EDGE) / Math.max(1, this.width - 2 * EDGE);
    this.pointed = Math.max(0, Math.min(this.count - 1, Math.round(share * (this.count - 1))));
    if (event.shiftKey) this.page.state.go({ against: `step:${this.page.outline.steps[this.pointed]}` });
    else this.follow?.();
  }

  /** @param {KeyboardEvent} event */
  _key(event) {
    const far = Math.max(1, Math.round(this.count / 10));
    /** @type {Record<string, () => void>} */
    const actions = {
      ArrowRight: () => this._go(this.at + 1), ArrowUp: () => this._go(this.at + 1),
      ArrowLeft: () => this._go(this.at - 1), ArrowDown: () => this._go(this.at - 1),
      PageUp: () => this._go(this.at + far), PageDown: () => this._go(this.at - far),
      Home: () => this._go(0), End: () => this._go(this.count - 1), " ": () => this._toggle(),
    };
    if (!(event.key in actions) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    if (this.recorded) actions[event.key]();
  }

  /** @param {number} place */
  _go(place) {
    this._stop();
    this.page.goToStep(place);
  }

  _toggle() {
    if (this.playing) this._stop();
    else this._play();
  }

  _stop() {
    if (this.playing) this._playing(0);
  }

  /** @param {number} play which play of the steps is on, 0 for none */
  _playing(play) {
    this.playing = play;
    this.button.textContent = play ? "❚❚" : "▶";
    this.button.setAttribute("aria-label", play ? "Pause" : "Play");
    this.button.title = `${play ? "Pause" : "Play the training"} (key: space, on the line)`;
  }

  /** Go on from step to step, each as long as the speed says, and no sooner than its pictures have come. */
  async _play() {
    if (!this.recorded) return;
    const play = ++this.plays;
    this._playing(play);
    if (this.at === this.count - 1) this.page.goToStep(0);
    while (this.playing === play) {
      await Promise.all([this.page.settled(), new Promise((resolve) => { window.setTimeout(resolve, 1000 / this.speed); })]);
      if (this.playing !== play) return;
      if (this.at >= this.count - 1) return this._stop();
      this.page.goToStep(this.at + 1);
    }
  }

  /**
   * Have the steps beside this one fetched, first those in the direction in which one goes.
   * @param {number} place
   */
  async _prefetch(place) {
    const by = place < this.shownPlace ? -1 : 1;
    await this.page.settled();
    for (const beside of [by, 2 * by, -by, 3 * by]) {
      const step = this.page.outline.steps[place + beside];
      if (step === undefined) continue;
      for (const slot of this.page.slots) {
        if (this.at !== place) return; // whoever goes on is not to wait for it
        try {
          await slot.prefetch(step);
        } catch {
          return; // said in the panel's place when somebody goes there
        }
      }
    }
  }
}
