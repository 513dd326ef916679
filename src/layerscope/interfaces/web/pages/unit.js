/** The right side for a unit: a page of its own, a panel for each thing that is known of it. */

import { h } from "../dom.js";
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
    this.heading = h("div", { class: "crumbs" });
    this.el = h("div", { class: "page" }, this.heading, h("div", { class: "panels" }, ...this.slots.map((slot) => slot.el)));
  }

  show() {
    const { address } = this.page.state.view;
    const { layer, unit } = this.page.place(address);
    const info = this.page.layers.get(layer);
    const link = (/** @type {string} */ text, /** @type {string} */ to, /** @type {string} */ label) =>
      h("button", { class: "plain", type: "button", "aria-label": label, on: { click: () => this.page.state.go({ address: to }) } }, text);
    const count = info?.units || 0, at = unit || 0;
    this.heading.replaceChildren(
      link(layer, layer, `all of ${layer}`), h("h2", {}, `${info?.counts || "unit"} ${unit}`), h("span", { class: "about" }, count ? `of ${count}` : ""),
      ...(count > 1 ? [link("‹", `${layer}:${(at + count - 1) % count}`, "previous"), link("›", `${layer}:${(at + 1) % count}`, "next")] : []));
    const asks = this.slots.filter((slot) => slot !== this.image?.slot);
    return Promise.all([this.image?.show(address), ...asks.map((slot) => slot.show({ ...this.page.moment, address }))]);
  }

  stop() {
    this.image?.stop();
    for (const slot of this.slots) slot.stop();
  }
}
