/** Where one is and how one looks, kept in the address of the page. */

/** @type {import("./types.d.ts").View} */
const START = {
  address: "", sample: 0, step: null, scale: "layer", palette: "viridis", order: "index",
  silent: "show", open: "", zoom: 0, against: "",
};

/**
 * Read a view from the part of a URL after "#".
 * @param {string} hash
 * @returns {import("./types.d.ts").View}
 */
export function viewOf(hash) {
  const [path, query] = hash.replace(/^#\/?/, "").split("?");
  const words = new URLSearchParams(query || "");
  /** @type {any} */
  const view = { ...START, address: decodeURIComponent(path || "") };
  for (const name of ["scale", "palette", "order", "silent", "open", "against"]) {
    const word = words.get(name);
    if (word !== null) view[name] = word;
  }
  for (const name of ["sample", "step", "zoom"]) {
    const word = words.get(name);
    if (word !== null && /^\d+$/.test(word)) view[name] = Number(word);
  }
  return view;
}

/**
 * Write a view as it stands in a URL; what is as usual is left out.
 * @param {import("./types.d.ts").View} view
 */
export function hashOf(view) {
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries(view)) {
    const usual = /** @type {any} */ (START)[name];
    if (name !== "address" && value !== usual && value !== null && value !== "") words.set(name, String(value));
  }
  const query = words.toString();
  return `#/${encodeURIComponent(view.address).replaceAll("%2F", "/").replaceAll("%3A", ":")}${query ? `?${query}` : ""}`;
}

/** The view as it is now; it tells when it changes. */
export class State extends EventTarget {
  constructor() {
    super();
    this.view = viewOf(location.hash);
    window.addEventListener("hashchange", () => {
      if (hashOf(this.view) === location.hash) return;
      this._become(viewOf(location.hash));
    });
  }

  /**
   * Change some of the view. A new place can be left by going back; other changes replace it.
   * @param {Partial<import("./types.d.ts").View>} changes
   */
  go(changes) {
    const view = { ...this.view, ...changes };
    const moves = view.address !== this.view.address;
    try {
      history[moves ? "pushState" : "replaceState"](null, "", hashOf(view));
    } catch {
      // A document without an address of its own, as in a notebook's cell: nothing to keep it in.
    }
    this._become(view);
  }

  /** @param {import("./types.d.ts").View} view */
  _become(view) {
    const before = this.view;
    this.view = view;
    this.dispatchEvent(new CustomEvent("change", { detail: { before, view } }));
  }
}
