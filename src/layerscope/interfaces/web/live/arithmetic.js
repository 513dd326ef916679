/** What makes new values of several, or scales one, place by place. */

import { broadcastPlaces, sameShape } from "./tensors.js";

/**
 * @typedef {import("./tensors.js").Step} Step
 * @typedef {(one: number, other: number) => number} Combine
 */

/** @type {{ [kind: string]: Combine }} */
const COMBINE = {
  add: (one, other) => one + other,
  average: (one, other) => one + other,
  subtract: (one, other) => one - other,
  multiply: (one, other) => one * other,
  divide: (one, other) => one / other,
  maximum: (one, other) => Math.max(one, other),
  minimum: (one, other) => Math.min(one, other),
};

/**
 * Return what brings the values of several layers together; smaller ones are broadcast.
 *
 * @param {string} kind
 * @returns {(step: Step) => () => void}
 */
export function combination(kind) {
  return (step) => {
    const combine = COMBINE[kind];
    const result = step.output.data;
    const shape = step.output.shape;
    const inputs = step.inputs.map((input) => ({
      x: input.data,
      places: sameShape(input.shape, shape) ? null : broadcastPlaces(input.shape, shape),
    }));
    const divisor = kind === "average" ? inputs.length : 1;
    const sums = new Float64Array(result.length);
    return () => {
      inputs.forEach(({ x, places }, index) => {
        for (let i = 0; i < sums.length; i += 1) {
          const value = places ? x[places[i]] : x[i];
          sums[i] = index ? combine(sums[i], value) : value;
        }
      });
      for (let i = 0; i < sums.length; i += 1) result[i] = sums[i] / divisor;
    };
  };
}

/**
 * Return what multiplies with a factor and adds a shift: one for all, or one for each channel.
 *
 * @param {Step} step
 * @returns {() => void}
 */
export function rescale(step) {
  const x = step.inputs[0].data;
  const result = step.output.data;
  const channels = step.output.shape[step.output.shape.length - 1] ?? 1;
  const scale = forEach(step.arrays.scale.data, channels);
  const shift = forEach(step.arrays.shift.data, channels);
  return () => {
    for (let start = 0; start < x.length; start += channels) {
      for (let channel = 0; channel < channels; channel += 1) {
        result[start + channel] = x[start + channel] * scale[channel] + shift[channel];
      }
    }
  };
}

/**
 * Return a number for each channel.
 *
 * @param {Float32Array} numbers
 * @param {number} channels
 * @returns {Float32Array}
 */
function forEach(numbers, channels) {
  return numbers.length === 1 ? new Float32Array(channels).fill(numbers[0]) : numbers;
}
