/** Fields for the numbers that a network takes, each with a slider where its range is known. */

import { h, shortNumber } from "../dom.js";

const SLIDERS = 32; // with more numbers than this there is no room for sliders

/** One field for each number. */
export class NumberFields {
  /**
   * @param {import("../types.d.ts").InputForm} form
   * @param {() => void} changed
   */
  constructor(form, changed) {
    this.form = form;
    this.changed = changed;
    this.typed = 0; // how often a person has changed one of them
    const count = form.shape[0];
    this.fields = Array.from({ length: count }, (_, i) => this._field(i));
    this.el = h("div", { class: `numbers${count > SLIDERS ? " many" : ""}` }, ...this.fields.map((field) => field.el));
  }

  /** The numbers as they are; null where one of them is none.
   * @returns {number[] | null} */
  get values() {
    const values = this.fields.map((field) => field.input.valueAsNumber);
    return values.every(Number.isFinite) ? values : null;
  }

  /** @param {number[]} values */
  set(values) {
    this.fields.forEach((field, i) => field.set(values[i]));
  }

  /** @param {number} i */
  _field(i) {
    const { names, lows, highs, whole } = this.form;
    const name = names.length ? names[i] : `value ${i}`;
    const input = h("input", { type: "number", step: whole ? 1 : "any", value: 0, "aria-label": name, on: { input: () => typed() } });
    const low = lows[i], high = highs[i];
    const slider = low < high && this.form.shape[0] <= SLIDERS
      ? h("input", { type: "range", min: low, max: high, step: whole ? 1 : "any", "aria-label": `${name}, between ${shortNumber(low)} and ${shortNumber(high)}`, on: { input: () => slid() } })
      : null;
    const typed = () => {
      this.typed++;
      const valid = Number.isFinite(input.valueAsNumber);
      input.setAttribute("aria-invalid", String(!valid));
      if (!valid) return;
      if (slider) slider.value = input.value;
      this.changed();
    };
    const slid = () => {
      input.value = String(Number(Number(slider.value).toPrecision(4)));
      typed();
    };
    const set = (/** @type {number} */ value) => {
      const finite = Number.isFinite(value);
      input.value = finite ? String(Number(value.toPrecision(6))) : "";
      input.setAttribute("aria-invalid", String(!finite));
      if (slider) slider.value = input.value;
    };
    return { input, set, el: h("label", {}, h("span", { class: "name", title: name }, name), input, slider) };
  }
}
