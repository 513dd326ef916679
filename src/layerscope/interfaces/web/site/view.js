/** What one looks at, as it stands in the address: `#/mixed4:42?label=cat`. */

/** @typedef {import("./types.d.ts").SiteView} SiteView */

/** @type {SiteView["sort"][]} */
const SORTS = ["number", "highest", "share"];

/**
 * Read an address; what it does not say is as at first.
 * @param {string} hash
 * @returns {SiteView}
 */
export function viewOf(hash) {
  const [place, words] = split(hash.replace(/^#\/?/, ""), "?");
  const [layer, unit] = split(place, ":");
  const options = new URLSearchParams(words);
  const sort = /** @type {SiteView["sort"]} */ (options.get("sort"));
  return {
    layer: decoded(layer),
    unit: /^\d+$/.test(unit) ? Number(unit) : null,
    query: options.get("q") || "",
    label: options.get("label") || "",
    never: options.get("never") === "1",
    sort: SORTS.includes(sort) ? sort : "number",
  };
}

/**
 * The address of a view.
 * @param {Partial<SiteView>} view
 */
export function hashOf({ layer = "", unit = null, query = "", label = "", never = false, sort = "number" }) {
  const options = new URLSearchParams();
  if (query) options.set("q", query);
  if (label) options.set("label", label);
  if (never) options.set("never", "1");
  if (sort !== "number") options.set("sort", sort);
  const words = options.toString();
  const place = layer ? encodeURIComponent(wellFormed(layer)) + (unit === null ? "" : `:${unit}`) : "";
  return `#/${place}${words ? `?${words}` : ""}`;
}

/**
 * A name that a URL can hold: half a letter becomes the sign for what is no letter.
 * @param {string} name
 */
export function wellFormed(name) {
  return name.replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd");
}

/**
 * @param {string} text
 * @param {string} at
 */
function split(text, at) {
  const place = text.indexOf(at);
  return place < 0 ? [text, ""] : [text.slice(0, place), text.slice(place + 1)];
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
