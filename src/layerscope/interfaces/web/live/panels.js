/** Panels of values that were computed in the page: what render/stack.py and thumbnails.py make in Python. */

import { indexOf } from "../colours.js";
import { extentOf } from "../numbers.js";

const ROUNDING = 1e-6; // a range narrower than this share of the values is rounding, not a pattern
const ROW = 64, WIDTH = 128, SIDE = 84, FINEST = 2, SEEN = 48;
const GROUND = 244;

/** @typedef {import("./tensors.js").Tensor} Tensor */

/**
 * A layer's maps as a stack, like one that Python made of it.
 * @param {import("../types.d.ts").Panel} template the layer on a sample that is in the file
 * @param {Tensor} tensor channels last
 * @param {boolean} silences whether a map of zeros is a unit that does not fire
 * @param {number} levels
 * @returns {import("../types.d.ts").Panel}
 */
export function stackPanel(template, tensor, silences, levels) {
  const { form } = template.header, { count, height, width, at } = mapsOf(tensor, form);
  const layer = extentOf(tensor.data), [least, most] = layer, size = height * width;
  const header = {
    ...template.header, shape: [count, height, width], layer, not_finite: strangeIn(tensor.data), thinned: 1,
    silences: silences && least >= 0, labels: template.header.labels.length === count ? template.header.labels : [], activity: null,
  };
  if (form === "colour") {
    const pixels = Uint8Array.from(tensor.data, (value) => colourLevel(value, least, most));
    return { header, buffers: { pixels: pixels.buffer } };
  }
  const pixels = new Uint8Array(count * size), low = new Float32Array(count), high = new Float32Array(count);
  for (let map = 0; map < count; map++) {
    const [from, to] = extentOf(tensor.data, size, (i) => at(map, i));
    low[map] = from;
    high[map] = size > 1 && isRounding(from, to) ? from : to;
    for (let i = 0; i < size; i++) pixels[map * size + i] = indexOf(tensor.data[at(map, i)], low[map], high[map], levels);
  }
  return { header, buffers: { pixels: pixels.buffer, low: low.buffer, high: high.buffer } };
}

/**
 * The thumbnails of a passage, of values that were computed in the page.
 * @param {import("../types.d.ts").Panel} passage with the thumbnails of a sample that is in the file, and their places
 * @param {(address: string) => Tensor | undefined} valuesOf
 * @param {(address: string) => boolean} silences
 * @param {number} levels
 * @returns {import("../types.d.ts").Panel}
 */
export function withThumbnails(passage, valuesOf, silences, levels) {
  const texts = passage.header.texts.slice();
  /** @type {Uint8Array[]} */
  const parts = [];
  let offset = 0;
  const before = new Uint8Array(passage.buffers.pixels);
  const tiles = passage.header.tiles.map((/** @type {any} */ tile) => {
    const tensor = valuesOf(tile.address);
    const made = tensor ? thumbnail(tile, tensor, silences(tile.address), levels)
      : { pixels: before.slice(tile.offset, tile.offset + tile.shape[0] * tile.shape[1] * (tile.format === "rgb" ? 3 : 1)), tile: {}, caption: null };
    parts.push(made.pixels);
    if (made.caption !== null && texts[tile.caption]) texts[tile.caption] = { ...texts[tile.caption], text: made.caption, width: WIDTH };
    offset += made.pixels.length;
    return { ...tile, ...made.tile, offset: offset - made.pixels.length };
  });
  const pixels = new Uint8Array(offset);
  let start = 0;
  for (const part of parts) {
    pixels.set(part, start);
    start += part.length;
  }
  return { header: { ...passage.header, tiles, texts }, buffers: { ...passage.buffers, pixels: pixels.buffer } };
}

/**
 * @param {any} tile
 * @param {Tensor} tensor
 * @param {boolean} silences
 * @param {number} levels
 * @returns {{ pixels: Uint8Array, tile: Record<string, any>, caption: string | null }}
 */
function thumbnail(tile, tensor, silences, levels) {
  const layer = extentOf(tensor.data), [low, high] = layer;
  if (tile.format === "rgb") {
    return { pixels: Uint8Array.from(tensor.data, (value) => colourLevel(value, low, high)), tile: { range: layer }, caption: null };
  }
  if (tile.form === "vector") return vectorThumbnail(tensor.data, tensor.shape.length > 1, layer, levels);
  const { count, height, width, at } = mapsOf(tensor, "maps");
  const chosen = mostVaried(tensor.data, count, height, width, at);
  const map = coarser(Float64Array.from({ length: height * width }, (_, i) => tensor.data[at(chosen, i)]), height, width);
  const [from, to] = extentOf(map.data), flat = map.data.length > 1 && isRounding(from, to);
  const [least, most] = extentOf(tensor.data, height * width, (i) => at(chosen, i));
  const finite = Array.from({ length: height * width }, (_, i) => tensor.data[at(chosen, i)]).every(Number.isFinite);
  const blank = silences && low >= 0 && finite && most === 0 && least === 0;
  const constant = !blank && finite && least === most && height * width > 1;
  const words = [count > 1 ? `channel ${chosen} of ${count}` : "", blank ? "blank" : "", constant ? "constant" : "",
    count * height * width === 1 ? String(Number(tensor.data[0].toPrecision(3))) : ""];
  const range = [from, flat ? from : to];
  return {
    pixels: Uint8Array.from(map.data, (value) => indexOf(value, range[0], range[1], levels)),
    tile: { shape: [map.height, map.width], range, layer, blank }, caption: words.filter(Boolean).join(", "),
  };
}

/**
 * @param {Float32Array} data
 * @param {boolean} channels whether each value is a channel's
 * @param {number[]} range
 * @param {number} levels
 */
function vectorThumbnail(data, channels, range, levels) {
  const columns = Math.min(data.length, Math.max(ROW, Math.ceil(Math.sqrt((data.length * WIDTH) / SIDE))));
  const rows = Math.ceil(data.length / columns);
  const pixels = new Uint8Array(rows * columns).fill(GROUND);
  let largest = 0;
  data.forEach((value, i) => {
    pixels[i] = indexOf(value, range[0], range[1], levels);
    if (value > data[largest]) largest = i;
  });
  const one = channels ? "channel" : "unit", caption = `${data.length} ${one}${data.length === 1 ? "" : "s"}`;
  const told = data.length > 1 && data.length <= 1000 && data.every(Number.isFinite);
  return { pixels, tile: { shape: [rows, columns], range, layer: range, blank: false }, caption: told ? `${caption}, largest ${largest}` : caption };
}

/**
 * How many maps a layer has, and where the values of each stand.
 * @param {Tensor} tensor
 * @param {string} form
 * @returns {{ count: number, height: number, width: number, at: (map: number, i: number) => number }}
 */
function mapsOf({ shape }, form) {
  if (form === "colour") return { count: 1, height: shape[0], width: shape[1], at: (_, i) => i };
  if (form === "vector") return { count: shape.reduce((a, b) => a * b, 1), height: 1, width: 1, at: (map) => map };
  const count = shape[shape.length - 1];
  const [height, width] = shape.length === 3 ? [shape[0], shape[1]] : shape.length === 2 ? [1, shape[0]] : [1, 1];
  return { count, height, width, at: (map, i) => i * count + map };
}

/** How many values are no numbers, or infinite.
 * @param {Float32Array} data */
function strangeIn(data) {
  let count = 0;
  for (const value of data) if (!Number.isFinite(value)) count++;
  return count;
}

/**
 * @param {number} low
 * @param {number} high
 */
function isRounding(low, high) {
  return high - low <= ROUNDING * Math.max(Math.abs(low), Math.abs(high));
}

/**
 * @param {number} value
 * @param {number} low
 * @param {number} high
 */
function colourLevel(value, low, high) {
  return high > low ? Math.max(0, Math.min(255, Math.round(((value - low) / (high - low)) * 255))) : 0;
}

/**
 * The map whose values vary most, by every n-th pixel of large ones.
 * @param {Float32Array} data
 * @param {number} count
 * @param {number} height
 * @param {number} width
 * @param {(map: number, i: number) => number} at
 */
function mostVaried(data, count, height, width, at) {
  const every = Math.max(1, Math.floor(Math.max(height, width) / SEEN));
  let chosen = 0, most = -1;
  for (let map = 0; map < count; map++) {
    let sum = 0, squares = 0, seen = 0;
    for (let y = 0; y < height; y += every) {
      for (let x = 0; x < width; x += every) {
        const value = data[at(map, y * width + x)];
        sum += value;
        squares += value * value;
        seen++;
      }
    }
    const spread = squares / seen - (sum / seen) ** 2;
    if (spread > most) {
      most = spread;
      chosen = map;
    }
  }
  return chosen;
}

/**
 * A map of no more pixels than are shown, each the mean of those it stands for.
 * @param {Float64Array} data
 * @param {number} height
 * @param {number} width
 */
function coarser(data, height, width) {
  const times = Math.max(1, Math.floor(Math.max(height, width) / (FINEST * SIDE)));
  if (times === 1) return { data, height, width };
  const tall = Math.max(1, Math.floor(height / times)), wide = Math.max(1, Math.floor(width / times));
  const rows = Math.max(1, Math.floor(Math.min(height, tall * times) / tall)), columns = Math.max(1, Math.floor(Math.min(width, wide * times) / wide));
  const small = new Float64Array(tall * wide);
  for (let y = 0; y < tall * rows; y++) {
    for (let x = 0; x < wide * columns; x++) small[Math.floor(y / rows) * wide + Math.floor(x / columns)] += data[y * width + x];
  }
  return { data: small.map((sum) => sum / (rows * columns)), height: tall, width: wide };
}
