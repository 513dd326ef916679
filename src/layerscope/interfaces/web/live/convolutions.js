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
  const sums = new Float64Array(columns * filters); // of one row
  const ranges = columnsWithin(step, kernelColumns);
  const across = strideX * channels; // from what one result begins with to the next one's

  return () => {
    for (let row = 0; row < rows; row += 1) {
      for (let column = 0; column < columns; column += 1) sums.set(start, column * filters);
      for (let ky = 0; ky < kernelRows; ky += 1) {
        const y = row * strideY + ky * dilationY - top;
        if (y < 0 || y >= height) continue;
        for (let kx = 0; kx < kernelColumns; kx += 1) {
          const [first, last] = ranges[kx];
          const begin = (y * width + kx * dilationX - left) * channels;
          const weights = (ky * kernelColumns + kx) * received * filters;
          // Four channels for a whole row: so much of the kernel stays at hand.
          for (let group = 0; group < settings.groups; group += 1) {
            const to = group * made;
            for (let channel = 0; channel < received; channel += 4) {
              const from = begin + group * received + channel;
              const many = Math.min(4, received - channel);
              const at = weights + channel * filters + to;
              let column = first;
              for (; many === 4 && column < last; column += 2) {
                const sum = to + column * filters;
                addTwice(sums, sum, made, x, from + column * across, across, kernel, at, filters);
              }
              for (; column <= last; column += 1) {
                const sum = to + column * filters;
                addProducts(sums, sum, made, x, from + column * across, many, kernel, at, filters);
              }
            }
          }
        }
      }
      result.set(sums, row * columns * filters);
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
      for (let i = 0; i < received; i += 4) {
        const many = Math.min(4, received - i);
        addProducts(sums, 0, units, x, place + i, many, kernel, i * units, units);
      }
      result.set(sums, end);
    }
  };
}

/**
 * Return, for each column of a kernel, the first and the last result that it finds a value for.
 *
 * @param {Step} step
 * @param {number} kernelColumns
 * @returns {[number, number][]}
 */
function columnsWithin(step, kernelColumns) {
  const width = step.inputs[0].shape[1];
  const columns = step.output.shape[1];
  const { strides, dilation, padding } = step.settings;
  return Array.from({ length: kernelColumns }, (_, kx) => {
    const shift = kx * dilation[1] - padding[1][0];
    const first = Math.max(0, Math.ceil(-shift / strides[1]));
    const last = Math.min(columns - 1, Math.floor((width - 1 - shift) / strides[1]));
    return [first, last];
  });
}

/**
 * Add to sums of filters what each makes of up to four values, which stand side by side.
 *
 * So a sum is read and written once for four values; where all are 0, as behind a ReLU, not at all.
 *
 * @param {Float64Array} sums
 * @param {number} to the place of the first filter's sum
 * @param {number} count how many filters there are
 * @param {Float32Array} x
 * @param {number} from where the values begin
 * @param {number} many how many values there are
 * @param {Float32Array} kernel
 * @param {number} at where the weights of the first value begin
 * @param {number} apart how far apart the weights of two values are
 */
function addProducts(sums, to, count, x, from, many, kernel, at, apart) {
  if (many === 4) {
    const a = x[from];
    const b = x[from + 1];
    const c = x[from + 2];
    const d = x[from + 3];
    if (a === 0 && b === 0 && c === 0 && d === 0) return;
    for (let i = 0; i < count; i += 1) {
      const place = at + i;
      sums[to + i] +=
        a * kernel[place] +
        b * kernel[place + apart] +
        c * kernel[place + 2 * apart] +
        d * kernel[place + 3 * apart];
    }
    return;
  }
  for (let value = 0; value < many; value += 1) {
    const a = x[from + value];
    if (a === 0) continue;
    for (let i = 0; i < count; i += 1) sums[to + i] += a * kernel[at + value * apart + i];
  }
}

/**
 * Add to the sums of two neighbouring results what each filter makes of four values of theirs.
 *
 * So a weight is read once for two results: a third of the time is won.
 *
 * @param {Float64Array} sums
 * @param {number} to the place of the first filter's sum; the other result's follow on this one's
 * @param {number} count how many filters there are
 * @param {Float32Array} x
 * @param {number} from where the values begin
 * @param {number} across how far from there those of the other result begin
 * @param {Float32Array} kernel
 * @param {number} at where the weights of the first value begin
 * @param {number} apart how far apart the weights of two values, and the sums of results, are
 */
function addTwice(sums, to, count, x, from, across, kernel, at, apart) {
  const [a, b, c, d] = [x[from], x[from + 1], x[from + 2], x[from + 3]];
  const next = from + across;
  const [e, f, g, h] = [x[next], x[next + 1], x[next + 2], x[next + 3]];
  for (let i = 0; i < count; i += 1) {
    const place = at + i;
    const k = kernel[place];
    const l = kernel[place + apart];
    const m = kernel[place + 2 * apart];
    const n = kernel[place + 3 * apart];
    sums[to + i] += a * k + b * l + c * m + d * n;
    sums[to + apart + i] += e * k + f * l + g * m + h * n;
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
