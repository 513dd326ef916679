/** The site as a whole: the bar above, and one of its pages below; what is shown stands in the address. */

import { h } from "../dom.js";
import { setGround, storedGround } from "../ground.js";
import { Site } from "./data.js";
import { layerPage, overview } from "./overview.js";
import { neighbour, unitPage } from "./unit.js";
import { hashOf, viewOf } from "./view.js";

/** @typedef {import("./types.d.ts").SiteView} SiteView */

/**
 * @param {HTMLElement} root
 * @param {import("./types.d.ts").SiteData} data
 */
export function startSite(root, data) {
  setGround(storedGround());
  const site = new Site(data);
  /** @type {() => void} */
  let stop = () => {};
  let view = viewOf(location.hash);

  const main = h("main", { class: "site-main" });
  const query = h("input", { type: "search", class: "query", placeholder: "layer, unit, label, silent", "aria-label": "Search units",
    on: { input: () => change({ query: query.value, unit: null }, true) } });
  const label = h("select", { "aria-label": "Prefers label", on: { change: () => change({ label: label.value, unit: null, sort: label.value ? "share" : "number" }) } },
    h("option", { value: "" }, "any label"), ...data.labels.map((name) => h("option", { value: name }, `prefers ${name}`)));
  const never = h("input", { type: "checkbox", on: { change: () => change({ never: never.checked, unit: null }) } });
  const title = h("h1", { class: "name" }, h("a", { href: "#/" }, data.title));
  const bar = h("header", { class: "top site-top" }, title,
    h("span", { class: "about" }, `what ${counted(sum(site.layers.map((layer) => layer.units)))} units answer to in ${counted(data.samples)} samples`),
    h("span", { class: "room" }), query, data.labels.length > 1 ? label : null,
    site.layers.some((layer) => layer.neverFired.includes(1)) ? h("label", { class: "named" }, never, "never fired") : null,
    h("button", { class: "plain", "aria-label": "Dark or light", on: { click: turn } }, "◐"));
  root.replaceChildren(h("div", { class: "site" }, bar, main));

  /**
   * Go to another view; while one writes, the address is replaced.
   * @param {Partial<SiteView>} changed
   * @param {boolean} [writing]
   */
  function change(changed, writing = false) {
    // At once: another key may be pressed before the browser says that the address has changed.
    const hash = hashOf({ ...view, ...changed });
    if (writing) history.replaceState(null, "", hash);
    else history.pushState(null, "", hash);
    show();
  }

  function show() {
    const before = view;
    view = viewOf(location.hash);
    if (query.value !== view.query) query.value = view.query;
    label.value = view.label;
    never.checked = view.never;
    const layer = view.layer ? site.layer(view.layer) : undefined;
    const kept = { query: view.query, label: view.label, never: view.never, sort: view.sort };
    stop();
    stop = () => {};
    if (view.layer && !layer) {
      main.replaceChildren(alert(`There is no layer ${view.layer}.`));
    } else if (layer && view.unit !== null) {
      const there = view.unit < layer.units;
      main.replaceChildren(there ? unitPage(site, { layer: layer.number, unit: view.unit }, kept)
        : alert(`${layer.address} has ${counted(layer.units)} units, numbered from 0.`));
    } else {
      const page = layer ? layerPage(site, view, change) : overview(site, view);
      stop = page.stop;
      main.replaceChildren(page.el);
    }
    document.title = [layer ? layer.address + (view.unit === null ? "" : `:${view.unit}`) : "", data.title].filter(Boolean).join(" · ");
    if (before.unit !== null && view.unit === null && layer) returnTo(before.unit);
    performance.mark("layerscope.ready");
  }

  /** @param {number} unit */
  function returnTo(unit) {
    requestAnimationFrame(() => requestAnimationFrame(() => {
      /** @type {HTMLElement | null} */ (main.querySelector(`a[href^="${CSS.escape(hashOf({ layer: view.layer, unit }))}"]`))?.focus();
    }));
  }

  function turn() {
    const ground = document.documentElement.dataset.ground === "dark" ? "light" : "dark";
    setGround(ground);
    try {
      localStorage.setItem("layerscope-ground", ground);
    } catch {
      // A page that may keep nothing.
    }
  }

  window.addEventListener("hashchange", show);
  window.addEventListener("keydown", (event) => {
    const inField = event.target instanceof Element && event.target.matches("input, select, textarea");
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (inField) {
      if (event.key === "Escape") /** @type {HTMLElement} */ (event.target).blur();
      return;
    }
    if (event.key === "/") {
      event.preventDefault();
      query.focus();
    }
    const layer = view.layer ? site.layer(view.layer) : undefined;
    if (!layer || view.unit === null) return;
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const next = by && neighbour(site, { layer: layer.number, unit: view.unit }, by);
    if (next) change(next);
    if (event.key === "Escape") change({ unit: null });
  });
  show();
}

/** @param {string} words */
function alert(words) {
  return h("div", { class: "page" }, h("p", { class: "state error", role: "alert" }, words), h("a", { href: "#/" }, "all layers"));
}

/** @param {number} n */
function counted(n) {
  return n.toLocaleString("en");
}

/** @param {number[]} numbers */
function sum(numbers) {
  return numbers.reduce((a, b) => a + b, 0);
}
