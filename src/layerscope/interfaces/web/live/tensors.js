/**
 * Arrays of numbers with a shape, as a network's values and weights are.
 *
 * @typedef {{ data: Float32Array, shape: number[] }} Tensor
 *
 * One operation of a program, with its place to write to.
 * @typedef {object} Step
 * @property {Tensor[]} inputs
 * @property {Tensor} output
 * @property {{ [name: string]: any }} settings
 * @property {{ [name: string]: Tensor }} arrays
 */

/**
 * Return how many numbers an array of this shape has.
 *
 * @param {number[]} shape
 * @returns {number}
 */
export function sizeOf(shape) {
  return shape.reduce((size, length) => size * length, 1);
}

/**
 * Return how far apart neighbours along each axis are.
 *
 * @param {number[]} shape
 * @returns {number[]}
 */
export function stridesOf(shape) {
  const strides = new Array(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis -= 1) {
    strides[axis] = strides[axis + 1] * shape[axis + 1];
  }
  return strides;
}

/**
 * Return, for each place of an array of this shape, the number that `place` gives for it.
 *
 * @param {number[]} shape
 * @param {(coordinates: number[]) => number} place gets the place's coordinates
 * @returns {Int32Array}
 */
export function placesOf(shape, place) {
  const places = new Int32Array(sizeOf(shape));
  const coordinates = new Array(shape.length).fill(0);
  for (let i = 0; i < places.length; i += 1) {
    places[i] = place(coordinates);
    for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
      coordinates[axis] += 1;
      if (coordinates[axis] < shape[axis]) break;
      coordinates[axis] = 0;
    }
  }
  return places;
}

/**
 * Return where in an array the values stand that are broadcast to another shape.
 *
 * @param {number[]} from
 * @param {number[]} to
 * @returns {Int32Array}
 */
export function broadcastPlaces(from, to) {
  const strides = stridesOf(from);
  const missing = to.length - from.length;
  return placesOf(to, (coordinates) => {
    let place = 0;
    for (let axis = 0; axis < from.length; axis += 1) {
      if (from[axis] > 1) place += coordinates[axis + missing] * strides[axis];
    }
    return place;
  });
}

/**
 * Return whether two shapes are the same.
 *
 * @param {number[]} one
 * @param {number[]} other
 * @returns {boolean}
 */
export function sameShape(one, other) {
  return one.length === other.length && one.every((length, axis) => length === other[axis]);
}
