/** The kind `table`: rows of text under headings. */

import { h } from "../dom.js";

/** @param {{ model: import("../slot.js").PanelModel, el: HTMLElement }} given */
export function render({ model, el }) {
  const draw = () => {
    const { columns, rows } = model.panel.header;
    const side = (/** @type {number} */ i) => ({ class: columns[i].right ? "right" : null });
    el.replaceChildren(h("table", { class: "table" },
      h("thead", {}, h("tr", {}, ...columns.map((/** @type {any} */ column, /** @type {number} */ i) => h("th", { scope: "col", ...side(i) }, column.label)))),
      h("tbody", {}, ...rows.map((/** @type {string[]} */ row) => h("tr", {}, ...row.map((cell, i) => h("td", side(i), cell)))))));
  };
  draw();
  model.addEventListener("change", draw);
  return { stop: () => model.removeEventListener("change", draw) };
}
