/** Units that are switched off: a switch for the one that is looked at, and a line that lists all. */

import { h } from "../dom.js";

const NAMED = 4; // units that the line names

/**
 * A switch for the unit that is looked at; none where the host can't run the network without it.
 * @param {import("../page.js").Page} page
 * @returns {{ el: HTMLElement | null, show: () => void }}
 */
export function unitSwitch(page) {
  if (!page.outline.can.silence) return { el: null, show: () => {} };
  const el = h("button", { type: "button", on: { click: () => page.switchUnit(page.state.view.address) } });
  const show = () => {
    const { address, sample } = page.state.view, isOff = page.silenced.includes(address);
    el.setAttribute("aria-pressed", String(isOff));
    el.textContent = isOff ? "switch it on again" : "switch it off";
    el.title = "Look at the network without this unit: its values are 0, and what follows from that is computed";
    el.disabled = sample < page.outline.recorded;
  };
  return { el, show };
}

/** The line that says which units are switched off. */
export class Switches {
  /** @param {import("../page.js").Page} page */
  constructor(page) {
    this.page = page;
    this.words = h("span");
    this.el = h("span", { class: "switches" }, this.words, h("button", { type: "button", on: { click: () => page.silence([]) } }, "all on"));
    page.state.addEventListener("change", () => this._show());
    this._show();
  }

  _show() {
    const { silenced } = this.page, more = silenced.length - NAMED;
    this.el.hidden = !silenced.length;
    this.words.textContent = `without ${silenced.slice(0, NAMED).join(", ")}${more > 0 ? ` and ${more} more` : ""} `;
  }
}
