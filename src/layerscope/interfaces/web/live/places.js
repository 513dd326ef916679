/** What only moves values to other places. */

import { placesOf, sizeOf, stridesOf } from "./tensors.js";

/**
 * @typedef {import("./tensors.js").Step} Step
 */

/**
 * Return what puts a border around maps: of one number, or of what stands at the edge.
 *
 * @param {Step} step
 * @returns {() => void}
 */
export function pad(step) {
  const shape = step.inputs[0].shape;
  const { padding, value } = step.settings;
  const repeats = value === null;
  return gather(
    step,
    (coordinates) => {
      const inside = coordinates.map((coordinate, axis) => coordinate - padding[axis][0]);
      const within = inside.map((place, axis) => Math.min(Math.max(place, 0), shape[axis] - 1));
      return repeats || within.every((place, axis) => place === inside[axis]) ? within : null;
    },
    repeats ? 0 : value,
  );
}

/**
 * Return what cuts the border off.
 *
 * @param {Step} step
 * @returns {() => void}
 */
export function crop(step) {
  const { cropping } = step.settings;
  return gather(step, (coordinates) =>
    coordinates.map((coordinate, axis) => coordinate + cropping[axis][0]),
  );
}

/**
 * Return what repeats each position of maps.
 *
 * @param {Step} step
 * @returns {() => void}
 */
export function upsample(step) {
  const [rows, columns] = step.settings.factors;
  return gather(step, ([y, x, channel]) => [
    Math.floor(y / rows),
    Math.floor(x / columns),
    channel,
  ]);
}

/**
 * Return what puts the axes in another order.
 *
 * @param {Step} step
 * @returns {() => void}
 */
export function transpose(step) {
  /** @type {number[]} */
  const order = step.settings.order;
  return gather(step, (coordinates) => {
    const from = new Array(order.length).fill(0);
    order.forEach((axis, place) => {
      from[axis] = coordinates[place];
    });
    return from;
  });
}

/**
 * Return what puts values side by side along an axis.
 *
 * @param {Step} step
 * @returns {() => void}
 */
export function concat(step) {
  const { axis } = step.settings;
  const shape = step.output.shape;
  const outer = sizeOf(shape.slice(0, axis));
  const parts = step.inputs.map((input) => ({
    x: input.data,
    length: sizeOf(input.shape.slice(axis)),
  }));
  const result = step.output.data;
  return () => {
    let end = 0;
    for (let i = 0; i < outer; i += 1) {
      for (const { x, length } of parts) {
        result.set(x.subarray(i * length, (i + 1) * length), end);
        end += length;
      }
    }
  };
}

/**
 * Return what hands values on as they are.
 *
 * @param {Step} step
 * @returns {() => void}
 */
export function copy(step) {
  const x = step.inputs[0].data;
  const result = step.output.data;
  return () => result.set(x);
}

/**
 * Return what has nothing to do: the model's own numbers are there from the beginning.
 *
 * @param {Step} step
 * @returns {() => void}
 */
export function constant(step) {
  step.output.data.set(step.arrays.value.data);
  return () => {};
}

/**
 * Return what takes each value from a place of the input, or the number given where there is none.
 *
 * @param {Step} step
 * @param {(coordinates: number[]) => number[] | null} source
 * @param {number} [otherwise]
 * @returns {() => void}
 */
function gather(step, source, otherwise = 0) {
  const x = step.inputs[0].data;
  const result = step.output.data;
  const strides = stridesOf(step.inputs[0].shape);
  const places = placesOf(step.output.shape, (coordinates) => {
    const from = source(coordinates);
    return from === null ? -1 : from.reduce((sum, place, axis) => sum + place * strides[axis], 0);
  });
  return () => {
    for (let i = 0; i < places.length; i += 1) {
      result[i] = places[i] < 0 ? otherwise : x[places[i]];
    }
  };
}
