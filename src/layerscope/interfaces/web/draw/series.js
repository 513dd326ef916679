/** Values along positions, as a line. */

/**
 * Draw values as a line over a box. Of several values at one pixel the least and the largest are
 * drawn, so that a long series looks as all of it would.
 * @param {CanvasRenderingContext2D} context
 * @param {ArrayLike<number>} values
 * @param {number[]} box left, top, width and height
 * @param {number[] | null} range of the values that the box covers; their own where null
 * @param {string} colour
 */
export function drawSeries(context, values, box, range, colour) {
  const [left, top, width, height] = box;
  const [low, high] = range || extent(values);
  const up = (/** @type {number} */ value) =>
    top + height - 2 - (high > low ? Math.min(1, Math.max(0, (value - low) / (high - low))) : 0.5) * (height - 4);
  const count = values.length;
  context.strokeStyle = colour;
  context.beginPath();
  let pen = false;
  const to = (/** @type {number} */ x, /** @type {number} */ y) => { if (pen) context.lineTo(x, y); else context.moveTo(x, y); pen = true; };
  if (count <= 2 * width) {
    for (let i = 0; i < count; i++) {
      if (Number.isFinite(values[i])) to(left + ((i + 0.5) / count) * width, up(values[i]));
      else pen = false;
    }
  } else {
    for (let pixel = 0; pixel < width; pixel++) {
      const first = Math.floor((pixel * count) / width), last = Math.floor(((pixel + 1) * count) / width);
      let least = Infinity, most = -Infinity, rises = true;
      for (let i = first; i < last; i++) {
        if (values[i] < least) { least = values[i]; rises = false; }
        if (values[i] > most) { most = values[i]; rises = true; }
      }
      if (least > most) { pen = false; continue; }
      to(left + pixel + 0.5, up(rises ? least : most));
      to(left + pixel + 0.5, up(rises ? most : least));
    }
  }
  context.stroke();
}

/**
 * @param {ArrayLike<number>} values
 * @returns {[number, number]}
 */
function extent(values) {
  let low = Infinity, high = -Infinity;
  for (let i = 0; i < values.length; i++) {
    if (values[i] < low) low = values[i];
    if (values[i] > high) high = values[i];
  }
  return low <= high ? [low, high] : [0, 0];
}
