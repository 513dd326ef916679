/** Which units are looked for: by layer, by number, by the label they prefer, by silence. */

/** @typedef {import("./types.d.ts").UnitPlace} UnitPlace */
/** @typedef {import("./types.d.ts").SiteView} SiteView */

/**
 * Whether anything is looked for.
 * @param {SiteView} view
 */
export function isSearch({ query, label, never }) {
  return Boolean(query.trim() || label || never);
}

/**
 * The layers whose units are looked for, by the words that are no number and no label.
 * @param {import("./data.js").Site} site
 * @param {SiteView} view
 */
export function layersOf(site, view) {
  const { names } = wordsOf(site, view.query);
  return site.layers.filter((layer) => (!view.layer || layer === site.layer(view.layer))
    && names.every((name) => layer.address.toLowerCase().includes(name)));
}

/**
 * The units that are looked for, in the order asked for; each word has to fit.
 * @param {import("./data.js").Site} site
 * @param {SiteView} view
 * @returns {UnitPlace[]}
 */
export function unitsOf(site, view) {
  const { numbers, labels, silent } = wordsOf(site, view.query);
  const wanted = new Set([...labels, ...(view.label ? [site.data.labels.indexOf(view.label)] : [])]);
  /** @type {UnitPlace[]} */
  const places = [];
  for (const layer of layersOf(site, view)) {
    for (let unit = 0; unit < layer.units; unit++) {
      if (numbers.length && !numbers.includes(unit)) continue;
      if ((view.never || silent) && !layer.neverFired[unit]) continue;
      if (wanted.size && !wanted.has(layer.prefers[unit])) continue;
      places.push({ layer: layer.number, unit });
    }
  }
  if (view.sort === "highest") sortBy(places, ({ layer, unit }) => site.layers[layer].highest[unit]);
  else if (view.sort === "share") sortBy(places, ({ layer, unit }) => site.layers[layer].shares[unit]);
  return places;
}

/**
 * @param {UnitPlace[]} places
 * @param {(place: UnitPlace) => number} value
 */
function sortBy(places, value) {
  const known = (/** @type {UnitPlace} */ place) => { const v = value(place); return Number.isNaN(v) ? -Infinity : v; };
  places.sort((a, b) => known(b) - known(a) || 0);
}

/**
 * @param {import("./data.js").Site} site
 * @param {string} query
 */
function wordsOf(site, query) {
  const names = [], numbers = [], labels = [];
  let silent = false;
  for (const word of query.trim().toLowerCase().split(/\s+/).filter(Boolean)) {
    const [, before, number] = /^(.*?):?(\d+)$/.exec(word) || [];
    const label = site.data.labels.findIndex((name) => name.toLowerCase() === word);
    if (/^\d+$/.test(word)) numbers.push(Number(word));
    else if (label >= 0) labels.push(label);
    else if (word === "silent" || word === "never") silent = true;
    else if (word.includes(":") && number !== undefined) {
      names.push(before);
      numbers.push(Number(number));
    } else names.push(word);
  }
  return { names, numbers, labels, silent };
}
