/** The right side for a layer: all its channels. */

import { choice, h } from "../dom.js";
import { Slot } from "../slot.js";

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
    const shape = info ? info.shape.map((n, i) => `${n} ${info.axes[i]}`).join(" × ") : "";
    this.tools = h("div", { class: "tools", role: "toolbar", "aria-label": "How the channels are shown" },
      h("label", {}, "order", choice("Order", [["index", "by number"], ["strength", "strongest first"]], view.order, (order) => page.state.go({ order }))),
      h("label", {}, "silent", choice("Silent channels", [["show", "shown"], ["dim", "dimmed"], ["hide", "hidden"]], view.silent, (silent) => page.state.go({ silent }))),
      h("label", {}, "size", this._size()),
      h("span", { class: "room" }),
      this.slot._actions());
    this.el = h("div", { class: "page fixed" },
      h("div", { class: "crumbs" }, h("h2", {}, address), h("span", { class: "about" }, [info?.type, shape].filter(Boolean).join(" · "))),
      this.tools, this.slot.el);
  }

  _size() {
    const input = h("input", { type: "range", min: 24, max: 256, step: 8, "aria-label": "Size of the maps", on: { input: () => this.page.state.go({ zoom: Number(input.value) }) } });
    input.value = String(this.page.state.view.zoom);
    return input;
  }

  show() {
    return this.slot.show({ ...this.page.moment, address: this.address });
  }

  stop() {
    this.slot.stop();
  }
}
