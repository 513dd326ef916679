/** Values along positions: each channel as a line, or as a strip of colours. */

import { GAP, Grid } from "./grid.js";
import { extentOf } from "../numbers.js";

const LEFT = 38, LINE = 34, STRIP = 13; // pixels: room for a label, heights
const SHORT = 200; // pixels that a short series gets at least

/**
 * @param {import("../panels/stack.js").StackDrawing} drawing
 * @param {number} width
 */
export function placeSeries(drawing, width) {
  const { stack, order } = drawing;
  const strips = drawing.model.view.as === "strips";
  const alone = stack.count === 1;
  const room = width - 2 * GAP - LEFT;
  const wide = strips || alone ? room : Math.min(room, Math.max(SHORT, 3 * stack.width));
  const columns = Math.max(1, Math.floor((width - GAP) / (wide + LEFT + GAP)));
  const across = Math.floor((width - GAP) / columns) - GAP - LEFT;
  const height = alone ? Math.min(260, Math.max(120, width / 4)) : strips ? STRIP : LINE;
  return new Grid({ count: order.length, width, cell: [across, height], left: LEFT, gap: strips ? 2 : GAP });
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {import("../panels/stack.js").StackDrawing} drawing
 * @param {number} first
 * @param {number} last
 */
export function paintSeries(context, drawing, first, last) {
  const { stack, order, grid } = drawing;
  const strips = drawing.model.view.as === "strips";
  context.font = "10px system-ui, 'DejaVu Sans', sans-serif";
  for (let place = first; place < last; place++) {
    const box = grid.box(place), [x, y, width, height] = box, map = order[place];
    context.textAlign = "right";
    context.textBaseline = "middle";
    context.fillStyle = place === drawing.chosen ? "#ffffff" : stack.silent(map) ? "#6e717e" : "#b4b6c0";
    context.fillText(stack.label(map), x - 5, y + height / 2);
    context.textAlign = "left";
    context.textBaseline = "alphabetic";
    if (strips) {
      paintStrip(context, drawing, map, box);
      continue;
    }
    const range = drawing.range(map), [low, high] = range;
    context.fillStyle = "#1b1c22";
    context.fillRect(x, y, width, height);
    if (low < 0 && high > 0) {
      context.fillStyle = "#34363f";
      context.fillRect(x, Math.round(y + height - 2 - (-low / (high - low)) * (height - 4)), width, 1);
    }
    context.lineWidth = 1;
    drawSeries(context, values(stack, map), box, range, "#6aa6f5");
  }
}

/**
 * A channel as a strip of colours; where several values share a pixel, the one farthest from the middle of the range.
 * @param {CanvasRenderingContext2D} context
 * @param {import("../panels/stack.js").StackDrawing} drawing
 * @param {number} map
 * @param {number[]} box
 */
function paintStrip(context, drawing, map, [x, y, width, height]) {
  const { stack } = drawing, colours = drawing.colours(map);
  const across = Math.max(1, Math.min(stack.width, Math.round(width)));
  const [low, high] = drawing.range(map), middle = (low + high) / 2;
  const image = new ImageData(across, 1), words = new Uint32Array(image.data.buffer);
  const start = map * stack.width;
  for (let pixel = 0; pixel < across; pixel++) {
    const from = Math.floor((pixel * stack.width) / across), to = Math.max(from + 1, Math.floor(((pixel + 1) * stack.width) / across));
    let best = from, reach = -1;
    for (let i = from; i < to && to - from > 1; i++) {
      const away = Math.abs(stack.value(map, i) - middle);
      if (away > reach) { reach = away; best = i; }
    }
    words[pixel] = colours[stack.pixels[start + best]];
  }
  drawing.buffer.width = across;
  drawing.buffer.height = 1;
  /** @type {CanvasRenderingContext2D} */ (drawing.buffer.getContext("2d")).putImageData(image, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(drawing.buffer, 0, 0, across, 1, x, y, width, height);
}

/**
 * @param {import("../stack.js").Stack} stack
 * @param {number} map
 */
function values(stack, map) {
  if (stack.exact) return stack.exact.subarray(map * stack.size, (map + 1) * stack.size);
  const all = new Float32Array(stack.width);
  for (let i = 0; i < all.length; i++) all[i] = stack.value(map, i);
  return all;
}

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
  const [low, high] = range || extentOf(values);
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
