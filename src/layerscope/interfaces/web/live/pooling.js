/** Pools: the largest or the mean of some positions, channel by channel. */

import { sizeOf } from "./tensors.js";

/**
 * @typedef {import("./tensors.js").Step} Step
 */

/**
 * Return what takes the largest value of each window.
 *
 * @param {Step} step
 * @returns {() => void}
 */
export function maxPool(step) {
  const x = step.inputs[0].data;
  const result = step.output.data;
  const channels = step.output.shape[2];
  const windows = windowsOf(step);

  return () => {
    windows.forEach((places, index) => {
      const end = index * channels;
      for (let channel = 0; channel < channels; channel += 1) {
        let largest = -Infinity;
        for (let i = 0; i < places.length; i += 1) {
          const value = x[places[i] + channel];
          if (value > largest || Number.isNaN(value)) largest = value;
        }
        result[end + channel] = largest;
      }
    });
  };
}

/**
 * Return what takes the mean of each window.
 *
 * @param {Step} step
 * @returns {() => void}
 */
export function averagePool(step) {
  const x = step.inputs[0].data;
  const result = step.output.data;
  const channels = step.output.shape[2];
  const windows = windowsOf(step);
  const whole = sizeOf(step.settings.size);
  const countsPadding = step.settings.counts_padding;

  return () => {
    windows.forEach((places, index) => {
      const end = index * channels;
      const count = countsPadding ? whole : places.length;
      for (let channel = 0; channel < channels; channel += 1) {
        let sum = 0;
        for (let i = 0; i < places.length; i += 1) sum += x[places[i] + channel];
        result[end + channel] = sum / count;
      }
    });
  };
}

/**
 * Return what takes the mean along some axes.
 *
 * @param {Step} step
 * @returns {() => void}
 */
export function globalAveragePool(step) {
  const { groups, length } = groupsOf(step);
  const x = step.inputs[0].data;
  const result = step.output.data;
  const sums = new Float64Array(result.length);

  return () => {
    sums.fill(0);
    for (let i = 0; i < x.length; i += 1) sums[groups[i]] += x[i];
    for (let i = 0; i < sums.length; i += 1) result[i] = sums[i] / length;
  };
}

/**
 * Return what takes the largest value along some axes.
 *
 * @param {Step} step
 * @returns {() => void}
 */
export function globalMaxPool(step) {
  const { groups } = groupsOf(step);
  const x = step.inputs[0].data;
  const result = step.output.data;

  return () => {
    result.fill(-Infinity);
    for (let i = 0; i < x.length; i += 1) {
      const value = x[i];
      if (value > result[groups[i]] || Number.isNaN(value)) result[groups[i]] = value;
    }
  };
}

/**
 * Return where the positions in each window begin; those outside the map are left out.
 *
 * @param {Step} step
 * @returns {Int32Array[]}
 */
function windowsOf(step) {
  const [height, width, channels] = step.inputs[0].shape;
  const [rows, columns] = step.output.shape;
  const { size, strides, padding } = step.settings;
  const windows = [];
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      const places = [];
      for (let ky = 0; ky < size[0]; ky += 1) {
        for (let kx = 0; kx < size[1]; kx += 1) {
          const y = row * strides[0] + ky - padding[0][0];
          const x = column * strides[1] + kx - padding[1][0];
          if (y >= 0 && y < height && x >= 0 && x < width) places.push((y * width + x) * channels);
        }
      }
      windows.push(Int32Array.from(places));
    }
  }
  return windows;
}

/**
 * Return which result each value goes into, and how many go into one.
 *
 * @param {Step} step
 * @returns {{ groups: Int32Array, length: number }}
 */
function groupsOf(step) {
  const shape = step.inputs[0].shape;
  /** @type {number[]} */
  const axes = step.settings.axes;
  const groups = new Int32Array(sizeOf(shape));
  for (let i = 0; i < groups.length; i += 1) {
    let group = 0;
    let factor = 1;
    let rest = i;
    for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
      const coordinate = rest % shape[axis];
      rest = Math.floor(rest / shape[axis]);
      if (!axes.includes(axis)) {
        group += coordinate * factor;
        factor *= shape[axis];
      }
    }
    groups[i] = group;
  }
  return { groups, length: axes.reduce((length, axis) => length * shape[axis], 1) };
}
