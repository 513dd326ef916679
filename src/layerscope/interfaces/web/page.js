/** What all parts of the page share. */

import { nearestTo } from "./numbers.js";

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
    /** How often the subject has changed since the page was opened. */
    this.generation = outline.generation || 0;
    /** @type {Set<import("./slot.js").Slot>} the places of panels that are there now */
    this.slots = new Set();
    this.layers = new Map(outline.layers.map((layer) => [layer.address, layer]));
  }

  /** The scalings that there are, and how they are called. */
  get scales() {
    return scalesOf(this.outline);
  }

  get ground() {
    return document.documentElement.dataset.ground === "dark" ? "dark" : "light";
  }

  /** What every query holds: which sample, at which step, compared with what. */
  get moment() {
    const { sample, against } = this.state.view, isLive = sample >= this.outline.recorded;
    const step = isLive ? null : this.step, silenced = isLive ? this.silenced : [];
    return {
      sample, step, against: against === "intact" && !silenced.length ? null : against || null,
      edition: this.outline.samples[sample]?.edition ?? null, without: silenced.join("\n") || null,
    };
  }

  /** The units that are switched off: the network is looked at without them. */
  get silenced() {
    return this.outline.can.silence ? this.state.view.without.split("\n").filter((address) => this.place(address).unit !== null) : [];
  }

  /**
   * Switch a unit off, or on again; the network is compared with itself as it is.
   * @param {string} address
   */
  switchUnit(address) {
    const off = this.silenced, isOff = off.includes(address);
    this.silence(isOff ? off.filter((one) => one !== address) : [...off, address]);
    this.announce(isOff ? `${address} is on again` : `${address} is switched off: what follows from that is shown beside the network as it is`);
  }

  /**
   * Switch these units off and all others on.
   * @param {string[]} units
   */
  silence(units) {
    const { against } = this.state.view;
    this.state.go({ without: units.join("\n"), against: units.length ? against || "intact" : against === "intact" ? "" : against });
  }

  /** The step of the training that is looked at, the last where none is named; null without any. */
  get step() {
    return this.state.view.step ?? this.outline.steps.at(-1) ?? null;
  }

  /**
   * Where a step is among those recorded; of one that was not recorded, where the nearest is.
   * @param {number | null} step
   */
  placeOf(step) {
    const { steps } = this.outline;
    const known = step === null ? steps.length - 1 : steps.indexOf(step);
    if (known >= 0 || step === null) return known;
    return nearestTo(steps, step);
  }

  /**
   * Look at a step by its place; at the nearest end where there is none.
   * @param {number} place
   */
  goToStep(place) {
    const { steps, moments } = this.outline;
    const at = Math.max(0, Math.min(steps.length - 1, place));
    if (!steps.length || steps[at] === this.step) return;
    this.state.go({ step: steps[at] });
    this.announce(moments[at]);
  }

  /**
   * Take in that the subject has changed: panels are asked for anew, and whoever stood at the last
   * step stands at the last one again.
   * @param {import("./types.d.ts").Changes} changes
   */
  grow({ generation, steps, epochs, moments, trained }) {
    const last = this.outline.steps.at(-1);
    if (steps) Object.assign(this.outline, { steps, epochs, moments });
    this.generation = generation;
    this.host.forget?.();
    this.dispatchEvent(new Event("grown"));
    const { step } = this.state.view;
    this.state.go(step !== null && step === last ? { step: this.outline.steps.at(-1) ?? null } : {});
    if (trained === undefined || trained === (this.outline.trained || 0)) return;
    this.outline.trained = trained;
    this.announce("The network has changed: it is shown as it is now.");
  }

  /**
   * Take in a sample that was given by hand, and look at it.
   * @param {import("./types.d.ts").OwnSample} given
   */
  take({ sample, name, edition, generation }) {
    const { samples } = this.outline, first = Math.min(sample, samples.length);
    for (let i = samples.length; i < sample; i++) samples[i] = { name: `sample ${i}` }; // given in another window
    samples[sample] = { name, edition };
    this.generation = generation;
    this.host.forget?.();
    for (let i = first; i <= sample; i++) this.dispatchEvent(new CustomEvent("sample", { detail: i }));
    this.state.go({ sample });
  }

  /** Everything that is being asked for has come, or failed. */
  async settled() {
    await Promise.all([...this.slots].map((slot) => slot.settled));
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
   * Where a picture of a panel comes from: what is written into its file.
   * @param {Record<string, any>} header
   * @param {import("./types.d.ts").Words} words that it was asked for with; what they leave out is as it is looked at
   * @returns {Promise<Record<string, string>>}
   */
  async provenance(header, words) {
    const { view } = this.state, { outline } = this, now = /** @type {import("./types.d.ts").Words} */ (this.moment);
    const moment = Object.fromEntries(Object.keys(now).map((name) => [name, name in words ? words[name] : now[name]]));
    const { sample, step } = moment;
    /** @type {Record<string, string>} */
    const fields = {
      Title: header.title, Software: `layerscope ${outline.version}`, "layerscope:address": header.address,
      "layerscope:scale": `${view.scale}, ${view.palette}`, "layerscope:network": outline.title,
      "layerscope:sample": `${sample}: ${outline.samples[Number(sample)]?.name || ""}`,
    };
    if (step !== null && step !== undefined) fields["layerscope:step"] = String(step);
    const digests = await this.host.provenance?.(moment).catch(() => ({}));
    for (const [name, text] of Object.entries(digests || {})) fields[`layerscope:${name}`] = text;
    return fields;
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
   * @param {import("./types.d.ts").PointedAt | null} where
   */
  point(where) {
    this.dispatchEvent(new CustomEvent("point", { detail: where }));
  }
}

/**
 * The scalings that there are for a network, and how they are called.
 * @param {import("./types.d.ts").Outline} outline
 * @returns {[string, string][]}
 */
export function scalesOf(outline) {
  const steps = /** @type {[string, string][]} */ (outline.steps.length ? [["steps", "each layer, over all steps"]] : []);
  return [...steps, ["layer", "each layer"], ["unit", "each map"], ["network", "network"], ["zscore", "z-score"]];
}
