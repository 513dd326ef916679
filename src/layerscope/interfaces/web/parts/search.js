/** Finding a layer or a unit by what it is called. */

import { h } from "../dom.js";
import { openDialog } from "./dialog.js";

const MOST = 60;

/**
 * Ask for a layer or a unit, and go there.
 * @param {import("../page.js").Page} page
 */
export function openSearch(page) {
  const list = h("ul", { role: "listbox", id: "layerscope-results", "aria-label": "Layers and units" });
  const input = h("input", { type: "search", class: "wide", placeholder: "a layer, or a unit such as conv2d:29", "aria-label": "Layer or unit",
    role: "combobox", "aria-expanded": "true", "aria-controls": "layerscope-results", "aria-autocomplete": "list" });
  const dialog = openDialog("Go to", input, list);
  let chosen = 0;
  /** @type {string[]} */
  let found = [];
  const mark = () => {
    [...list.children].forEach((item, i) => item.setAttribute("aria-selected", String(i === chosen)));
    const item = list.children[chosen];
    if (item) {
      input.setAttribute("aria-activedescendant", item.id);
      item.scrollIntoView({ block: "nearest" });
    }
  };
  const go = (/** @type {string} */ address) => {
    dialog.close();
    page.state.go({ address });
  };
  const show = () => {
    found = matches(page, input.value);
    chosen = 0;
    list.replaceChildren(...found.map((address, i) => {
      const layer = page.layers.get(page.place(address).layer);
      return h("li", { role: "option", id: `layerscope-result-${i}`, on: { click: () => go(address) } },
        h("b", {}, address), " ", h("span", { class: "about" }, layer ? `${layer.type} ${layer.shape.join(" × ")}` : ""));
    }));
    if (!found.length) list.append(h("li", { class: "state", role: "option", "aria-disabled": "true" }, "No layer is called so."));
    mark();
  };
  input.addEventListener("input", show);
  input.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      chosen = Math.max(0, Math.min(found.length - 1, chosen + (event.key === "ArrowDown" ? 1 : -1)));
      mark();
      event.preventDefault();
    } else if (event.key === "Enter" && found[chosen]) {
      event.preventDefault(); // the key is still down when the focus is back on the button before
      go(found[chosen]);
    }
    else if (event.key === "Escape") dialog.close(); // the field would only be emptied
  });
  show();
  input.focus();
}

/**
 * The layers whose names hold the words, best first; and the unit, where one is named.
 * @param {import("../page.js").Page} page
 * @param {string} text
 */
export function matches(page, text) {
  const wanted = text.trim().toLowerCase();
  const { layer, unit } = page.place(text.trim());
  const info = page.layers.get(layer);
  const exact = info && unit !== null && unit < info.units ? [text.trim()] : [];
  const here = page.place(page.state.view.address).layer;
  if (/^\d+$/.test(wanted)) {
    // A number alone: this unit of the layer that is looked at, then of others.
    const layers = [...page.layers.values()].filter((one) => Number(wanted) < one.units);
    layers.sort((a, b) => Number(b.address === here) - Number(a.address === here));
    const units = layers.map((one) => `${one.address}:${Number(wanted)}`);
    return [...units, ...[...page.layers.keys()].filter((address) => address.includes(wanted))].slice(0, MOST);
  }
  const named = /^(.*?):(\d*)$/.exec(wanted);
  const word = named ? named[1] : wanted;
  const found = [...page.layers.values()].filter((one) => `${one.address} ${one.type}`.toLowerCase().includes(word));
  const rank = (/** @type {any} */ one) => {
    const name = one.address.toLowerCase();
    return name === word ? 0 : name.startsWith(word) ? 1 : name.includes(word) ? 2 : 3;
  };
  const ordered = found.map((one, i) => ({ one, i })).sort((a, b) => rank(a.one) - rank(b.one) || a.i - b.i).map(({ one }) => one);
  const units = named && named[2] && !exact.length
    ? ordered.filter((one) => Number(named[2]) < one.units).map((one) => `${one.address}:${named[2]}`) : [];
  return [...new Set([...exact, ...units, ...ordered.map((one) => one.address)])].slice(0, MOST);
}
