/** The right side for a layer: all its channels. */

import { choice, h } from "../dom.js";
import { Activity } from "../parts/activity.js";
import { ScaleBar } from "../parts/scale_bar.js";
import { Slot } from "../slot.js";
import { Stack } from "../stack.js";

const FEW = 6; // layers of a box that are named beside one another

/** The sheet of a layer. */
export class LayerPage {
  /**
   * @param {import("../page.js").Page} page
   * @param {string} [address]
   */
  constructor(page, address = page.state.view.address) {
    this.page = page;
    this.address = address;
    this.layer = address;
    const info = page.layers.get(address);
    const view = page.state.view;
    this.slot = new Slot(page, { name: "layer", title: address, bare: true });
    this.slot.shown = (panel) => this._tell(panel);
    this.fate = new Slot(page, { name: "fate", title: "Fate of its units" });
    this.fate.el.hidden = true; // until there is something to be said
    const shape = info ? info.shape.map((n, i) => `${n} ${info.axes[i]}`).join(" × ") : "";
    this.scale = new ScaleBar(page);
    this.counted = h("span", { class: "counted" });
    this.tools = h("div", { class: "tools", role: "toolbar", "aria-label": "How the channels are shown" },
      h("label", {}, "order", this.orders = choice("Order", [["index", "by number"], ["strength", "strongest first"], ["difference", "largest difference first"]], view.order, (order) => page.state.go({ order }))),
      this.silent = h("label", {}, "silent", choice("Silent channels", [["show", "shown"], ["dim", "dimmed"], ["hide", "hidden"]], view.silent, (silent) => page.state.go({ silent }))),
      this.size = h("label", {}, "size", this._size()),
      this.as = h("label", { hidden: true }, "as"),
      this.scale.el, this.counted);
    this.shownBeside = "";
    this.boxed = () => this._beside(); // the graph may come later than the layer
    page.addEventListener("boxes", this.boxed);
    this.beside = h("nav", { class: "beside", "aria-label": "Layers in the same box" });
    this.el = h("div", { class: "page fixed" },
      h("div", { class: "crumbs" }, h("h2", {}, address), h("span", { class: "about" }, [info?.type, shape].filter(Boolean).join(" · ")),
        this.beside, h("span", { class: "room" }), this.slot.actions()),
      this.tools, this.fate.el, this.slot.el);
  }

  _size() {
    const input = h("input", { type: "range", min: 24, max: 256, step: 8, "aria-label": "Size of the maps", on: { input: () => this.page.state.go({ zoom: Number(input.value) }) } });
    input.value = String(this.page.state.view.zoom || 64);
    return input;
  }

  async show() {
    this.orders.querySelector('[value="difference"]').hidden = !this.page.state.view.against;
    const { as } = this.page.state.view;
    if (this.page.outline.steps.length > 1 && this.address !== "input") this.fate.show({ address: this.address });
    await this.slot.show({ ...this.page.moment, address: this.address, heads: as === "mean" || as === "rollout" ? as : null });
    this._tell(this.slot.model?.panel || null);
  }

  /**
   * Say what the colours of a panel stand for, and what is in it.
   * @param {import("../types.d.ts").Panel | null} panel
   */
  _tell(panel) {
    this.scale.el.hidden = !panel;
    this.counted.textContent = panel ? counted(panel, this.page) : "";
    if (panel) {
      this.scale.show(panel.header);
      this._forms(panel.header);
    }
    this._beside();
  }

  /**
   * Offer the ways in which what this layer returns can be shown.
   * @param {Record<string, any>} header
   */
  _forms(header) {
    const form = header.form;
    this.silent.hidden = !header.silences;
    this.size.hidden = form === "vector" || form === "series";
    /** @type {[string, string][]} */
    const ways = form === "attention" ? [["", "each head"], ["mean", "mean of heads"], ["rollout", "rollout from the input"]]
      : form === "series" ? [["", "lines"], ["strips", "strips"]] : [];
    this.as.hidden = !ways.length;
    if (this.as.dataset.form === form) return;
    this.as.dataset.form = form;
    this.as.replaceChildren("as", choice("How it is shown", ways, this.page.state.view.as, (as) => this.page.state.go({ as })));
  }

  /** Links to the layers that share its box in the graph, such as the function after a kernel. */
  _beside() {
    const known = (this.page.boxes.find((box) => box.includes(this.address)) || []).filter((address) => this.page.layers.has(address));
    const shown = known.join("\n");
    if (this.shownBeside === shown) return;
    this.shownBeside = shown;
    if (known.length < 2) return this.beside.replaceChildren();
    if (known.length > FEW) { // a block that is closed
      const names = known.map((address) => /** @type {[string, string]} */ ([address, address]));
      this.beside.replaceChildren(h("label", { class: "about" }, `${known.length} layers in this box `, choice("Layer in this box", names, this.address, (address) => this.page.state.go({ address }))));
      return;
    }
    this.beside.replaceChildren(...known.map((address) => h("button", {
      type: "button", class: "plain", "aria-current": address === this.address ? "page" : null,
      on: { click: () => this.page.state.go({ address }) },
    }, address)));
  }

  stop() {
    this.page.removeEventListener("boxes", this.boxed);
    this.fate.stop();
    this.slot.stop();
  }
}

/**
 * How many channels are silent, and how many values are no numbers, in words.
 * @param {import("../types.d.ts").Panel} panel
 * @param {import("../page.js").Page} page
 */
function counted(panel, page) {
  const stack = new Stack(panel, page.colours.levels);
  let silent = 0;
  for (let map = 0; map < stack.count && !stack.colour; map += stack.parts.length) silent += Number(stack.silent(map));
  const words = [];
  if (panel.header.silences) words.push(`${silent} of ${stack.count / stack.parts.length} silent`);
  const changes = panel.header.activity && panel.header.silences ? new Activity(panel, -1, page.outline.moments).changes : "";
  if (changes) words.push(changes);
  if (panel.header.not_finite) words.push(`${panel.header.not_finite} NaN or infinite`);
  const { thinned } = panel.header;
  if (thinned > 1) words.push(stack.form === "series" ? `of every ${2 * thinned} values the least and the largest` : `each pixel the mean of ${thinned}×${thinned}`);
  return words.join(" · ");
}
