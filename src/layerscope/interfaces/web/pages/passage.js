/** The left side: samples, the graph with the pattern passing through, and what the network answered. */

import { h, s, shortNumber } from "../dom.js";
import { OwnInput } from "./own_input.js";
import { drawSeries } from "../draw/series.js";
import { Slot } from "../slot.js";
import { Stack } from "../stack.js";

/** The passage of a sample through the network. */
export class Passage {
  /** @param {import("../page.js").Page} page */
  constructor(page) {
    this.page = page;
    this.slot = new Slot(page, { name: "passage", title: "The passage through the network", bare: true });
    this.slot.body.classList.add("passage");
    this.slot.shown = ({ header }) => {
      const before = String(this.page.network);
      this.page.network = header.network;
      if (this.page.state.view.scale === "network" && before !== String(header.network)) this._rescale();
      this.page.boxes = header.boxes.map((/** @type {any} */ box) => box.addresses);
      this.page.dispatchEvent(new Event("boxes"));
      this._answer(header.answers, header.against || []);
    };
    this.strip = h("div", { class: "samples", role: "group", "aria-label": "Samples" });
    this.answers = h("div", { class: "answers", "aria-label": "What the network answered", role: "region" });
    this.el = h("aside", { class: "left", "aria-label": "The passage" }, h("div", { class: "sample-bar" }, this.strip, new OwnInput(page).button), this.slot.el, this.answers);
    this._samples();
    this.show();
  }

  async show() {
    const { scale, open } = this.page.state.view;
    for (const button of this.strip.querySelectorAll("button")) {
      button.classList.toggle("against", this.page.state.view.against === `sample:${button.dataset.sample}`);
      const chosen = Number(button.dataset.sample) === this.page.state.view.sample;
      if (chosen && button.getAttribute("aria-pressed") !== "true") button.scrollIntoView({ block: "nearest", inline: "nearest" });
      button.setAttribute("aria-pressed", String(chosen));
    }
    await this.slot.show({ ...this.page.moment, scale: ["unit", "zscore", "network", "steps"].includes(scale) ? scale : "layer", open: open.replace(/^\n/, ""), depth: open ? 0 : null });
  }

  /** Have what came before be drawn on the range that the network has now. */
  _rescale() {
    for (const slot of this.page.slots) {
      if (slot !== this.slot) slot.again();
    }
  }

  /** A thumbnail for each sample, drawn as it comes into view. */
  _samples() {
    this.seen = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        this.seen?.unobserve(entry.target);
        this._thumbnail(/** @type {HTMLElement} */ (entry.target));
      }
    });
    this.page.outline.samples.forEach((_, i) => this._sample(i));
    this.strip.scrollLeft = 0;
    this.page.addEventListener("sample", (event) => this._sample(/** @type {CustomEvent} */ (event).detail));
  }

  /** Put the button of a sample there, or renew it: it was given by hand once more.
   * @param {number} i */
  _sample(i) {
    const { name } = this.page.outline.samples[i];
    /** @type {HTMLElement | null} */
    let button = this.strip.querySelector(`[data-sample="${i}"]`);
    if (!button) {
      button = h("button", { type: "button", "data-sample": i, 
        on: { click: (/** @type {MouseEvent} */ event) => this.page.state.go(event.shiftKey ? { against: `sample:${i}` } : { sample: i }) } }, h("canvas", { width: 40, height: 40 }));
      this.strip.append(/** @type {HTMLElement} */ (button));
      /** @type {HTMLElement} */ (button).scrollIntoView({ block: "nearest", inline: "nearest" });
    }
    const known = /** @type {HTMLElement} */ (button);
    known.title = name;
    known.setAttribute("aria-label", `sample ${i}: ${name}`);
    this.seen?.observe(known);
  }

  /** @param {HTMLElement} button */
  async _thumbnail(button) {
    const canvas = /** @type {HTMLCanvasElement} */ (button.querySelector("canvas"));
    try {
      const panel = await this.page.host.panel("layer", { address: "input", sample: Number(button.dataset.sample), edition: this.page.outline.samples[Number(button.dataset.sample)].edition });
      if (panel) drawInput(canvas, new Stack(panel, this.page.colours.levels), this.page);
    } catch (error) {
      button.title = /** @type {Error} */ (error).message;
    }
  }

  /**
   * @param {{ output: string, unit: number, name: string, value: number | null, probability: boolean, other: number | null }[]} answers
   * @param {string[]} against what the answers are compared with: what they are of, and what the others are of
   */
  _answer(answers, against) {
    const most = Math.max(...answers.flatMap((answer) => [Math.abs(answer.value || 0), Math.abs(answer.other || 0)]), 1e-30);
    const rows = answers.map((answer) => {
      const address = `${answer.output}:${answer.unit}`;
      const values = against.length ? [answer.value, answer.other] : [answer.value];
      const high = 8 / values.length;
      const bars = values.map((value, i) => s("rect", { width: (100 * Math.abs(value || 0)) / (answer.probability ? 1 : most), y: i * high, height: high - 0.5 * i, rx: 1, class: i ? "other" : "own" }));
      const words = (/** @type {number | null} */ value) => (value === null ? "–" : answer.probability ? `${(100 * value).toFixed(1)} %` : shortNumber(value));
      return h("tr", {},
        h("td", {}, h("a", { href: "#", on: { click: (/** @type {Event} */ event) => { event.preventDefault(); this.page.state.go({ address }); } } }, answer.name || address)),
        h("td", { class: "bar" }, s("svg", { viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" }, ...bars)),
        ...values.map((value) => h("td", { class: "number" }, words(value))));
    });
    const heads = against.length ? [h("thead", {}, h("tr", {}, h("td"), h("td"), ...against.map((name, i) => h("th", { scope: "col", class: i ? "number other" : "number" }, name))))] : [];
    this.answers.replaceChildren(rows.length ? h("table", {}, h("caption", { class: "unseen" }, "What the network answered"), ...heads, h("tbody", {}, ...rows)) : "");
  }
}

/**
 * Draw an input into a small canvas: an image in its colours, anything else in the palette.
 * @param {HTMLCanvasElement} canvas
 * @param {Stack} stack
 * @param {import("../page.js").Page} page
 */
function drawInput(canvas, stack, page) {
  if (stack.form === "series") return drawLines(canvas, stack);
  const vector = stack.form === "vector";
  const [height, width] = vector ? [1, stack.count] : [stack.height, stack.width];
  canvas.classList.toggle("stretched", Math.max(height, width) > 4 * Math.min(height, width));
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height), words = new Uint32Array(image.data.buffer);
  const table = page.colours.table("gray", page.ground);
  const [low, high] = stack.header.layer;
  for (let i = 0; i < words.length; i++) {
    if (stack.colour) words[i] = 0xff000000 | (stack.pixels[3 * i + 2] << 16) | (stack.pixels[3 * i + 1] << 8) | stack.pixels[3 * i];
    else {
      const value = vector ? stack.value(i, 0) : stack.value(0, i);
      words[i] = table[Math.max(0, Math.min(stack.levels - 1, Math.round(((value - low) / (high - low || 1)) * (stack.levels - 1)) || 0))];
    }
  }
  /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")).putImageData(image, 0, 0);
}

/**
 * Draw an input that goes along positions: a few of its channels as lines.
 * @param {HTMLCanvasElement} canvas
 * @param {Stack} stack
 */
function drawLines(canvas, stack) {
  canvas.width = canvas.height = 80;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  for (let map = 0; map < Math.min(3, stack.count); map++) {
    const values = Float32Array.from({ length: stack.width }, (_, i) => stack.value(map, i));
    drawSeries(context, values, [0, 8, 80, 64], [stack.header.layer[0], stack.header.layer[1]], ["#dedee4", "#9a9ca8", "#6e717e"][map]);
  }
}
