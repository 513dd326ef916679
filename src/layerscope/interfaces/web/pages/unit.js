/** The right side for a unit: a page of its own, a panel for each thing that is known of it. */

import { h } from "../dom.js";
import { unitSwitch } from "../parts/switches.js";
import { UnitImage } from "../parts/unit_image.js";
import { Slot } from "../slot.js";

/** What panels say where there is nothing to show of a unit; others are not shown then.
 * @type {Record<string, string>} */
const EMPTY = { features: "No image was made for this unit." };

/** All that is known of one unit. */
export class UnitPage {
  /** @param {import("../page.js").Page} page */
  constructor(page) {
    this.page = page;
    this.layer = page.place(page.state.view.address).layer;
    this.slots = page.outline.unit_panels.map(({ name, title }) => new Slot(page, { name: `unit.${name}`, title, empty: EMPTY[name] }));
    const images = this.slots.find((slot) => slot.how.name === "unit.features");
    this.image = images ? new UnitImage(page, images) : null;
    const { layer } = this, info = page.layers.get(layer), count = info?.units || 0;
    const link = (/** @type {string} */ text, /** @type {string} */ label, /** @type {() => string} */ to) =>
      h("button", { class: "plain", type: "button", "aria-label": label, on: { click: () => page.state.go({ address: to() }) } }, text);
    const beside = (/** @type {number} */ by) => `${layer}:${((page.place(page.state.view.address).unit || 0) + count + by) % count}`;
    this.name = h("h2");
    this.switch = unitSwitch(page);
    this.heading = h("div", { class: "crumbs" },
      link(layer, `all of ${layer}`, () => layer), this.name, h("span", { class: "about" }, count ? `of ${count}` : ""),
      ...(count > 1 ? [link("‹", "previous", () => beside(-1)), link("›", "next", () => beside(1))] : []), ...(this.switch.el ? [this.switch.el] : []));
    this.el = h("div", { class: "page" }, this.heading, h("div", { class: "panels" }, ...this.slots.map((slot) => slot.el)));
  }

  show() {
    const { address } = this.page.state.view;
    this.name.textContent = `${this.page.layers.get(this.layer)?.counts || "unit"} ${this.page.place(address).unit}`;
    this.switch.show();
    const asks = this.slots.filter((slot) => slot !== this.image?.slot);
    return Promise.all([this.image?.show(address), ...asks.map((slot) => slot.show({ ...this.page.moment, address }))]);
  }

  stop() {
    this.image?.stop();
    for (const slot of this.slots) slot.stop();
  }
}
