/** A histogram where no Python is at hand: of a unit's map as its colours tell it. See views/histogram.py. */

import { extentOf } from "../numbers.js";
import { Stack } from "../stack.js";

const BINS = 50;

/**
 * The histogram of all values of a stack; null where there are none to count.
 * @param {import("../types.d.ts").Panel} panel
 * @param {number} levels
 * @returns {import("../types.d.ts").Panel | null}
 */
export function histogramOf(panel, levels) {
  const stack = new Stack(panel, levels), values = [];
  for (let map = 0; map < stack.count; map++) for (let at = 0; at < stack.size; at++) values.push(stack.value(map, at));
  if (values.length < 2) return null;
  const finite = values.filter(Number.isFinite);
  let [low, high] = extentOf(finite);
  if (!finite.length || (low === 0 && high === 0)) [low, high] = [0, 1];
  else if (low === high) [low, high] = [low - 0.5, high + 0.5];
  const numbers = new Float64Array(2 * BINS + 1);
  for (let i = 0; i <= BINS; i++) numbers[i] = low + (i / BINS) * (high - low);
  // What has the colour of 0 may be a little more, so zeros do not stand apart.
  for (const value of finite) numbers[BINS + 1 + Math.min(BINS - 1, Math.floor(((value - low) / (high - low)) * BINS))] += 1;
  const most = Math.max(...numbers.subarray(BINS + 1));
  const note = `${values.length} values of this sample, as their colours tell them`;
  return {
    header: {
      kind: "bars", title: panel.header.title, address: panel.header.address, note, most, x: { label: "value" }, y: { logarithmic: false },
      edges: { offset: 0, count: BINS + 1 }, code: String(panel.header.code || "").replace("ls.sheet(", "ls.histogram("),
      groups: [{ label: "", zeros: 0, not_finite: values.length - finite.length, total: values.length, counts: { offset: 8 * (BINS + 1), count: BINS } }],
    },
    buffers: { numbers: numbers.buffer },
  };
}
