/** Two panels compared where nobody but the page can do it: see views/explorer/difference.py. */

import { MASKED, indexOf, valueOf } from "./colours.js";
import { extentOf } from "./numbers.js";

/** @typedef {{ values: Float32Array, masked: (at: number) => boolean, rounding: number }} Values of a map; no value is
 * further than `rounding` from what its colour tells */

/**
 * Each map of a stack, the other's of the same label, and the one minus the other.
 * @param {import("./types.d.ts").Panel} one
 * @param {import("./types.d.ts").Panel} other
 * @param {[string, string]} names what the two are
 * @param {number} levels
 * @returns {import("./types.d.ts").Panel}
 */
export function comparedPanel(one, other, names, levels) {
  const first = mapsOf(one, levels), second = mapsOf(other, levels);
  const labels = [...first.maps.keys()].filter((label) => second.maps.has(label));
  const [, height, width] = first.shape, size = height * width;
  if (height !== second.shape[1] || width !== second.shape[2] || !labels.length) {
    const shape = (/** @type {number[]} */ of) => of.join(" × ");
    throw new Error(`There is no difference to show: ${one.header.address} is ${shape(first.shape)} for ${names[0]} and ${shape(second.shape)} for ${names[1]}.`);
  }
  const count = 3 * labels.length;
  const pixels = new Uint8Array(count * size), low = new Float32Array(count), high = new Float32Array(count);
  let reach = 0, rounding = 0;
  labels.forEach((label, i) => {
    const a = /** @type {Values} */ (first.maps.get(label)), b = /** @type {Values} */ (second.maps.get(label));
    const apart = { values: a.values.map((value, at) => value - b.values[at]), masked: (/** @type {number} */ at) => a.masked(at) || b.masked(at) };
    rounding = Math.max(rounding, a.rounding + b.rounding);
    [a, b, apart].forEach(({ values, masked }, part) => {
      const map = 3 * i + part;
      [low[map], high[map]] = extentOf(values);
      if (part === 2) reach = Math.max(reach, Math.abs(low[map]), Math.abs(high[map]));
      values.forEach((value, at) => { pixels[map * size + at] = masked(at) ? MASKED : indexOf(value, low[map], high[map], levels); });
    });
  });
  const layer = [Math.min(one.header.layer[0], other.header.layer[0]), Math.max(one.header.layer[1], other.header.layer[1])];
  const numbered = labels.every((label, i) => label === String(i));
  const header = {
    ...one.header, form: first.form, shape: [count, height, width], labels: numbered ? [] : labels, parts: [...names, "difference"],
    layer, difference: Math.max(reach, rounding), rounding, silences: one.header.silences && other.header.silences, activity: undefined,
    title: `${one.header.title}: ${names[0]} − ${names[1]}`,
  };
  return { header, buffers: { pixels: pixels.buffer, low: low.buffer, high: high.buffer } };
}

/**
 * The values of a stack, by label; of an image in colour, those of each colour.
 * @param {import("./types.d.ts").Panel} panel
 * @param {number} levels
 */
function mapsOf({ header, buffers }, levels) {
  const [count, height, width] = header.shape, size = height * width, pixels = new Uint8Array(buffers.pixels);
  /** @type {Map<string, Values>} */
  const maps = new Map();
  if (header.form === "colour") {
    const [least, most] = header.layer;
    ["red", "green", "blue"].forEach((name, c) => {
      const values = Float32Array.from({ length: size }, (_, at) => least + (pixels[3 * at + c] / 255) * (most - least));
      maps.set(name, { values, masked: () => false, rounding: (most - least) / 255 / 2 });
    });
    return { maps, form: "maps", shape: [3, height, width] };
  }
  const low = new Float32Array(buffers.low), high = new Float32Array(buffers.high);
  for (let map = 0; map < count; map++) {
    const values = Float32Array.from({ length: size }, (_, at) => valueOf(pixels[map * size + at], low[map], high[map], levels));
    const rounding = (high[map] - low[map]) / (levels - 1) / 2, masked = (/** @type {number} */ at) => pixels[map * size + at] === MASKED;
    maps.set(header.labels.length ? header.labels[map] : String(map), { values, masked, rounding });
  }
  return { maps, form: header.form, shape: header.shape };
}

/**
 * What a network answered beside what it answered elsewhere: what is among the largest of either.
 * @param {Record<string, any>[]} answers
 * @param {Record<string, any>[]} others
 * @returns {Record<string, any>[]}
 */
export function answersBeside(answers, others) {
  const same = (/** @type {any} */ a, /** @type {any} */ b) => a.output === b.output && a.unit === b.unit;
  const here = answers.map((answer) => ({ ...answer, other: others.find((other) => same(other, answer))?.value ?? null }));
  const rest = others.filter((other) => !answers.some((answer) => same(answer, other)));
  return [...here, ...rest.map((other) => ({ ...other, value: null, other: other.value }))];
}
