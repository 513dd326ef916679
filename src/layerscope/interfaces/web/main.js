/** The page as a whole: what stands where, and what follows from a change of the view. */

import { Colours } from "./colours.js";
import { choice, h, printable } from "./dom.js";
import { setGround, storedGround } from "./ground.js";
import { LayerPage } from "./pages/layer.js";
import { Passage } from "./pages/passage.js";
import { StartPage } from "./pages/start.js";
import { TimeBar } from "./pages/time.js";
import { UnitPage } from "./pages/unit.js";
import { Page, scalesOf } from "./page.js";
import { firstStep } from "./parts/changes.js";
import { Compare } from "./parts/compare.js";
import { hints, openHelp } from "./parts/help.js";
import { listenToKeys } from "./parts/keys.js";
import { findingsButton } from "./parts/findings.js";
import { notesButton } from "./parts/notes.js";
import { openSearch } from "./parts/search.js";
import { Switches } from "./parts/switches.js";
import { State } from "./state.js";

/**
 * Fill an element with the page of what a host supplies.
 * @param {import("./types.d.ts").Host} host
 * @param {HTMLElement} root
 */
export async function startPage(host, root) {
  setGround(storedGround());
  root.replaceChildren(h("p", { class: "state", role: "status" }, "Loading the network …"));
  let outline;
  try {
    outline = await host.outline();
  } catch (error) {
    root.replaceChildren(h("p", { class: "state error", role: "alert" }, /** @type {Error} */ (error).message));
    if (await firstStep(host)) await startPage(host, root);
    return;
  }
  const colours = new Colours(outline);
  const known = { scale: scalesOf(outline).map(([name]) => name), palette: colours.names };
  const state = new State(outline.steps.length ? { scale: "steps" } : {}, known);
  const page = new Page({ host, outline, state, colours, root });
  root.replaceChildren(new Shell(page).el);
  document.title = `${outline.title} – layerscope`;
  performance.mark("layerscope.ready");
}

/** What stands around: the bar on top, the passage left, a page right, a line of words below. */
class Shell {
  /** @param {Page} page */
  constructor(page) {
    this.page = page;
    this.passage = new Passage(page);
    this.right = h("main", { class: "right" });
    this.status = h("div", { class: "status" }, "\u00a0");
    this.live = h("div", { class: "unseen", "aria-live": "polite" });
    this.time = new TimeBar(page);
    const bottom = h("footer", { class: "bottom" }, this.time.el, this.status, this.live);
    this.el = h("div", { class: "shell" }, this._top(), this.passage.el, this.right, bottom);
    page.addEventListener("announce", (event) => this._say(/** @type {CustomEvent} */ (event).detail));
    page.state.addEventListener("change", (event) => this._changed(/** @type {CustomEvent} */ (event).detail));
    listenToKeys(page, this);
    const hint = hints(page.outline.steps.length > 0);
    if (hint) this.el.append(hint);
    this._open();
  }

  _top() {
    const { outline, state } = this.page;
    const view = state.view;
    const palettes = /** @type {[string, string][]} */ (this.page.colours.names.map((name) => [name, name]));
    this.compare = new Compare(this.page);
    this.scales = choice("Scaling", this.page.scales, view.scale, (scale) => state.go({ scale }));
    this.palettes = choice("Palette", palettes, view.palette, (palette) => state.go({ palette }));
    const button = (/** @type {string} */ text, /** @type {string} */ label, /** @type {() => void} */ act) =>
      h("button", { type: "button", "aria-label": label, title: label, on: { click: act } }, text);
    return h("header", { class: "top" },
      h("h1", { class: "name" }, outline.title), h("span", { class: "about" }, `${outline.framework} · ${outline.about}`),
      h("span", { class: "room" }),
      new Switches(this.page).el, this.compare.el, h("label", { class: "named" }, "scale", this.scales), h("label", { class: "named" }, "colours", this.palettes),
      button("Find /", "Find a layer or a unit (key: /)", () => openSearch(this.page)),
      findingsButton(this.page),
      notesButton(outline.notes),
      button("◐", "Dark or light (key: d)", () => this.turn()), button("?", "Keys (key: ?)", () => openHelp()));
  }

  /** Turn from light to dark, or back. */
  turn() {
    setGround(this.page.ground === "dark" ? "light" : "dark");
    try {
      localStorage.setItem("layerscope-ground", this.page.ground);
    } catch {
      // A document that may keep nothing.
    }
    this.passage.show();
    this.shown?.show();
  }

  /** @param {string} text */
  _say(text) {
    this.status.textContent = printable(text) || "\u00a0";
    this.live.textContent = printable(text);
  }

  /** @param {{ before: import("./types.d.ts").View, view: import("./types.d.ts").View }} change */
  _changed({ before, view }) {
    this.scales.value = view.scale;
    this.palettes.value = view.palette;
    this.passage.show();
    if (before.address !== view.address) this._open();
    else this.shown?.show();
  }

  /** Put the page of the address there. */
  _open() {
    const { address } = this.page.state.view;
    const { layer, unit } = this.page.place(address);
    const kind = !address ? StartPage : unit === null ? LayerPage : UnitPage;
    if (this.shown instanceof kind && kind === UnitPage && this.shown.layer === layer) {
      this.shown.show();
      return;
    }
    this.shown?.stop();
    this.shown = new kind(this.page);
    this.right.replaceChildren(this.shown.el);
    this.shown.show();
  }
}
