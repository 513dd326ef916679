/** One file: panels are unpacked from its blocks when they are first shown. See page/bundle.py. */

import { rangeOf, recoloured } from "../colours.js";
import { answersBeside, comparedPanel } from "../difference.js";
import { overlayOf, unitOf } from "./derived.js";
import { histogramOf } from "./histogram.js";
import { KeptPanels } from "./kept.js";
import { momentsOf, nearestTo } from "../numbers.js";
import { fromBase64, unpacked } from "../wire.js";

/** The file that this page is in. */
export class FileHost {
  /** @param {(kind: string) => import("../types.d.ts").Renderer} renderer finds what draws a kind of panel */
  constructor(renderer) {
    this._renderer = renderer;
    this._data = JSON.parse(element("data").textContent || "");
    this._kept = new KeptPanels();
    this._layout = 0;
  }

  /** @returns {Promise<import("../types.d.ts").Outline>} */
  async outline() {
    if (typeof DecompressionStream === "undefined") {
      throw new Error("This browser can't unpack the file: Chrome 80, Firefox 113, Safari 16.4 and later ones can.");
    }
    return this._data.outline;
  }

  /**
   * @param {string} name
   * @param {import("../types.d.ts").Words} words
   * @returns {Promise<import("../types.d.ts").Panel | null>}
   */
  async panel(name, words) {
    if (name === "passage") return this._passage(words);
    if (name === "panel") return this._block("panel");
    if (name === "layer") return this._layer(String(words.address), words);
    if (name === "steps") return "steps" in this._data.index ? this._block("steps") : null;
    if (name === "fate") return this._fate(String(words.address));
    if (name.startsWith("unit.")) return this._unit(name.slice(5), String(words.address), words);
    throw new Error(`There is no ${name} in a file: open the model itself, by layerscope open.`);
  }

  /** @returns {Promise<Record<string, string>>} */
  async provenance() {
    return { model: this._data.model };
  }

  /**
   * @param {string} kind
   * @returns {Promise<import("../types.d.ts").Renderer>}
   */
  async renderer(kind) {
    return this._renderer(kind);
  }

  /** The sample and the step as the index has them: the last step where none is named, else the nearest.
   * @param {import("../types.d.ts").Words} words */
  _moment(words) {
    const { steps, recorded } = this._data.outline, sample = Number(words.sample || 0);
    if (sample >= recorded || !steps.length) return `${sample}/`;
    const asked = Number(words.step ?? steps.at(-1));
    return `${sample}/${steps[nearestTo(steps, asked)]}`;
  }

  /** @param {import("../types.d.ts").Words} words */
  async _passage(words) {
    const layout = this._nearest(String(words.open || ""), words.depth);
    const usual = await this._block(`layout/${layout}`), moment = await this._block(`passage/${layout}/${this._moment(words)}`);
    this._layout = layout;
    const panel = { header: { ...usual.header, ...moment.header }, buffers: moment.buffers };
    if (words.against) {
      const there = await this._block(`passage/${layout}/${this._moment(this._there(words))}`);
      panel.header.answers = answersBeside(panel.header.answers, { ...usual.header, ...there.header }.answers);
      panel.header.against = this._names(words);
    }
    return rescaled(panel, String(words.scale || "layer"), this._data.outline.levels);
  }

  /**
   * Places are found in Python, so only some depths are in a file: to open one more block shows the
   * least deep one in which it is open, to close one the deepest in which it is not.
   * @param {string} open the blocks that are to be open, one a line
   * @param {any} depth null for the usual depth
   */
  _nearest(open, depth) {
    if (!open && (depth === null || depth === undefined || depth === "")) return 0;
    const wanted = new Set(open.split("\n").filter(Boolean));
    const shown = new Set(this._data.opened[this._layout]);
    const layouts = this._data.opened.map((/** @type {string[]} */ blocks, /** @type {number} */ at) => ({ at, blocks: new Set(blocks) }));
    layouts.sort((/** @type {any} */ a, /** @type {any} */ b) => a.blocks.size - b.blocks.size);
    const same = layouts.find((/** @type {any} */ one) => one.blocks.size === wanted.size && within(wanted, one.blocks));
    if (same) return same.at;
    const closes = !within(shown, wanted) && within(wanted, shown);
    const fitting = layouts.filter((/** @type {any} */ one) => (closes ? within(one.blocks, wanted) : within(wanted, one.blocks)));
    return (closes ? fitting.at(-1) || layouts[0] : fitting[0] || layouts.at(-1)).at;
  }

  /** What a moment is compared with: the same but for its sample, or its step.
   * @param {import("../types.d.ts").Words} words */
  _there(words) {
    const [kind, number] = String(words.against).split(":"), { samples } = this._data.outline;
    if (kind === "sample" && Number(number) < samples.length) return { ...words, sample: number };
    if (kind === "step" && Number(words.sample || 0) < this._data.outline.recorded) return { ...words, step: Number(number) };
    throw new Error("This file holds nothing of the kind to compare with.");
  }

  /** What the two are called that are compared.
   * @param {import("../types.d.ts").Words} words
   * @returns {[string, string]} */
  _names(words) {
    const { steps, moments } = this._data.outline, there = this._there(words);
    const named = (/** @type {import("../types.d.ts").Words} */ of) => (String(words.against).startsWith("sample") ? `sample ${of.sample || 0}`
      : moments[steps.indexOf(Number(of.step ?? steps.at(-1)))] || `step ${of.step}`);
    return [named(words), named(there)];
  }

  /**
   * @param {string} address
   * @param {import("../types.d.ts").Words} words
   */
  async _layer(address, words) {
    const one = await this._alone(address, words);
    if (!words.against) return one;
    return comparedPanel(one, await this._alone(address, this._there(words)), this._names(words), this._data.outline.levels);
  }

  /**
   * A layer at one moment.
   * @param {string} address
   * @param {import("../types.d.ts").Words} words
   */
  _alone(address, words) {
    if (address === "input") return this._block(`layer/input/${Number(words.sample || 0)}`);
    const number = this._number(address);
    if (number < 0) throw new Error(`This file has no layer ${address}: find one with /.`);
    return this._block(`layer/${number}/${this._moment(words)}`);
  }

  /** What became of a layer's units; null where nothing is to be said.
   * @param {string} address */
  async _fate(address) {
    const block = `fate/${this._number(address)}`;
    return block in this._data.index ? this._block(block) : null;
  }

  /** @param {string} address */
  _number(address) {
    return this._data.outline.layers.findIndex((/** @type {any} */ layer) => layer.address === address);
  }

  /**
   * @param {string} name
   * @param {string} address
   * @param {import("../types.d.ts").Words} words
   * @returns {Promise<import("../types.d.ts").Panel | null>}
   */
  async _unit(name, address, words) {
    const at = address.lastIndexOf(":"), layer = address.slice(0, at), unit = address.slice(at + 1);
    if (name === "map" || name === "histogram") {
      const { levels } = this._data.outline, one = unitOf(await this._alone(layer, words), address, unit);
      if (name === "histogram") return histogramOf(one, levels);
      if (words.against) return comparedPanel(one, unitOf(await this._alone(layer, this._there(words)), address, unit), this._names(words), levels);
      return overlayOf(one, await this._alone("input", words).catch(() => null), levels);
    }
    const { first } = this._data, number = this._number(layer);
    const asked = `units/${name}/${number}/${this._moment(words)}`, other = `units/${name}/${number}/${this._moment(first)}`;
    const known = asked in this._data.index ? asked : other;
    const held = known in this._data.index ? (await this._block(known)).buffers[unit] : undefined;
    if (!held) throw new Error("This file holds it for other units only.");
    if (!held.byteLength) return null;
    const panel = shownOrThrown(unpacked(held));
    if (known === asked) return panel;
    const when = `as on sample ${first.sample}${first.step === null ? "" : ` at step ${first.step}`}: the file holds no other`;
    return { ...panel, header: { ...panel.header, note: [panel.header.note, when].filter(Boolean).join("; ") } };
  }

  /**
   * Unpack a block, or take it from those that were.
   * @param {string} name
   */
  async _block(name) {
    const kept = this._kept.get(name);
    if (kept) return shownOrThrown(kept);
    if (!(name in this._data.index)) throw new Error("This is not in the file: it was left out to keep the file small.");
    const data = await inflated(fromBase64(element(`block-${this._data.index[name]}`).textContent || ""));
    const panel = unpacked(data);
    this._kept.put(name, panel, data.byteLength);
    return shownOrThrown(panel);
  }
}

/** @param {string} id */
function element(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/** @param {Uint8Array<ArrayBuffer>} data */
function inflated(data) {
  return new Response(new Blob([data]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

/** @param {import("../types.d.ts").Panel} panel */
function shownOrThrown(panel) {
  if (panel.header.kind === "error") throw new Error(panel.header.error);
  return panel;
}

/**
 * Whether all of one set is in the other.
 * @param {Set<string>} inner
 * @param {Set<string>} outer
 */
function within(inner, outer) {
  return [...inner].every((one) => outer.has(one));
}

/**
 * The passage on another scale: its thumbnails come on their own ranges.
 * @param {import("../types.d.ts").Panel} panel
 * @param {string} scale
 * @param {number} levels
 * @returns {import("../types.d.ts").Panel}
 */
function rescaled(panel, scale, levels) {
  const pixels = new Uint8Array(panel.buffers.pixels.slice(0)), indexes = Uint32Array.from({ length: 256 }, (_, i) => i);
  const into = new Uint32Array(256);
  const tiles = panel.header.tiles.map((/** @type {any} */ tile) => {
    if (tile.format === "rgb" || !tile.layer) return tile;
    const [low, high] = tile.range, end = tile.offset + tile.shape[0] * tile.shape[1];
    const { mean, std } = scale === "zscore" ? momentsOf(pixels.subarray(tile.offset, end), low, high, levels) : { mean: 0, std: 0 };
    const steps = panel.header.over_steps[tile.label] || null;
    const layer = tile.layer[1] > tile.layer[0] ? tile.layer : tile.range;
    const range = rangeOf({ scale, low, high, mean, std, layer, network: panel.header.network, steps, diverging: false });
    recoloured(into, indexes, levels, low, high, range, false);
    for (let at = tile.offset; at < end; at++) pixels[at] = into[pixels[at]];
    return { ...tile, range };
  });
  return { header: { ...panel.header, tiles }, buffers: { ...panel.buffers, pixels: pixels.buffer } };
}
