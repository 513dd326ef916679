/** Receptive fields: where on the input a part of a map comes from. See views/explorer/fields.py. */

/**
 * The field of a part of a map: the first and last positions on the input, the last left out.
 * @typedef {{ rows: [number, number], columns: [number, number], of: [number, number], along: boolean, because: string, local: boolean }} FieldBox
 */

/**
 * The field of a place in a map of a layer; null where it lies along nothing.
 * @param {Record<string, any> | null | undefined} field what the layer's panel tells of its fields
 * @param {number} unit
 * @param {number} y
 * @param {number} x
 * @param {number} [times] how many rows and columns were made one
 * @returns {FieldBox | null}
 */
export function fieldAt(field, unit, y, x, times = 1) {
  if (!field) return null;
  const { lengths, because, local } = field;
  const { along } = field.units.find((/** @type {any} */ one) => unit < one.to) || field.units[field.units.length - 1];
  const across = stretch(along[along.length - 1], x, times, lengths[lengths.length - 1]);
  if (along.length === 1) return { rows: across, columns: [0, 1], of: [lengths[0], 1], along: true, because, local };
  return { rows: stretch(along[0], y, times, lengths[0]), columns: across, of: [lengths[0], lengths[1]], along: false, because, local };
}

/**
 * A field in words.
 * @param {FieldBox} box
 */
export function fieldWords({ rows, columns, of, along, because, local }) {
  const whole = rows[1] - rows[0] === of[0] && columns[1] - columns[0] === of[1];
  if (whole && because) return `from all of the input, through ${because}`;
  if (rows[0] === rows[1] || columns[0] === columns[1]) return "from nothing of the input";
  const place = along ? span("position", rows) : `${span("row", rows)}, ${span("column", columns)}`;
  const through = because ? `, ${local ? "and all of it " : ""}through ${because}` : "";
  return `from ${place} of the input${through}`;
}

/**
 * Mark a box by a line that is seen on whatever is below.
 * @param {CanvasRenderingContext2D} context
 * @param {number[]} box left, top, width, height
 * @param {number} width of the line
 * @param {number[]} [dash]
 */
export function markBox(context, [x, y, wide, tall], width, dash = []) {
  context.lineWidth = width;
  for (const [colour, room] of /** @type {[string, number][]} */ ([["#000000", width], ["#ffffff", 0]])) {
    context.setLineDash(colour === "#ffffff" ? dash : []);
    context.strokeStyle = colour;
    context.strokeRect(x - room, y - room, wide + 2 * room, tall + 2 * room);
  }
  context.setLineDash([]);
}

/**
 * @param {string} name
 * @param {[number, number]} ends
 */
function span(name, [start, stop]) {
  return stop - start === 1 ? `${name} ${start}` : `${name}s ${start}–${stop - 1}`;
}

/**
 * @param {{ size: number, stride: number, offset: number, starts: number[], stops: number[] }} along
 * @param {number} at
 * @param {number} times
 * @param {number} length
 * @returns {[number, number]}
 */
function stretch(along, at, times, length) {
  const first = at * times, last = first + times - 1, cut = (/** @type {number} */ end) => Math.max(0, Math.min(length, end));
  if (!along.starts) return [cut(along.offset + first * along.stride), cut(along.offset + last * along.stride + along.size)];
  const most = along.starts.length - 1, each = Array.from({ length: times }, (_, i) => Math.min(first + i, most));
  return [Math.min(...each.map((i) => along.starts[i])), Math.max(...each.map((i) => along.stops[i]))];
}
