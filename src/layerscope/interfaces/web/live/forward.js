/**
 * A network's forward pass, with nothing but the program that Python wrote.
 *
 * `layerscope.core.operations` says what each operation means; `instruments/evaluation.py` is the
 * same in NumPy.
 */

import { activation } from "./activations.js";
import { combination, rescale } from "./arithmetic.js";
import { conv2d, dense, depthwiseConv2d } from "./convolutions.js";
import { concat, constant, copy, crop, pad, transpose, upsample } from "./places.js";
import { averagePool, globalAveragePool, globalMaxPool, maxPool } from "./pooling.js";
import { sizeOf } from "./tensors.js";

/**
 * @typedef {import("./tensors.js").Step} Step
 * @typedef {import("./tensors.js").Tensor} Tensor
 *
 * @typedef {object} Operation
 * @property {string} address
 * @property {string} kind
 * @property {string[]} inputs
 * @property {number[]} shape
 * @property {{ [name: string]: any }} settings
 * @property {{ [name: string]: { buffer: string, shape: number[] } }} arrays
 * @property {boolean} is_layer
 *
 * @typedef {object} Program
 * @property {{ version: number, input: { address: string, shape: number[] }, output: string,
 *   operations: Operation[] }} header
 * @property {{ [name: string]: ArrayBuffer | Uint8Array | Float32Array }} buffers
 *
 * @typedef {object} Network
 * @property {{ address: string, shape: number[] }} input what it takes
 * @property {string} output the address of its answer
 * @property {string[]} layers the addresses of its layers, in the order of execution
 * @property {(input: ArrayLike<number>) => Map<string, Tensor>} run
 */

/** The version of programs that this module reads. */
const VERSION = 1;

/** @type {{ [kind: string]: (step: Step) => () => void }} */
const OPERATIONS = {
  conv2d,
  depthwise_conv2d: depthwiseConv2d,
  dense,
  rescale,
  max_pool: maxPool,
  average_pool: averagePool,
  global_average_pool: globalAveragePool,
  global_max_pool: globalMaxPool,
  activation,
  add: combination("add"),
  subtract: combination("subtract"),
  multiply: combination("multiply"),
  divide: combination("divide"),
  average: combination("average"),
  maximum: combination("maximum"),
  minimum: combination("minimum"),
  concat,
  pad,
  crop,
  upsample,
  transpose,
  reshape: copy,
  constant,
  identity: copy,
};

/**
 * Make a program ready to be run.
 *
 * `run` takes the input's numbers, channels last, and returns every layer's values by address, the
 * input's too. The arrays belong to the network: the next run writes to them.
 *
 * @param {Program} program
 * @returns {Network}
 */
export function compile(program) {
  const { header, buffers } = program;
  if (header.version !== VERSION) {
    throw new Error(`The network is of version ${header.version}, and this page reads ${VERSION}.`);
  }
  const input = emptyTensor(header.input.shape);
  /** @type {Map<string, Tensor>} */
  const values = new Map([[header.input.address, input]]);
  const runs = header.operations.map((operation) => {
    const output = emptyTensor(operation.shape);
    if (!Object.hasOwn(OPERATIONS, operation.kind)) {
      throw new Error(`This page knows no operation "${operation.kind}".`);
    }
    const run = OPERATIONS[operation.kind]({
      inputs: operation.inputs.map((address) => valueOf(values, address)),
      output,
      settings: operation.settings,
      arrays: arraysOf(operation, buffers),
    });
    values.set(operation.address, output);
    return run;
  });
  const layers = header.operations.filter((each) => each.is_layer).map((each) => each.address);
  const shown = new Map(
    [header.input.address, ...layers].map((address) => [address, valueOf(values, address)]),
  );

  return {
    input: header.input,
    output: header.output,
    layers,
    run(numbers) {
      if (numbers.length !== input.data.length) {
        const wanted = header.input.shape.join(" × ");
        throw new Error(`The network takes ${wanted} numbers, and got ${numbers.length}.`);
      }
      input.data.set(numbers);
      for (const run of runs) run();
      return shown;
    },
  };
}

/**
 * @param {number[]} shape
 * @returns {Tensor}
 */
function emptyTensor(shape) {
  return { data: new Float32Array(sizeOf(shape)), shape };
}

/**
 * @param {Map<string, Tensor>} values
 * @param {string} address
 * @returns {Tensor}
 */
function valueOf(values, address) {
  const value = values.get(address);
  if (!value) throw new Error(`Nothing in the network is called "${address}".`);
  return value;
}

/**
 * Return the weights of an operation.
 *
 * @param {Operation} operation
 * @param {{ [name: string]: ArrayBuffer | Uint8Array | Float32Array }} buffers
 * @returns {{ [name: string]: Tensor }}
 */
function arraysOf(operation, buffers) {
  return Object.fromEntries(
    Object.entries(operation.arrays).map(([name, { buffer, shape }]) => [
      name,
      { data: floatsOf(buffers[buffer]), shape },
    ]),
  );
}

/**
 * Return bytes as float32, in place where they are aligned.
 *
 * @param {ArrayBuffer | Uint8Array | Float32Array} bytes
 * @returns {Float32Array}
 */
function floatsOf(bytes) {
  if (bytes instanceof Float32Array) return bytes;
  if (bytes instanceof ArrayBuffer) return new Float32Array(bytes);
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  return new Float32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4);
}
