/** How long things took, for those who measure: see benchmarks/bench_browser.py. */

const MOST = 1000; // of a name; a page that stays open for days keeps no more

/** @type {Map<string, number>} how many there are of each name */
const counts = new Map();

/**
 * Note how long something took that ends now.
 * @param {string} name
 * @param {number} start
 */
export function measured(name, start) {
  const count = counts.get(name) || 0;
  if (count >= MOST) performance.clearMeasures(name);
  counts.set(name, count >= MOST ? 1 : count + 1);
  performance.measure(name, { start, end: performance.now() });
}
