/** What all parts of the page share. */

/** The page: its state, its host, what the outline told, and what is announced to people. */
export class Page extends EventTarget {
  /**
   * @param {{ host: import("./types.d.ts").Host, outline: import("./types.d.ts").Outline,
   *   state: import("./state.js").State, colours: import("./colours.js").Colours, root: HTMLElement }} given
   */
  constructor({ host, outline, state, colours, root }) {
    super();
    this.host = host;
    this.outline = outline;
    this.state = state;
    this.colours = colours;
    this.root = root;
    /** @type {number[] | null} the range of the whole network, once the passage told it */
    this.network = null;
    /** @type {string[][]} which layers share a box of the graph */
    this.boxes = [];
    this.layers = new Map(outline.layers.map((layer) => [layer.address, layer]));
  }

  get ground() {
    return document.documentElement.dataset.ground === "dark" ? "dark" : "light";
  }

  /** What every query holds: which sample, at which step. */
  get moment() {
    const { sample, step } = this.state.view;
    return { sample, step: sample < this.outline.recorded ? step : null };
  }

  /**
   * A layer and perhaps a unit of it. A layer whose own name has a colon wins.
   * @param {string} address
   * @returns {{ layer: string, unit: number | null }}
   */
  place(address) {
    if (this.layers.has(address) || address === "input") return { layer: address, unit: null };
    const found = /^(.*):(\d+)$/s.exec(address);
    return found ? { layer: found[1], unit: Number(found[2]) } : { layer: address, unit: null };
  }

  /**
   * Say something to people who can't see it, and in the status line.
   * @param {string} text
   */
  announce(text) {
    this.dispatchEvent(new CustomEvent("announce", { detail: text }));
  }

  /**
   * Tell where the pointer is: a part of a layer's map, or nowhere.
   * @param {{ layer: string, y: number, x: number, height: number, width: number } | null} where
   */
  point(where) {
    this.dispatchEvent(new CustomEvent("point", { detail: where }));
  }
}
