/** A place for a panel: it asks for it, waits, shows it, or says what went wrong in its place. */

import { h } from "./dom.js";
import { pictureOf } from "./painting.js";
import { copyCode, savePicture } from "./saving.js";

/** What a renderer is given: the panel and how one looks at it; it tells when either changes. */
export class PanelModel extends EventTarget {
  /**
   * @param {import("./page.js").Page} page
   * @param {import("./types.d.ts").Panel} panel
   */
  constructor(page, panel) {
    super();
    this.page = page;
    this.panel = panel;
  }

  get view() {
    return this.page.state.view;
  }

  /** @param {import("./types.d.ts").Panel} [panel] */
  changed(panel) {
    if (panel) this.panel = panel;
    this.dispatchEvent(new Event("change"));
  }

  /** @param {Partial<import("./types.d.ts").View>} changes */
  go(changes) {
    this.page.state.go(changes);
  }
}

/** A place for one panel at a time. */
export class Slot {
  /**
   * @param {import("./page.js").Page} page
   * @param {{ name: string, title?: string, bare?: boolean, whole?: boolean, alone?: boolean, empty?: string }} how
   */
  constructor(page, how) {
    this.page = page;
    this.how = how;
    /** @type {PanelModel | null} */
    this.model = null;
    /** @type {import("./types.d.ts").Rendered | void} */
    this.rendered = undefined;
    this.kind = "";
    this.asked = "";
    /** @type {import("./types.d.ts").Words | null} */
    this.words = null;
    /** @type {import("./types.d.ts").Words} what the panel that is shown was asked for with */
    this.shownWords = {};
    /** @type {Promise<void>} resolved when what was asked for last is shown */
    this.settled = Promise.resolve();
    /** What else there is to do with each panel that is shown.
     * @type {(panel: import("./types.d.ts").Panel) => void} */
    this.shown = () => {};
    page.slots.add(this);
    /** @type {AbortController | null} */
    this.request = null;
    this.body = h("div", { class: "body" });
    /** @type {HTMLButtonElement | null} */
    this.python = null;
    this.el = h("section", { class: `panel${how.bare ? " bare" : ""}${how.whole ? " whole" : ""}`, "aria-label": how.title || how.name });
    if (!how.bare) this.el.append(h("header", {}, h(how.alone ? "h1" : "h3", {}, how.title || how.name), this.actions()));
    this.el.append(this.body);
    this._say("Loading …");
  }

  /** Buttons to save the panel, and to copy the Python that draws it. */
  actions() {
    const button = (/** @type {string} */ text, /** @type {string} */ title, /** @type {() => void} */ act) =>
      h("button", { class: "plain", type: "button", title, on: { click: act } }, text);
    this.python = button("Python", "Copy the Python that draws this", () => this.copy());
    return h("span", { class: "actions" },
      button("PNG", "Save as PNG", () => this.save("png")),
      button("SVG", "Save as SVG", () => this.save("svg")),
      this.python);
  }

  /**
   * Ask for the panel with these words; the last one stays until the new one is there. While only
   * the step changes, what is under way is let come and shown, and then the newest is asked for.
   * @param {import("./types.d.ts").Words} words
   * @returns {Promise<void>}
   */
  show(words) {
    const asked = `${this.page.generation} ${JSON.stringify(words)}`;
    if (asked === this.asked) {
      this.model?.changed();
      return this.settled;
    }
    const scrubs = this.request && this.asked && this.words && JSON.stringify({ ...this.words, step: words.step }) === JSON.stringify(words);
    this.asked = asked;
    this.words = words;
    if (!scrubs) this.settled = this._ask();
    return this.settled;
  }

  /** Ask until what is shown is what was asked for last. */
  async _ask() {
    this.request?.abort();
    const request = new AbortController();
    this.request = request;
    this.el.classList.add("loading");
    this.el.setAttribute("aria-busy", "true");
    for (let asked = ""; asked !== this.asked;) {
      asked = this.asked;
      const words = /** @type {import("./types.d.ts").Words} */ (this.words);
      try {
        const panel = await this.page.host.panel(this.how.name, words, request.signal);
        if (request.signal.aborted) return;
        await this._put(panel, request.signal, words);
      } catch (error) {
        if (request.signal.aborted) return;
        this._fail(/** @type {Error} */ (error).message);
        if (asked === this.asked) asked = this.asked = ""; // whoever asks for it once more is answered
      }
      if (request.signal.aborted) return;
    }
    this.request = null;
    this.el.classList.remove("loading");
    this.el.removeAttribute("aria-busy");
  }

  /**
   * Have the host fetch what another step would show, if this place shows steps at all.
   * @param {number} step
   */
  async prefetch(step) {
    if (this.words && this.words.step !== null && this.words.step !== undefined) await this.page.host.panel(this.how.name, { ...this.words, step });
  }

  /**
   * Show a panel that was not asked for here, until another is.
   * @param {import("./types.d.ts").Panel} panel
   */
  async put(panel) {
    this.request?.abort();
    const request = new AbortController();
    this.request = request;
    this.asked = "";
    this.el.classList.remove("loading");
    this.el.removeAttribute("aria-busy");
    await this._put(panel, request.signal);
    if (this.request === request) this.request = null;
  }

  /**
   * @param {import("./types.d.ts").Panel | null} panel
   * @param {AbortSignal} signal of the request that it answers
   * @param {import("./types.d.ts").Words} [words] that it was asked for with
   */
  async _put(panel, signal, words = {}) {
    this.el.hidden = panel === null && !this.how.empty;
    if (this.python) this.python.hidden = !panel?.header.code;
    if (panel === null) {
      this._clear();
      this._say(this.how.empty || "");
      return;
    }
    if (this.model && this.kind === panel.header.kind) {
      this.shownWords = words;
      this.model.changed(panel);
      this.shown(panel);
      return;
    }
    const renderer = await this.page.host.renderer(panel.header.kind);
    if (signal.aborted) return; // something else was asked for meanwhile, or nothing any more
    this._clear();
    this.kind = panel.header.kind;
    this.shownWords = words;
    this.model = new PanelModel(this.page, panel);
    this.rendered = renderer.render({ model: this.model, el: this.body });
    this.shown(panel);
  }

  /** Draw what is shown once more: what it is drawn by has changed. */
  again() {
    if (!this.model) return;
    this.model.changed();
    this.shown(this.model.panel);
  }

  _clear() {
    this.rendered?.stop?.();
    this.rendered = undefined;
    this.model = null;
    this.kind = "";
    this.body.replaceChildren();
  }

  /**
   * @param {string} text
   * @param {string} [state]
   */
  _say(text, state = "") {
    this.body.append(h("p", { class: `state ${state}`, role: state === "error" ? "alert" : "status" }, text));
  }

  /**
   * Say what went wrong, with a button that asks once more.
   * @param {string} message
   */
  _fail(message) {
    this._clear();
    this.el.hidden = false;
    this._say(message, "error");
    this.body.append(h("button", { type: "button", class: "retry", on: { click: () => this._retry() } }, "Try again"));
  }

  async _retry() {
    if (!this.words) return;
    await this.show(this.words);
    if (document.activeElement === document.body) this.body.querySelector("button, [tabindex]")?.focus();
  }

  /** @param {"png" | "svg"} format */
  async save(format) {
    if (!this.model) return;
    const { header } = this.model.panel, picture = this.rendered?.picture?.() || pictureOf(this.body);
    try {
      // Panels of one unit have one address: their titles tell them apart.
      const called = [header.address || header.title || header.kind, this.how.bare ? "" : this.how.title].filter(Boolean).join(" ");
      await savePicture(picture, format, header, called, this.page.provenance(header, this.shownWords));
    } catch (error) {
      this.page.announce(/** @type {Error} */ (error).message);
    }
  }

  copy() {
    if (this.model?.panel.header.code) copyCode(this.model.panel.header.code).then(() => this.page.announce("Copied."));
  }

  /** Leave nothing behind. */
  stop() {
    this.request?.abort();
    this.page.slots.delete(this);
    this._clear();
    this.el.remove();
  }
}
