/** What is compared with what is looked at: another sample, another step, or another model. */

import { choice, h } from "../dom.js";

const LISTED = 500; // more than so many are asked for by their number

/** The choice of what to compare with. */
export class Compare {
  /** @param {import("../page.js").Page} page */
  constructor(page) {
    this.page = page;
    this.kinds = h("span");
    this.which = h("span");
    this.el = h("label", { class: "named compare" }, "compare", this.kinds, this.which);
    this.shown = "";
    page.state.addEventListener("change", () => this._show());
    page.addEventListener("grown", () => this._show());
    this._show();
  }

  /** The kinds of things that there are to compare with. */
  get offered() {
    const { samples, steps, can } = this.page.outline, { silenced } = this.page;
    return /** @type {[string, string][]} */ ([
      ["", "nothing"], ...(samples.length > 1 ? [["sample", "another sample"]] : []),
      ...(silenced.length ? [["intact", "the network as it is"]] : []),
      ...(steps.length > 1 ? [["step", "another step"]] : []), ...(can.compare_models ? [["model", "the other model"]] : []),
    ]);
  }

  _show() {
    const { outline, state } = this.page, [kind, number] = state.view.against.split(":");
    const shown = [kind, number, outline.samples.length, outline.steps.length, this.page.silenced.length > 0].join(" ");
    if (shown === this.shown) return;
    this.shown = shown;
    const held = [this.kinds, this.which].find((part) => part.contains(document.activeElement));
    this.el.hidden = this.offered.length < 2;
    this.kinds.replaceChildren(choice("Compare with", this.offered, kind, (chosen) => this._choose(chosen)));
    this.which.replaceChildren(...(kind === "sample" || kind === "step" ? [this._number(kind, Number(number))] : []));
    held?.querySelector("select, input")?.focus();
  }

  /**
   * @param {"sample" | "step"} kind
   * @param {number} number
   */
  _number(kind, number) {
    const { samples, steps, moments } = this.page.outline;
    const go = (/** @type {string} */ text) => /^\d+$/.test(text) && this.page.state.go({ against: `${kind}:${text}` });
    const count = kind === "sample" ? samples.length : steps.length;
    if (count > LISTED) {
      const input = h("input", { type: "number", min: 0, "aria-label": `Which ${kind}`, value: number, on: { change: () => go(input.value) } });
      return input;
    }
    const names = /** @type {[string, string][]} */ (kind === "sample"
      ? samples.map((sample, i) => [String(i), `${i}: ${sample.name}`.slice(0, 40)]) : steps.map((step, i) => [String(step), moments[i]]));
    return choice(`Which ${kind}`, names, String(number), go);
  }

  /** Compare with the thing of a kind that is nearest at hand.
   * @param {string} kind */
  _choose(kind) {
    const { samples, steps } = this.page.outline, { sample } = this.page.state.view;
    const first = this.page.step === steps[0] ? steps.at(-1) : steps[0];
    /** @type {Record<string, string>} */
    const against = { "": "", intact: "intact", sample: `sample:${(sample + 1) % samples.length}`, step: `step:${first}`, model: "model:1" };
    this.page.state.go({ against: against[kind] });
  }
}
