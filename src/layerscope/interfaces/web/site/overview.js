/** All layers with a strip of their units, or the units that are looked for. */

import { choice, h } from "../dom.js";
import { isSearch, layersOf, unitsOf } from "./search.js";
import { unitGrid } from "./units.js";
import { hashOf } from "./view.js";

/** @typedef {import("./types.d.ts").SiteView} SiteView */
/** @typedef {import("./data.js").Site} Site */

const STRIP = 12;

/**
 * @param {Site} site
 * @param {SiteView} view
 * @returns {{ el: HTMLElement, stop: () => void }}
 */
export function overview(site, view) {
  const layers = layersOf(site, view);
  const page = h("div", { class: "page", tabindex: -1 });
  const onlyLayers = !view.label && !view.never && layers.length && !/\d$|silent|never/.test(view.query)
    && unitsOf(site, view).length === layers.reduce((n, layer) => n + layer.units, 0);
  if (!isSearch(view) || onlyLayers) {
    page.append(...notes(site), ...layers.map((layer) => layerCard(site, layer)));
    return { el: page, stop: watch(page, site) };
  }
  return unitsPage(site, view, page);
}

/**
 * The units of a layer.
 * @param {Site} site
 * @param {SiteView} view
 * @param {(change: Partial<SiteView>) => void} change
 */
export function layerPage(site, view, change) {
  const layer = /** @type {import("./types.d.ts").Layer} */ (site.layer(view.layer));
  const page = h("div", { class: "page" });
  /** @type {[string, string][]} */
  const orders = [["number", "by number"], ["highest", "by highest value"]];
  if (site.data.labels.length) orders.push(["share", "by how much they prefer a label"]);
  page.append(h("header", { class: "crumbs" }, h("h2", {}, layer.address), h("span", { class: "about" }, aboutLayer(layer)),
    h("span", { class: "room" }),
    choice("Order", orders, view.sort, (sort) => change({ sort: /** @type {SiteView["sort"]} */ (sort) }))));
  return unitsPage(site, view, page);
}

/**
 * @param {Site} site
 * @param {SiteView} view
 * @param {HTMLElement} page
 */
function unitsPage(site, view, page) {
  const places = unitsOf(site, view);
  const several = !view.layer;
  page.append(h("p", { class: "counted", role: "status" }, `${counted(places.length)} ${places.length === 1 ? "unit" : "units"}`));
  if (!places.length) {
    page.append(h("p", { class: "state" }, "No unit is like that. One looks for words of a layer's name, a unit's number, a label, or silent."));
    return { el: page, stop: () => {} };
  }
  const kept = { query: view.query, label: view.label, never: view.never, sort: view.sort };
  const grid = unitGrid(site, places, page, several, several ? {} : kept);
  page.append(grid.el);
  return { el: page, stop: grid.stop };
}

/** @param {Site} site */
function notes(site) {
  const { notes: said, unreadable } = site.data;
  const lines = unreadable ? [...said, `${counted(unreadable)} samples could not be read.`] : said;
  return lines.map((line) => h("p", { class: "note" }, line));
}

/**
 * @param {Site} site
 * @param {import("./types.d.ts").Layer} layer
 */
function layerCard(site, layer) {
  const strip = h("div", { class: "strip" });
  strip.dataset.layer = String(layer.number);
  return h("section", { class: "panel layer-card", "aria-label": layer.address },
    h("header", {}, h("h2", {}, h("a", { href: hashOf({ layer: layer.address }) }, layer.address)),
      h("span", { class: "about" }, aboutLayer(layer))),
    layer.grid ? strip : null);
}

/** @param {import("./types.d.ts").Layer} layer */
function aboutLayer(layer) {
  const silent = layer.neverFired.reduce((n, one) => n + one, 0);
  return [layer.type, `${counted(layer.units)} ${layer.units === 1 ? "unit" : "units"}`, layer.map.length ? `map ${layer.map.join("×")}` : "",
    silent ? `${counted(silent)} never fired` : ""].filter(Boolean).join(" · ");
}

/**
 * Fill strips as they come into sight: a network may have hundreds of layers.
 * @param {HTMLElement} page
 * @param {Site} site
 */
function watch(page, site) {
  const seen = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      seen.unobserve(target);
      fill(/** @type {HTMLElement} */ (target), site);
    }
  }, { root: page, rootMargin: "300px" });
  for (const strip of page.querySelectorAll(".strip")) seen.observe(strip);
  return () => seen.disconnect();
}

/**
 * Units that fired, of the first that are in one picture.
 * @param {HTMLElement} strip
 * @param {Site} site
 */
function fill(strip, site) {
  const layer = site.layers[Number(strip.dataset.layer)];
  const units = Array.from({ length: Math.min(layer.units, site.data.perGrid) }, (_, unit) => unit);
  const fired = units.filter((unit) => !layer.neverFired[unit]).slice(0, STRIP);
  for (const unit of fired) {
    const picture = h("span", { class: "cell" });
    const place = { layer: layer.number, unit };
    site.paintCell(picture, place);
    strip.append(h("a", { href: hashOf({ layer: layer.address, unit }), "aria-label": site.address(place), title: site.address(place) }, picture));
  }
}

/** @param {number} n */
function counted(n) {
  return n.toLocaleString("en");
}
