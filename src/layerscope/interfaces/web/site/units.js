/** A grid of units with their strongest examples; only those in sight are in the document. */

import { beforeNextFrame, h, shortNumber } from "../dom.js";
import { hashOf } from "./view.js";

/** @typedef {import("./types.d.ts").UnitPlace} UnitPlace */

const WIDTH = 92, HEIGHT = 122, WORDS = 46, BEYOND = 3;

/**
 * @param {import("./data.js").Site} site
 * @param {UnitPlace[]} places
 * @param {HTMLElement} scroller what scrolls
 * @param {boolean} named whether each says which layer it is of
 * @param {Partial<import("./types.d.ts").SiteView>} kept what stays in the address
 */
export function unitGrid(site, places, scroller, named, kept) {
  const list = h("ul", { class: "units", "aria-label": "units" });
  /** @type {Map<number, HTMLElement>} */
  const shown = new Map();
  const height = (/** @type {number} */ i) => site.layers[places[i].layer].grid ? HEIGHT : WORDS;
  const rowHeight = Math.max(0, ...new Set(places.map((_, i) => height(i)))) + (named ? 16 : 0);
  let columns = 1;

  const draw = beforeNextFrame(() => {
    if (!list.isConnected) return;
    columns = Math.max(1, Math.floor(list.clientWidth / WIDTH));
    const rows = Math.ceil(places.length / columns);
    list.style.height = `${rows * rowHeight}px`;
    const top = scroller.getBoundingClientRect().top - list.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(top / rowHeight) - BEYOND) * columns;
    const last = Math.min(places.length, (Math.ceil((top + scroller.clientHeight) / rowHeight) + BEYOND) * columns);
    for (const [i, item] of shown) {
      if ((i < first || i >= last) && !item.contains(document.activeElement)) {
        item.remove();
        shown.delete(i);
      }
    }
    for (let i = first; i < last; i++) {
      const item = shown.get(i) || put(i);
      item.style.transform = `translate(${(i % columns) * WIDTH}px, ${Math.floor(i / columns) * rowHeight}px)`;
    }
  });

  /**
   * Put a unit into the document, in the order of units, which is that of the tab key.
   * @param {number} i
   */
  function put(i) {
    const item = card(i);
    const next = [...list.children].find((other) => Number(other.dataset.at) > i);
    list.insertBefore(item, next || null);
    shown.set(i, item);
    return item;
  }

  /** @param {number} i */
  function card(i) {
    const place = places[i], layer = site.layers[place.layer];
    const label = site.preferred(place), silent = layer.neverFired[place.unit];
    const words = silent ? "never fired" : `${shortNumber(layer.highest[place.unit])}${label ? ` ${label}` : ""}`;
    const picture = h("span", { class: "cell", "aria-hidden": "true" });
    if (layer.grid && !silent) site.paintCell(picture, place);
    const link = h("a", { href: hashOf({ ...kept, layer: layer.address, unit: place.unit }), class: `unit-card${silent ? " silent" : ""}` },
      layer.grid ? picture : null,
      named ? h("span", { class: "layer-name", title: layer.address }, layer.address) : null,
      h("span", { class: "unit-name" }, named ? null : h("span", { class: "unseen" }, `${layer.address}:`), String(place.unit)),
      h("span", { class: "about", title: words }, words));
    link.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => moved(event, i));
    const item = h("li", { "aria-setsize": places.length, "aria-posinset": i + 1 }, link);
    item.dataset.at = String(i);
    return item;
  }

  /**
   * @param {KeyboardEvent} event
   * @param {number} i
   */
  function moved(event, i) {
    const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, Home: -i, End: places.length - 1 - i }[event.key];
    if (by === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const next = i + by;
    if (next < 0 || next >= places.length) return;
    const y = list.getBoundingClientRect().top - scroller.getBoundingClientRect().top + Math.floor(next / columns) * rowHeight;
    if (y < 0 || y + rowHeight > scroller.clientHeight) scroller.scrollBy(0, y < 0 ? y : y + rowHeight - scroller.clientHeight);
    const link = /** @type {HTMLElement} */ ((shown.get(next) || put(next)).firstElementChild);
    link.focus({ preventScroll: true });
    draw();
  }

  scroller.addEventListener("scroll", draw);
  const sized = new ResizeObserver(draw);
  sized.observe(list);
  draw();
  return { el: list, stop: () => { scroller.removeEventListener("scroll", draw); sized.disconnect(); draw.cancel(); } };
}
