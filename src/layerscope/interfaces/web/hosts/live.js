/** One file with the network in it: what a person draws passes through it in the page, without Python. */

import { compile } from "../live/forward.js";
import { stackPanel, withThumbnails } from "../live/panels.js";
import { numbersOf } from "../live/pictures.js";
import { FileHost } from "./file.js";
import { extentOf } from "../numbers.js";
import { measured } from "../timing.js";

const SHOWN = 5, FEW = 12; // answers; of so few numbers all are shown

/** A file that computes, too: samples that a person gives come behind those that it holds. */
export class LiveHost extends FileHost {
  /** @param {(kind: string) => import("../types.d.ts").Renderer} renderer */
  constructor(renderer) {
    super(renderer);
    this.held = this._data.outline.samples.length;
    /** @type {Float32Array[]} what was given by hand */
    this.given = [];
    this.computed = -1;
    /** @type {Map<string, import("../live/tensors.js").Tensor>} */
    this.values = new Map();
  }

  /**
   * @override
   * @returns {Promise<import("../types.d.ts").Outline>}
   */
  async outline() {
    const outline = await super.outline();
    this.program = await super._block("program");
    this.network = compile(/** @type {any} */ (this.program));
    this.silences = new Set(this.program.header.silences);
    return outline;
  }

  /**
   * Make a sample of what a person gives.
   * @param {Blob | number[]} given
   * @param {{ name: string, into: number | null }} how
   * @returns {Promise<import("../types.d.ts").OwnSample>}
   */
  async input(given, { name, into }) {
    const { inputs, samples } = this._data.outline;
    const numbers = given instanceof Blob ? await numbersOf(given, inputs, this.program?.header.resize) : Float32Array.from(given);
    const sample = into ?? this.held + this.given.length;
    this.given[sample - this.held] = numbers;
    if (this.computed === sample) this.computed = -1;
    const generation = (this.generation = (this.generation || 0) + 1);
    return { sample, name: `${name} ${sample - this.held + 1}`, edition: (samples[sample]?.edition || 0) + 1, generation };
  }

  /**
   * A block of the file; of a sample that a person gave, what would be in it.
   * @override
   * @param {string} name
   * @returns {Promise<import("../types.d.ts").Panel>}
   */
  async _block(name) {
    const parts = name.split("/"), sample = Number(parts[2]);
    if (!["layer", "passage"].includes(parts[0]) || !(sample >= this.held)) return super._block(name);
    const usual = await super._block([parts[0], parts[1], this._first(parts)].join("/"));
    const { levels } = this._data.outline;
    this._compute(sample);
    if (parts[0] === "passage") {
      const layout = await super._block(`layout/${parts[1]}`);
      const whole = { header: { ...layout.header, ...usual.header }, buffers: usual.buffers };
      const made = withThumbnails(whole, (address) => this._tensor(address), (address) => Boolean(this.silences?.has(address)), levels);
      return { header: { ...made.header, ...this._answers(usual.header.answers || layout.header.answers) }, buffers: made.buffers };
    }
    const address = parts[1] === "input" ? "input" : this._data.outline.layers[Number(parts[1])].address, tensor = this._tensor(address);
    if (!tensor) throw new Error(`${address} is not computed in this file.`);
    return stackPanel(usual, tensor, Boolean(this.silences?.has(address)), levels);
  }

  /** Where the file's first sample stands in the index.
   * @param {string[]} parts */
  _first(parts) {
    const { sample, step } = this._data.first;
    return parts[0] === "layer" && parts[1] === "input" && `layer/input/${sample}` in this._data.index ? `${sample}` : `${sample}/${step ?? ""}`;
  }

  /** @param {number} sample */
  _compute(sample) {
    if (this.computed === sample || !this.network) return;
    const start = performance.now();
    this.values = this.network.run(this.given[sample - this.held]);
    measured("layerscope.live", start);
    this.computed = sample;
  }

  /** @param {string} address */
  _tensor(address) {
    const { network } = this;
    return address === "input" && network ? this.values.get(network.input.address) : this.values.get(address);
  }

  /**
   * What the network answers, as recordings/answers.py tells it.
   * @param {any[]} usual the answers to a sample of the file
   */
  _answers(usual) {
    const { network } = this, data = network && this._tensor(network.output)?.data;
    if (!network || !data || !usual.length) return { answers: [], network: this._range() };
    const classes = this.program?.header.classes || [], names = classes.length === data.length ? classes : [];
    const sum = data.reduce((total, value) => total + value, 0);
    const share = data.length > 1 && data.every((value) => value >= 0) && Math.abs(sum - 1) < 1e-3;
    let order = [...data.keys()].sort((a, b) => data[b] - data[a] || a - b).slice(0, SHOWN);
    if (!share && !names.length && data.length <= FEW) order = [...data.keys()];
    const answers = order.map((unit) => ({ output: usual[0].output, unit, name: names[unit] || "", value: data[unit], probability: share, other: null }));
    return { answers, network: this._range() };
  }

  /** The range of all layers. */
  _range() {
    const layers = this._data.outline.layers.map((/** @type {any} */ { address }) => this._tensor(address)?.data || []);
    return extentOf(layers.filter((/** @type {Float32Array} */ data) => data.some(Number.isFinite)).flatMap((/** @type {Float32Array} */ data) => extentOf(data)));
  }
}
