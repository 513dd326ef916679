/** Convolutions and dense layers: sums of what is received, each times a weight. */

/**
 * @typedef {import("./tensors.js").Step} Step
 * @typedef {import("./tensors.js").Tensor} Tensor
 */

/**
 * Return what computes a convolution, each output channel from all channels of its group.
 *
 * @param {Step} step
 * @returns {() => void}
 */
export function conv2d(step) {
  const { output, settings, arrays } = step;
  const [input] = step.inputs;
  const [height, width, channels] = input.shape;
  const [rows, columns, filters] = output.shape;
  const [kernelRows, kernelColumns, received] = arrays.kernel.shape;
  const [strideY, strideX] = settings.strides;
  const [dilationY, dilationX] = settings.dilation;
  const top = settings.padding[0][0];
  const left = settings.padding[1][0];
  const made = filters / settings.groups;
  const x = input.data;
  const kernel = arrays.kernel.data;
  const result = output.data;
  const start = biasOf(step, filters);
  const sums = new Float64Array(filters);

  return () => {
    let end = 0;
    for (let row = 0; row < rows; row += 1) {
      for (let column = 0; column < columns; column += 1) {
        sums.set(start);
        for (let ky = 0; ky < kernelRows; ky += 1) {
          const y = row * strideY + ky * dilationY - top;
          if (y < 0 || y >= height) continue;
          for (let kx = 0; kx < kernelColumns; kx += 1) {
            const at = column * strideX + kx * dilationX - left;
            if (at < 0 || at >= width) continue;
            const place = (y * width + at) * channels;
            const weights = (ky * kernelColumns + kx) * received * filters;
            for (let group = 0; group < settings.groups; group += 1) {
              const first = place + group * received;
              addProducts(sums, group * made, made, x, first, received, kernel, weights, filters);
            }
          }
        }
        result.set(sums, end);
        end += filters;
      }
    }
  };
}

/**
 * Return what computes a convolution of each channel by itself.
 *
 * @param {Step} step
 * @returns {() => void}
 */
export function depthwiseConv2d(step) {
  const { output, settings, arrays } = step;
  const [input] = step.inputs;
  const [height, width, channels] = input.shape;
  const [rows, columns, filters] = output.shape;
  const [kernelRows, kernelColumns, , multiplier] = arrays.kernel.shape;
  const [strideY, strideX] = settings.strides;
  const [dilationY, dilationX] = settings.dilation;
  const top = settings.padding[0][0];
  const left = settings.padding[1][0];
  const x = input.data;
  const kernel = arrays.kernel.data;
  const result = output.data;
  const start = biasOf(step, filters);
  const sums = new Float64Array(filters);

  return () => {
    let end = 0;
    for (let row = 0; row < rows; row += 1) {
      for (let column = 0; column < columns; column += 1) {
        sums.set(start);
        for (let ky = 0; ky < kernelRows; ky += 1) {
          const y = row * strideY + ky * dilationY - top;
          if (y < 0 || y >= height) continue;
          for (let kx = 0; kx < kernelColumns; kx += 1) {
            const at = column * strideX + kx * dilationX - left;
            if (at < 0 || at >= width) continue;
            const place = (y * width + at) * channels;
            const weights = (ky * kernelColumns + kx) * filters;
            for (let channel = 0, filter = 0; channel < channels; channel += 1) {
              const value = x[place + channel];
              for (let copy = 0; copy < multiplier; copy += 1, filter += 1) {
                sums[filter] += value * kernel[weights + filter];
              }
            }
          }
        }
        result.set(sums, end);
        end += filters;
      }
    }
  };
}

/**
 * Return what computes a dense layer, on each vector along the last axis.
 *
 * @param {Step} step
 * @returns {() => void}
 */
export function dense(step) {
  const x = step.inputs[0].data;
  const [received, units] = step.arrays.kernel.shape;
  const kernel = step.arrays.kernel.data;
  const result = step.output.data;
  const start = biasOf(step, units);
  const sums = new Float64Array(units);

  return () => {
    for (let place = 0, end = 0; place < x.length; place += received, end += units) {
      sums.set(start);
      addProducts(sums, 0, units, x, place, received, kernel, 0, units);
      result.set(sums, end);
    }
  };
}

/**
 * Add to sums of filters what each makes of a row of values.
 *
 * Four values are taken at once, so that a sum is read and written once for them; where all four
 * are 0, as behind a ReLU, they are left out.
 *
 * @param {Float64Array} sums
 * @param {number} first the first of the filters
 * @param {number} count how many filters there are
 * @param {Float32Array} x
 * @param {number} start where the values begin
 * @param {number} length how many values there are
 * @param {Float32Array} kernel
 * @param {number} weights where the weights of the first value begin
 * @param {number} step how far apart the weights of two values are
 */
function addProducts(sums, first, count, x, start, length, kernel, weights, step) {
  const end = first + count;
  const whole = length - (length % 4);
  let base = weights;
  for (let i = start; i < start + whole; i += 4, base += 4 * step) {
    const [a, b, c, d] = [x[i], x[i + 1], x[i + 2], x[i + 3]];
    if (a === 0 && b === 0 && c === 0 && d === 0) continue;
    for (let filter = first, at = base + first; filter < end; filter += 1, at += 1) {
      sums[filter] +=
        a * kernel[at] +
        b * kernel[at + step] +
        c * kernel[at + 2 * step] +
        d * kernel[at + 3 * step];
    }
  }
  for (let i = start + whole; i < start + length; i += 1, base += step) {
    const value = x[i];
    if (value === 0) continue;
    for (let filter = first, at = base + first; filter < end; filter += 1, at += 1) {
      sums[filter] += value * kernel[at];
    }
  }
}

/**
 * Return what a sum for each filter begins with.
 *
 * @param {Step} step
 * @param {number} filters
 * @returns {Float64Array}
 */
function biasOf(step, filters) {
  const bias = step.arrays.bias;
  return bias ? Float64Array.from(bias.data) : new Float64Array(filters);
}
