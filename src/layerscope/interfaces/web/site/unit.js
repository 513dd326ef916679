/** The page of a unit: its examples, its histogram, what is known of it. */

import { h, s, shortNumber } from "../dom.js";
import { copyCode } from "../saving.js";
import { hashOf } from "./view.js";

/** @typedef {import("./types.d.ts").UnitPlace} UnitPlace */
/** @typedef {import("./types.d.ts").UnitFacts} UnitFacts */
/** @typedef {import("./data.js").Site} Site */

const KINDS = [
  { key: "top", title: "Strongest", about: "the samples on which it fires most" },
  { key: "drawn", title: "Over its quantiles", about: "of samples drawn from all, from the highest to the lowest" },
  { key: "weak", title: "Weakest", about: "the samples on which it fires least" },
];
const WIDE = 360, HIGH = 120, LABELS = 30;

/**
 * @param {Site} site
 * @param {UnitPlace} place
 * @param {Partial<import("./types.d.ts").SiteView>} kept
 */
export function unitPage(site, place, kept) {
  const layer = site.layers[place.layer], address = site.address(place);
  const body = h("div", { class: "panels unit-panels", "aria-busy": "true" });
  const el = h("article", { class: "page", "aria-label": address }, crumbs(site, place, kept), body);
  site.facts(place).then((facts) => body.replaceChildren(...panels(site, place, facts)), (error) => {
    body.replaceChildren(h("p", { class: "state error", role: "alert" }, error.message));
  }).finally(() => body.removeAttribute("aria-busy"));
  if (layer.neverFired[place.unit]) {
    const n = site.data.samples;
    el.insertBefore(h("p", { class: "never" }, `Never fired in ${counted(n)} samples: it fires on fewer than `
      + `${n > 3 ? percent(3 / n) : "an unknown share"} of such data (95 %).`), body);
  }
  return el;
}

/**
 * The view of the unit before, or after: null where there is none.
 * @param {Site} site
 * @param {UnitPlace} place
 * @param {number} by
 */
export function neighbour(site, { layer, unit }, by) {
  const next = unit + by;
  return next < 0 || next >= site.layers[layer].units ? null : { layer: site.layers[layer].address, unit: next };
}

/**
 * @param {Site} site
 * @param {UnitPlace} place
 * @param {Partial<import("./types.d.ts").SiteView>} kept
 */
function crumbs(site, place, kept) {
  const layer = site.layers[place.layer];
  const link = (/** @type {number} */ by, /** @type {string} */ words, /** @type {string} */ label) => {
    const to = neighbour(site, place, by);
    return to ? h("a", { href: hashOf({ ...kept, ...to }), "aria-label": label }, words) : h("span", { class: "faint" }, words);
  };
  return h("header", { class: "crumbs" }, h("h2", {}, site.address(place)),
    h("a", { href: hashOf({ ...kept, layer: layer.address }) }, `all of ${layer.address}`),
    h("span", { class: "about" }, `${layer.type}, unit ${place.unit} of ${counted(layer.units)}`),
    h("span", { class: "room" }), link(-1, "← before", "unit before"), link(1, "after →", "unit after"));
}

/**
 * @param {Site} site
 * @param {UnitPlace} place
 * @param {UnitFacts} facts
 */
function panels(site, place, facts) {
  const line = `ls.examples(s, ${python(site.address(place))})`;
  const silent = site.layers[place.layer].neverFired[place.unit];
  return [
    ...KINDS.filter(() => !silent).map(({ key, title, about }, kind) => panel(title, about, examples(site, place, facts, key, kind))),
    panel("Histogram", `of ${counted(facts.histogram.zeros + sum(facts.histogram.counts))} values`, histogram(facts)),
    panel("Figures", "", figures(site, place, facts)),
    facts.labels.length ? panel("Mean by label", "", labels(site, facts)) : null,
    panel("In Python", "", h("div", { class: "row" }, h("code", {}, line),
      h("button", { class: "plain", on: { click: () => copyCode(line) } }, "copy"))),
  ].filter(Boolean);
}

/**
 * @param {string} title
 * @param {string} about
 * @param {Node} content
 */
function panel(title, about, content) {
  return h("section", { class: "panel", "aria-label": title }, h("header", {}, h("h3", {}, title)),
    about ? h("p", { class: "note" }, about) : null, content);
}

/**
 * @param {Site} site
 * @param {UnitPlace} place
 * @param {UnitFacts} facts
 * @param {string} key
 * @param {number} kind
 */
function examples(site, place, facts, key, kind) {
  /** @type {import("./types.d.ts").SiteExample[]} */
  const list = /** @type {any} */ (facts)[key];
  const grid = h("div", { class: site.layers[place.layer].ending ? "examples" : "examples named" });
  list.forEach(([value, name, label, where], rank) => {
    const words = `${name}${label ? `, ${label}` : ""}: ${shortNumber(value)}${where ? `, at ${where}` : ""}`;
    const picture = h("div", { class: "cell", role: "img", "aria-label": words, title: words });
    if (site.layers[place.layer].ending) site.paintExample(picture, place, kind, rank);
    grid.append(h("figure", {}, site.layers[place.layer].ending ? picture : null,
      h("figcaption", {}, h("span", { class: "number" }, shortNumber(value)), ` ${label || name}`)));
  });
  return list.length ? grid : h("p", { class: "state" }, "No sample.");
}

/** @param {UnitFacts} facts */
function histogram({ histogram: { low, high, zeros, counts } }) {
  if (low === null || high === null || high <= low) {
    return h("p", { class: "state" }, low === null ? "No finite value." : `Always ${shortNumber(low)}.`);
  }
  const most = Math.max(...counts, 1), width = WIDE / counts.length;
  const said = `${counted(zeros)} are exactly 0; the others from ${shortNumber(low)} to ${shortNumber(high)}`;
  const picture = s("svg", { class: "chart", viewBox: `0 0 ${WIDE} ${HIGH + 18}`, role: "img", "aria-label": `Histogram: ${said}` });
  counts.forEach((count, i) => {
    const tall = HIGH * count / most;
    if (count) picture.append(s("rect", { class: "bar", x: i * width, y: HIGH - tall, width: Math.max(width - 1, 0.5), height: tall }));
  });
  picture.append(s("line", { class: "axis", x1: 0, x2: WIDE, y1: HIGH, y2: HIGH }),
    s("text", { x: 0, y: HIGH + 14 }, shortNumber(low)), s("text", { x: WIDE, y: HIGH + 14, "text-anchor": "end" }, shortNumber(high)));
  return h("div", {}, picture, h("p", { class: "note" }, said));
}

/**
 * @param {Site} site
 * @param {UnitPlace} place
 * @param {UnitFacts} facts
 */
function figures(site, place, { figures: known, quantiles }) {
  const rows = [
    ["mean", shortNumber(known.mean)], ["standard deviation", shortNumber(known.std)],
    ["lowest", shortNumber(known.min)], ["highest", shortNumber(known.max)],
    ...quantiles.map(([q, value]) => [q === 0.5 ? "median" : `${Number((100 * q).toPrecision(3))} % quantile`, shortNumber(value)]),
    ["values that are 0", percent(known.zeros)],
    ...(site.layers[place.layer].silence ? [["samples on which it is silent", percent(known.silent)]] : []),
    ...(known.nonfinite ? [["values that are not finite", counted(known.nonfinite)]] : []),
  ];
  return h("table", { class: "table" }, h("tbody", {}, ...rows.map(([name, value]) =>
    h("tr", {}, h("th", { scope: "row" }, name), h("td", { class: "numeric" }, value)))));
}

/**
 * @param {Site} site
 * @param {UnitFacts} facts
 */
function labels(site, { labels: means }) {
  const known = means.map((mean, i) => ({ mean, name: site.data.labels[i] })).filter(({ mean }) => mean !== null);
  const order = [...known].sort((a, b) => Number(b.mean) - Number(a.mean));
  const rows = known.length > LABELS ? order.slice(0, LABELS) : known;
  const most = Math.max(...known.map(({ mean }) => Math.abs(Number(mean))), 1e-30);
  const best = order[0]?.name;
  const table = h("table", { class: "table by-label" }, h("tbody", {}, ...rows.map(({ mean, name }) => h("tr", {},
    h("th", { scope: "row" }, h("a", { href: hashOf({ label: name, sort: "share" }) }, name)),
    h("td", { class: "bar" }, s("svg", { viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" },
      s("rect", { class: name === best ? "best" : Number(mean) < 0 ? "less" : "more", x: 0, y: 0, width: 100 * Math.abs(Number(mean)) / most, height: 8 }))),
    h("td", { class: "numeric" }, shortNumber(mean))))));
  const left = known.length - rows.length;
  return left > 0 ? h("div", {}, table, h("p", { class: "note" }, `The ${LABELS} highest; ${counted(left)} more.`)) : table;
}

/** @param {number | null} share */
function percent(share) {
  if (share === null) return "NaN";
  return `${shortNumber(100 * share)} %`;
}

/** @param {number} n */
function counted(n) {
  return n.toLocaleString("en");
}

/** @param {number[]} numbers */
function sum(numbers) {
  return numbers.reduce((a, b) => a + b, 0);
}

/**
 * A text as Python writes it.
 * @param {string} text
 */
function python(text) {
  return JSON.stringify(text);
}
