/** The right side at first: where to begin. */

import { h } from "../dom.js";
import { LayerPage } from "./layer.js";

/** The first layer that has maps, with a word on how to go on. */
export class StartPage extends LayerPage {
  /** @param {import("../page.js").Page} page */
  constructor(page) {
    const first = page.outline.layers.find((layer) => layer.axes.length > 1 && layer.kind !== "input") || page.outline.layers[0];
    super(page, first ? first.address : "input");
    this.el.prepend(h("p", { class: "note" }, "Every box is a layer. Click one to see all its channels; click a channel to see all that is known of it."));
  }
}
