/** The functions that layers apply to each value, or to all of a vector. */

import { broadcastPlaces } from "./tensors.js";

/**
 * @typedef {import("./tensors.js").Step} Step
 * @typedef {(x: number) => number} ScalarFunction
 */

const SELU_SCALE = 1.0507009873554805;
const SELU_ALPHA = 1.6732632423543772;

/**
 * Return what applies a function.
 *
 * @param {Step} step
 * @returns {() => void}
 */
export function activation(step) {
  const name = step.settings.function;
  if (name === "softmax") return softmax(step);
  if (name === "log_softmax") return logSoftmax(step);
  if (name === "prelu") return prelu(step);
  if (name === "relu" && Object.keys(step.settings).length === 1) return rectify(step);
  const apply = scalarFunction(name, step.settings);
  const x = step.inputs[0].data;
  const result = step.output.data;
  return () => {
    for (let i = 0; i < x.length; i += 1) result[i] = apply(x[i]);
  };
}

/**
 * Return a function of one number.
 *
 * @param {string} name
 * @param {{ [name: string]: any }} settings
 * @returns {ScalarFunction}
 */
function scalarFunction(name, settings) {
  const alpha = settings.alpha ?? 1;
  switch (name) {
    case "relu":
      return bentLine(settings.slope ?? 0, settings.threshold ?? 0, settings.limit ?? Infinity);
    case "elu":
      return (x) => (x > 0 ? x : alpha * Math.expm1(x));
    case "celu":
      return (x) => (x > 0 ? x : alpha * Math.expm1(x / alpha));
    case "selu":
      return (x) => SELU_SCALE * (x > 0 ? x : SELU_ALPHA * Math.expm1(x));
    case "gelu":
      return settings.approximate ? approximateGelu : (x) => (x / 2) * (1 + erf(x / Math.SQRT2));
    case "sigmoid":
      return sigmoid;
    case "tanh":
      return Math.tanh;
    case "softplus":
      return (x) => softplus((settings.beta ?? 1) * x) / (settings.beta ?? 1);
    case "softsign":
      return (x) => x / (1 + Math.abs(x));
    case "silu":
      return (x) => x * sigmoid(x);
    case "mish":
      return (x) => x * Math.tanh(softplus(x));
    case "hard_sigmoid":
      return hardSigmoid;
    case "hard_silu":
      return (x) => x * hardSigmoid(x);
    case "log_sigmoid":
      return (x) => -softplus(-x);
    case "exponential":
      return Math.exp;
    case "clip":
      return clip(settings.low ?? -Infinity, settings.high ?? Infinity);
    case "abs":
      return Math.abs;
    case "square":
      return (x) => x * x;
    case "sqrt":
      return Math.sqrt;
    default:
      throw new Error(`There is no function "${name}" here.`);
  }
}

/**
 * Return a ReLU with a slope of its own, a threshold and a largest value.
 *
 * @param {number} slope
 * @param {number} threshold
 * @param {number} limit
 * @returns {ScalarFunction}
 */
function bentLine(slope, threshold, limit) {
  return (x) => (x >= threshold ? Math.min(x, limit) : slope * (x - threshold));
}

/**
 * Return what keeps numbers between two others.
 *
 * @param {number} low
 * @param {number} high
 * @returns {ScalarFunction}
 */
function clip(low, high) {
  return (x) => Math.min(Math.max(x, low), high);
}

/** @type {ScalarFunction} */
function sigmoid(x) {
  return 1 / (1 + Math.exp(-x));
}

/** @type {ScalarFunction} */
function hardSigmoid(x) {
  return Math.min(Math.max(x / 6 + 0.5, 0), 1);
}

/** @type {ScalarFunction} */
function softplus(x) {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}

/** @type {ScalarFunction} */
function approximateGelu(x) {
  return (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
}

/**
 * Return the error function: by its series near 0, by its asymptotic expansion far from it.
 *
 * @param {number} x
 * @returns {number}
 */
function erf(x) {
  const square = x * x;
  if (square > 9) {
    const tail = 1 - 1 / (2 * square) + 3 / (4 * square * square) - 15 / (8 * square ** 3);
    const rest = (Math.exp(-square) / (Math.abs(x) * Math.sqrt(Math.PI))) * tail;
    return Math.sign(x) * (1 - rest);
  }
  let power = x;
  let sum = x;
  for (let n = 1; Math.abs(power) > 1e-12; n += 1) {
    power *= -square / n;
    sum += power / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

/**
 * Return what sets all that is below zero to zero.
 *
 * @param {Step} step
 * @returns {() => void}
 */
function rectify(step) {
  const x = step.inputs[0].data;
  const result = step.output.data;
  return () => {
    for (let i = 0; i < x.length; i += 1) result[i] = x[i] < 0 ? 0 : x[i];
  };
}

/**
 * Return a ReLU whose slopes were learned.
 *
 * @param {Step} step
 * @returns {() => void}
 */
function prelu(step) {
  const x = step.inputs[0].data;
  const result = step.output.data;
  const slopes = step.arrays.slope;
  const places = broadcastPlaces(slopes.shape, step.output.shape);
  return () => {
    for (let i = 0; i < x.length; i += 1) {
      result[i] = x[i] > 0 ? x[i] : slopes.data[places[i]] * x[i];
    }
  };
}

/**
 * Return what makes probabilities of each vector along the last axis.
 *
 * @param {Step} step
 * @returns {() => void}
 */
function softmax(step) {
  const result = step.output.data;
  const logarithms = logSoftmax(step);
  return () => {
    logarithms();
    for (let i = 0; i < result.length; i += 1) result[i] = Math.exp(result[i]);
  };
}

/**
 * Return what makes logarithms of probabilities of each vector along the last axis.
 *
 * @param {Step} step
 * @returns {() => void}
 */
function logSoftmax(step) {
  const x = step.inputs[0].data;
  const result = step.output.data;
  const length = step.output.shape[step.output.shape.length - 1];
  return () => {
    for (let start = 0; start < x.length; start += length) {
      let largest = -Infinity;
      for (let i = start; i < start + length; i += 1) largest = Math.max(largest, x[i]);
      let sum = 0;
      for (let i = start; i < start + length; i += 1) sum += Math.exp(x[i] - largest);
      const logarithm = Math.log(sum);
      for (let i = start; i < start + length; i += 1) result[i] = x[i] - largest - logarithm;
    }
  };
}
