/** Where one is and how one looks, kept in the address of the page. */

/** @type {import("./types.d.ts").View} */
const START = {
  address: "", sample: 0, step: null, scale: "layer", palette: "viridis", order: "index",
  silent: "show", open: "", zoom: 0, against: "", as: "", without: "",
};

const PAUSE = 200; // milliseconds between two addresses that replace each other

/** @type {Record<string, string[]>} of what is chosen by a word, the words that there are */
const WORDS = { order: ["index", "strength", "difference"], silent: ["show", "dim", "hide"], as: ["", "strips", "mean", "rollout"] };

/**
 * Read a view from the part of a URL after "#". What nobody can choose is left out.
 * @param {string} hash
 * @param {import("./types.d.ts").View} [usual]
 * @param {Record<string, string[]>} [known] further words that there are
 * @returns {import("./types.d.ts").View}
 */
function viewOf(hash, usual = START, known = {}) {
  const [path, query] = hash.replace(/^#\/?/, "").split("?");
  const words = new URLSearchParams(query || "");
  /** @type {any} */
  const view = { ...usual, address: decoded(path || "") };
  for (const name of ["scale", "palette", "order", "silent", "open", "against", "as", "without"]) {
    const word = words.get(name);
    const choices = known[name] || WORDS[name];
    if (word !== null && (!choices || choices.includes(word))) view[name] = word;
  }
  for (const name of ["sample", "step", "zoom"]) {
    const word = words.get(name);
    if (word !== null && /^\d+$/.test(word)) view[name] = Number(word);
  }
  return view;
}

/**
 * What a part of a URL stands for; itself where somebody wrote it that does not know how.
 * @param {string} text
 */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * Write a view as it stands in a URL; what is as usual is left out.
 * @param {import("./types.d.ts").View} view
 * @param {import("./types.d.ts").View} [usual]
 */
export function hashOf(view, usual = START) {
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries(view)) {
    if (name !== "address" && value !== /** @type {any} */ (usual)[name] && value !== null && value !== "") words.set(name, String(value));
  }
  const query = words.toString();
  return `#/${encodeURIComponent(view.address.replace(/\p{Cs}/gu, "\ufffd")).replaceAll("%2F", "/").replaceAll("%3A", ":")}${query ? `?${query}` : ""}`;
}

/** The view as it is now; it tells when it changes. */
export class State extends EventTarget {
  /**
   * @param {Partial<import("./types.d.ts").View>} [usual] what is as usual on this page, where the URL says nothing
   * @param {Record<string, string[]>} [known] the words of this page that may stand in a URL
   */
  constructor(usual = {}, known = {}) {
    super();
    this.known = known;
    this.usual = { ...START, ...usual };
    this.view = viewOf(location.hash, this.usual, this.known);
    this._written = 0;
    this._later = 0;
    window.addEventListener("hashchange", () => {
      if (hashOf(this.view, this.usual) === location.hash) return;
      window.clearTimeout(this._later);
      this._later = 0;
      this._become(viewOf(location.hash, this.usual, this.known));
    });
  }

  /**
   * Change some of the view. A new place can be left by going back; other changes replace it.
   * @param {Partial<import("./types.d.ts").View>} changes
   */
  go(changes) {
    const view = { ...this.view, ...changes };
    const moves = view.address !== this.view.address;
    if (moves) {
      this._write();
      keepIn("pushState", hashOf(view, this.usual));
    }
    this._become(view);
    if (!moves) this._writeSoon();
  }

  /** Browsers refuse addresses that change with every frame: the last of many is written. */
  _writeSoon() {
    if (this._later) return;
    const wait = Math.max(0, this._written + PAUSE - performance.now());
    if (wait) this._later = window.setTimeout(() => this._write(), wait);
    else this._write();
  }

  _write() {
    window.clearTimeout(this._later);
    this._later = 0;
    this._written = performance.now();
    const hash = hashOf(this.view, this.usual);
    if (hash !== location.hash) keepIn("replaceState", hash);
  }

  /** @param {import("./types.d.ts").View} view */
  _become(view) {
    const before = this.view;
    this.view = view;
    this.dispatchEvent(new CustomEvent("change", { detail: { before, view } }));
  }
}

/**
 * @param {"pushState" | "replaceState"} how
 * @param {string} hash
 */
function keepIn(how, hash) {
  try {
    history[how](null, "", hash);
  } catch {
    // A document without an address of its own, as in a notebook's cell: nothing to keep it in.
  }
}
