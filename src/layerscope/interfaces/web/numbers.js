/** What is asked of many numbers: how far they reach, which is nearest, their mean and spread. */

/**
 * The least and the largest of the finite ones; 0 and 0 where there are none.
 * @param {ArrayLike<number>} values
 * @param {number} [count] how many are looked at
 * @param {(i: number) => number} [at] where the i-th of these stands
 * @returns {[number, number]}
 */
export function extentOf(values, count = values.length, at = (i) => i) {
  let low = Infinity, high = -Infinity;
  for (let i = 0; i < count; i++) {
    const value = values[at(i)];
    if (value < low && value > -Infinity) low = value;
    if (value > high && value < Infinity) high = value;
  }
  return low <= high ? [low, high] : [0, 0];
}

/**
 * Which of some numbers is nearest to another; the first of two that are as near.
 * @param {ArrayLike<number>} numbers
 * @param {number} wanted
 */
export function nearestTo(numbers, wanted) {
  let best = 0;
  for (let i = 1; i < numbers.length; i++) if (Math.abs(numbers[i] - wanted) < Math.abs(numbers[best] - wanted)) best = i;
  return best;
}

/**
 * Mean and standard deviation of the values that indexes stand for; of what is finite.
 * @param {Uint8Array} indexes
 * @param {number} low the value of index 0
 * @param {number} high and of the last
 * @param {number} levels
 */
export function momentsOf(indexes, low, high, levels) {
  let sum = 0, squares = 0, count = 0;
  for (const index of indexes) {
    if (index >= levels) continue;
    sum += index;
    squares += index * index;
    count++;
  }
  const step = (high - low) / (levels - 1), mean = count ? sum / count : 0;
  return { mean: low + mean * step, std: count ? Math.sqrt(Math.max(0, squares / count - mean * mean)) * step : 0 };
}
