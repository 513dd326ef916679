/** The right side at first: where to begin. */

import { LayerPage } from "./layer.js";

/** The first layer that has maps. */
export class StartPage extends LayerPage {
  /** @param {import("../page.js").Page} page */
  constructor(page) {
    const first = page.outline.layers.find((layer) => layer.axes.length > 1 && layer.kind !== "input") || page.outline.layers[0];
    super(page, first ? first.address : "input");
  }
}
