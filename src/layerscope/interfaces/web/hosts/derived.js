/** Panels of a unit that need no Python: they are made of its layer, as that was sent. */

import { Stack } from "../stack.js";

/**
 * One unit of a layer: its map, or those of all its slices.
 * @param {import("../types.d.ts").Panel} layer
 * @param {string} address
 * @param {string} unit
 * @returns {import("../types.d.ts").Panel}
 */
export function unitOf({ header, buffers }, address, unit) {
  const [count, height, width] = header.shape, size = height * width;
  const labels = header.labels.length ? header.labels : Array.from({ length: count }, (_, i) => String(i));
  const rows = labels.flatMap((/** @type {string} */ label, /** @type {number} */ row) => (label.split("·")[0] === unit ? [row] : []));
  if (!rows.length) throw new Error("This unit is not among those that the file holds: they are the strongest of the layer.");
  const first = rows[0], end = rows[rows.length - 1] + 1;
  const code = String(header.code || "").replace(/ls\.sheet\(.*$/s, `ls.sheet(acts, ${JSON.stringify(address)})`);
  return {
    header: { ...header, title: address, address, shape: [rows.length, height, width], labels: labels.slice(first, end), activity: null, code },
    buffers: {
      pixels: buffers.pixels.slice(first * size, end * size), low: buffers.low.slice(4 * first, 4 * end), high: buffers.high.slice(4 * first, 4 * end),
    },
  };
}

/**
 * A unit's map by itself and over the input; of volumes and attention the maps alone. See render/overlay.py.
 * @param {import("../types.d.ts").Panel} one what `unitOf` returned
 * @param {import("../types.d.ts").Panel | null} input
 * @param {number} levels
 * @returns {import("../types.d.ts").Panel | null}
 */
export function overlayOf(one, input, levels) {
  const { header } = one;
  if (header.form === "volume" || header.form === "attention") return one;
  const { picture, buffer } = pictureOf(input, levels);
  const alone = header.form === "vector", stack = new Stack(one, levels);
  if (alone && !picture) return null;
  const values = valuesOf(stack);
  const map = alone ? null : {
    form: header.form, shape: [stack.height, stack.width], low: stack.low[0], high: stack.high[0], approximate: true,
  };
  return {
    header: {
      kind: "overlay", title: header.title, address: header.address, code: header.code, note: "", over_steps: header.over_steps, map, picture, field: header.field, flat: header.flat,
      text: alone ? `${header.address} = ${Number(values[0].toPrecision(3))}, on this input` : "",
    },
    buffers: { ...(alone ? {} : { pixels: one.buffers.pixels, values: values.buffer }), ...(buffer ? { picture: buffer } : {}) },
  };
}

/** All values of a stack, as its colours tell them.
 * @param {Stack} stack */
export function valuesOf(stack) {
  return Float32Array.from({ length: stack.count * stack.size }, (_, i) => stack.value(Math.floor(i / stack.size), i % stack.size));
}

/**
 * The input as what a map may lie on.
 * @param {import("../types.d.ts").Panel | null} input
 * @param {number} levels
 * @returns {{ picture: Record<string, any> | null, buffer: ArrayBuffer | null }}
 */
function pictureOf(input, levels) {
  if (!input) return { picture: null, buffer: null };
  const stack = new Stack(input, levels);
  if (stack.colour) return { picture: { name: "input", shape: [stack.height, stack.width], format: "rgb" }, buffer: input.buffers.pixels };
  if (stack.form === "series") {
    return { picture: { name: "input", shape: [stack.count, stack.width], format: "float" }, buffer: valuesOf(stack).buffer };
  }
  if (stack.form === "vector" && stack.count > 1) {
    return { picture: { name: "input", shape: [1, stack.count], format: "float" }, buffer: valuesOf(stack).buffer };
  }
  if (stack.form !== "maps" || stack.count !== 1) return { picture: null, buffer: null };
  return { picture: { name: "input", shape: [stack.height, stack.width], format: "index" }, buffer: input.buffers.pixels };
}
