/** The site's data: its layers, and what is known of units, which is loaded when it is asked for. */

import { h } from "../dom.js";
import { wellFormed } from "./view.js";

/** @typedef {import("./types.d.ts").SiteData} SiteData */
/** @typedef {import("./types.d.ts").Layer} Layer */
/** @typedef {import("./types.d.ts").UnitPlace} UnitPlace */
/** @typedef {import("./types.d.ts").UnitFacts} UnitFacts */

export class Site {
  /** @param {SiteData} data */
  constructor(data) {
    this.data = data;
    /** @type {Layer[]} */
    this.layers = data.layers.map((layer, number) => ({
      ...layer, number,
      neverFired: bytes(layer.never),
      highest: new Float32Array(bytes(layer.most).buffer),
      prefers: new Int16Array(bytes(layer.label).buffer),
      shares: bytes(layer.share),
    }));
    /** @type {Map<string, UnitFacts[]>} */
    this._loaded = new Map();
    /** @type {Map<string, Promise<UnitFacts[]>>} */
    this._loading = new Map();
    window.layerscopeUnits = (key, units) => { this._loaded.set(key, units); };
  }

  /** @param {string} address */
  layer(address) {
    return this.layers.find((layer) => layer.address === address || wellFormed(layer.address) === address);
  }

  /**
   * The label that a unit prefers; empty for none.
   * @param {UnitPlace} place
   */
  preferred({ layer, unit }) {
    const number = this.layers[layer].prefers[unit];
    return number < 0 ? "" : this.data.labels[number];
  }

  /**
   * Where a unit is, in words.
   * @param {UnitPlace} place
   */
  address({ layer, unit }) {
    return `${this.layers[layer].address}:${unit}`;
  }

  /**
   * What is known of a unit; the file with it is loaded once.
   * @param {UnitPlace} place
   * @returns {Promise<UnitFacts>}
   */
  async facts({ layer, unit }) {
    const file = Math.floor(unit / this.data.perFile);
    const key = `${this.layers[layer].folder}/${fourDigits(file)}`;
    if (!this._loading.has(key)) this._loading.set(key, this._load(key));
    return (await /** @type {Promise<UnitFacts[]>} */ (this._loading.get(key)))[unit % this.data.perFile];
  }

  /**
   * A page that is opened from a disk may load scripts and pictures, and nothing else.
   * @param {string} key
   * @returns {Promise<UnitFacts[]>}
   */
  _load(key) {
    return new Promise((resolve, reject) => {
      const failed = () => {
        this._loading.delete(key);
        reject(new Error(`layers/${key}.js is not there: was the whole folder copied?`));
      };
      const loaded = () => {
        const units = this._loaded.get(key);
        if (units) resolve(units);
        else failed();
      };
      document.head.append(h("script", { src: encodeURI(`layers/${key}.js`), on: { load: loaded, error: failed } }));
    });
  }

  /**
   * Show the strongest examples of a unit on an element.
   * @param {HTMLElement} element
   * @param {UnitPlace} place
   */
  paintCell(element, { layer, unit }) {
    const { perGrid, columns, cell } = this.data;
    const at = unit % perGrid, rows = Math.ceil(Math.min(perGrid, this.layers[layer].units - unit + at) / columns);
    const across = Math.min(columns, Math.min(perGrid, this.layers[layer].units - unit + at));
    const file = `grid-${fourDigits(Math.floor(unit / perGrid))}`;
    this._paint(element, `${this.layers[layer].folder}/${file}${this.layers[layer].ending}`, [cell, cell], [at % columns, Math.floor(at / columns)], [across, rows]);
  }

  /**
   * Show an example of a unit on an element.
   * @param {HTMLElement} element
   * @param {UnitPlace} place
   * @param {number} kind
   * @param {number} rank
   */
  paintExample(element, { layer, unit }, kind, rank) {
    const { perFile, each, kinds } = this.data;
    const at = unit % perFile, rows = Math.min(perFile, this.layers[layer].units - unit + at);
    const file = fourDigits(Math.floor(unit / perFile));
    this._paint(element, `${this.layers[layer].folder}/${file}${this.layers[layer].ending}`, this.layers[layer].box, [kind * each + rank, at], [kinds.length * each, rows]);
  }

  /**
   * @param {HTMLElement} element
   * @param {string} file
   * @param {[number, number]} box width and height
   * @param {number[]} at column and row
   * @param {number[]} of how many there are
   */
  _paint(element, file, [width, height], [x, y], [columns, rows]) {
    element.style.width = `${width}px`;
    element.style.height = `${height}px`;
    element.style.backgroundImage = `url("${encodeURI(`layers/${file}`)}")`;
    element.style.backgroundSize = `${columns * width}px ${rows * height}px`;
    element.style.backgroundPosition = `${-x * width}px ${-y * height}px`;
  }
}

/** @param {string} text */
function bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/** @param {number} number */
function fourDigits(number) {
  return String(number).padStart(4, "0");
}
