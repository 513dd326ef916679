/** A person's own input: an image dropped, chosen, pasted or taken, a drawing, or numbers. */

import { h } from "../dom.js";
import { Camera } from "../parts/camera.js";
import { DrawingBoard } from "../parts/draw.js";
import { Latest } from "../parts/latest.js";
import { NumberFields } from "../parts/numbers.js";
import { Stack } from "../stack.js";
import { measured } from "../timing.js";

const MOST_BYTES = 32_000_000; // as the server's guard takes
const MOST_FILES = 8; // of one drop
const BOARD = 64; // larger images than this are not drawn

/**
 * @typedef {object} Given what a person has given
 * @property {() => Promise<Blob> | Blob | number[]} make it as it is when its turn comes
 * @property {string} name
 * @property {string} kind what it takes the place of; empty for a sample of its own
 * @property {number} since when it was given
 */

/** The button beside the samples, and the dialog that it opens. */
export class OwnInput {
  /** @param {import("../page.js").Page} page */
  constructor(page) {
    this.page = page;
    this.form = page.outline.inputs;
    /** @type {Map<string, number>} the samples that drawings and numbers go into */
    this.into = new Map();
    this.kept = 0;
    /** @type {HTMLDialogElement | null} */
    this.dialog = null;
    /** @type {Latest<Given>} */
    this.latest = new Latest((given) => this._send(given));
    const reason = !page.host.input && this.form.form !== "none" ? "What is shown here was recorded: no network runs behind it." : this.form.reason;
    this.can = Boolean(page.host.input) && this.form.form !== "none";
    this.button = this.can
      ? h("button", { type: "button", class: "own", "aria-haspopup": "dialog", "aria-expanded": "false", title: "Try your own input (key: i)", on: { click: () => this.toggle() } }, "Try your own")
      : h("span", { class: "own about", title: reason, tabindex: 0, "aria-label": reason }, "as given");
    if (this.can) this._listen();
  }

  /** Open the dialog, or close it. */
  toggle() {
    if (this.dialog?.open) this.dialog.close();
    else this._open();
  }

  _open() {
    const dialog = this.dialog || this._dialog();
    this.dialog = dialog;
    document.body.append(dialog);
    dialog.show();
    this.button.setAttribute("aria-expanded", "true");
    (this.board?.canvas || this.numbers?.fields[0].input || this.choose).focus();
    if (this.numbers) this._readNumbers();
  }

  _dialog() {
    const close = h("button", { type: "button", class: "plain", "aria-label": "Close", on: { click: () => dialog.close() } }, "✕");
    this.words = h("p", { class: "words", role: "status" });
    const dialog = h("dialog", { class: "dialog own-input", "aria-label": "Your own input" },
      h("header", {}, h("h2", {}, "Your own input"), close), ...(this.form.form === "vector" ? this._forNumbers() : this._forImages()), this.words);
    dialog.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      dialog.close();
    });
    dialog.addEventListener("close", () => {
      this.camera?.stop();
      this.button.setAttribute("aria-expanded", "false");
      this.button.focus();
    });
    return dialog;
  }

  _forNumbers() {
    this.numbers = new NumberFields(this.form, () => {
      const values = this.numbers?.values;
      if (values) this.give({ make: () => values, name: "numbers", kind: "numbers" });
    });
    return [this.numbers.el];
  }

  _forImages() {
    const [height, width] = this.form.shape;
    const parts = [];
    if (this.form.grey && Math.max(height, width) <= BOARD) {
      const board = new DrawingBoard({
        height, width, dark: this.form.dark, say: (text) => this.page.announce(text),
        changed: () => this.give({ make: () => board.blob(), name: "drawing", kind: `drawing ${this.kept}` }),
      });
      this.board = board;
      const button = (/** @type {string} */ text, /** @type {string} */ title, /** @type {() => void} */ act) =>
        h("button", { type: "button", title, on: { click: act } }, text);
      parts.push(board.el, h("div", { class: "row" },
        button("Clear", "Take all ink away (key: Delete)", () => board.clear()),
        button("Keep, and draw another", "The drawing stays among the samples", () => this._keep())));
    }
    this.file = h("input", { type: "file", accept: "image/*", class: "unseen", tabindex: -1, "aria-label": "Image file", on: { change: () => { this.takeFiles(this.file.files); this.file.value = ""; } } });
    this.choose = h("button", { type: "button", on: { click: () => this.file.click() } }, "Choose an image …");
    this.camera = new Camera({
      taken: (picture) => this.give({ make: () => picture, name: "camera", kind: "camera" }), say: (text) => this._say(text, true),
    });
    const look = h("button", { type: "button", on: { click: () => (this.camera?.stream ? this.camera.stop() : this.camera?.start()) } }, "Camera");
    const about = `${height} by ${width} pixels${this.form.grey ? ", grey" : ""}`;
    parts.push(h("div", { class: "row" }, this.choose, look, this.file), this.camera.el,
      h("p", { class: "note" }, `Or drop an image anywhere on the page, or paste one: it becomes ${about}.`));
    return parts;
  }

  _keep() {
    this.kept += 1;
    this.board?.clear();
  }

  /** Begin with the numbers of the sample that is looked at. */
  async _readNumbers() {
    const { sample, edition } = this.page.moment, typed = this.numbers?.typed;
    const panel = await this.page.host.panel("layer", { address: "input", sample, edition }).catch(() => null);
    if (panel && this.numbers && this.numbers.typed === typed && panel.header.form === "vector") {
      const stack = new Stack(panel, this.page.colours.levels);
      this.numbers.set(Array.from({ length: stack.count }, (_, i) => stack.value(i, 0)));
    }
  }

  /**
   * Show the passage of what is given, as soon as that of what was given before is shown.
   * @param {Omit<Given, "since">} given
   */
  async give(given) {
    this.dialog?.setAttribute("aria-busy", "true");
    await this.latest.ask({ ...given, since: performance.now() });
    if (!this.latest.acting) this.dialog?.removeAttribute("aria-busy");
  }

  /** @param {Given} given */
  async _send({ make, name, kind, since }) {
    const { page } = this;
    this._say("");
    try {
      const sent = await make();
      if (sent instanceof Blob && sent.size > MOST_BYTES) throw new Error(`${name} is too large: up to ${MOST_BYTES / 1e6} MB are read.`);
      const into = kind ? this.into.get(kind) ?? null : null;
      const sample = await /** @type {import("../types.d.ts").TakesInput} */ (page.host.input).call(page.host, sent, { name, into });
      if (kind) this.into.set(kind, sample.sample);
      page.take(sample);
      await page.settled();
      await new Promise((resolve) => requestAnimationFrame(resolve));
      measured("layerscope.given", since);
    } catch (error) {
      this._say(/** @type {Error} */ (error).message, true);
    }
  }

  /**
   * @param {string} text
   * @param {boolean} [wrong]
   */
  _say(text, wrong = false) {
    if (this.words) {
      this.words.textContent = text;
      this.words.classList.toggle("error", wrong);
    }
    if (text) this.page.announce(text);
  }

  /** @param {FileList | File[] | null | undefined} files */
  async takeFiles(files) {
    if (this.form.form === "vector") return this._say(`The model takes ${this.form.shape[0]} numbers: type them.`, true);
    for (const file of [...(files || [])].slice(0, MOST_FILES)) await this.give({ make: () => file, name: file.name || "pasted", kind: "" });
  }

  /** Images are taken wherever they are dropped, or pasted. */
  _listen() {
    const cover = h("div", { class: "drop", hidden: true, "aria-hidden": "true" }, h("p", {}, "Drop it to see how it passes through"));
    document.body.append(cover);
    const holds = (/** @type {DragEvent} */ event) => Boolean(event.dataTransfer?.types.includes("Files"));
    window.addEventListener("dragenter", (event) => { cover.hidden = !holds(event); });
    window.addEventListener("dragover", (event) => { if (holds(event)) event.preventDefault(); });
    window.addEventListener("dragleave", (event) => { if (!event.relatedTarget) cover.hidden = true; });
    window.addEventListener("drop", (event) => {
      cover.hidden = true;
      if (!holds(event)) return;
      event.preventDefault();
      this.takeFiles(event.dataTransfer?.files);
    });
    window.addEventListener("paste", (event) => {
      const files = [...(event.clipboardData?.files || [])].filter((file) => file.type.startsWith("image/"));
      if (files.length) this.takeFiles(files);
    });
    window.addEventListener("keydown", (event) => {
      const target = /** @type {HTMLElement} */ (event.target);
      if (event.key !== "i" || event.ctrlKey || event.metaKey || event.altKey || target.closest("input, select, textarea, dialog")) return;
      event.preventDefault();
      this.toggle();
    });
  }
}
