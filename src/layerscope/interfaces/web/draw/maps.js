/** Maps in their places, coloured as they come into view. */

/**
 * Colour the maps seen, side by side at their own resolution, and put each in its place.
 * @param {CanvasRenderingContext2D} context
 * @param {import("../panels/stack.js").StackDrawing} drawing
 * @param {number} first
 * @param {number} last
 */
export function paintMaps(context, drawing, first, last) {
  const { stack, order, grid } = drawing;
  const count = last - first;
  const across = Math.max(1, Math.min(count, Math.floor(4096 / stack.width)));
  const rows = Math.ceil(count / across);
  const width = across * stack.width, height = rows * stack.height;
  if (drawing.buffer.width !== width || drawing.buffer.height !== height) {
    drawing.buffer.width = width;
    drawing.buffer.height = height;
  }
  const buffer = /** @type {CanvasRenderingContext2D} */ (drawing.buffer.getContext("2d"));
  const image = new ImageData(width, height);
  const words = new Uint32Array(image.data.buffer);
  for (let i = 0; i < count; i++) {
    const start = Math.floor(i / across) * stack.height * width + (i % across) * stack.width;
    fill(words, start, width, drawing, order[first + i]);
  }
  buffer.putImageData(image, 0, 0);
  context.imageSmoothingEnabled = grid.cell[0] < stack.width;
  const dims = drawing.model.view.silent === "dim" && !drawing.free;
  for (let i = 0; i < count; i++) {
    const [x, y, w, hgt] = grid.box(first + i);
    const map = order[first + i];
    context.globalAlpha = dims && stack.silent(map) ? 0.25 : 1;
    context.drawImage(drawing.buffer, (i % across) * stack.width, Math.floor(i / across) * stack.height, stack.width, stack.height, x, y, w, hgt);
    if (stack.silent(map) && stack.size > 1) mark(context, x, y, w, hgt);
  }
  context.globalAlpha = 1;
}

/**
 * Mark a map of a unit that does not fire.
 * @param {CanvasRenderingContext2D} context
 * @param {number} x
 * @param {number} y
 * @param {number} w
 * @param {number} hgt
 */
function mark(context, x, y, w, hgt) {
  context.strokeStyle = "#5c5c68";
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(x, y + hgt);
  context.lineTo(x + w, y);
  context.stroke();
}

/**
 * Put the colours of a map among those of others.
 * @param {Uint32Array} words
 * @param {number} start
 * @param {number} stride
 * @param {import("../panels/stack.js").StackDrawing} drawing
 * @param {number} map
 */
function fill(words, start, stride, drawing, map) {
  const { pixels, height, width, size, colour } = drawing.stack;
  if (colour) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const at = 3 * (y * width + x);
        words[start + y * stride + x] = 0xff000000 | (pixels[at + 2] << 16) | (pixels[at + 1] << 8) | pixels[at];
      }
    }
    return;
  }
  const colours = drawing.colours(map);
  let at = map * size;
  for (let y = 0; y < height; y++) {
    let to = start + y * stride;
    for (let x = 0; x < width; x++) words[to++] = colours[pixels[at++]];
  }
}
