/** Single values: as rows with a bar each where they are few or have names, else as cells. */

import { shortNumber } from "../dom.js";
import { GAP, Grid } from "./grid.js";

const FEW = 64, MANY = 4096; // units
const ROW = [340, 20], CELL = [50, 32], SMALL = [9, 9]; // pixels
const FONT = "11px system-ui, 'DejaVu Sans', sans-serif";
const INK = "#dedee4", SOFT = "#9a9ca8", MORE = "#6aa6f5", LESS = "#f0906a";

/**
 * @param {import("../panels/stack.js").StackDrawing} drawing
 * @param {number} width
 */
export function placeVector(drawing, width) {
  const { stack, order } = drawing;
  const cell = inRows(stack) ? [Math.min(ROW[0], width - 2 * GAP), ROW[1]] : stack.count > MANY ? SMALL : CELL;
  const rows = inRows(stack);
  return new Grid({ count: order.length, width, cell, gap: rows ? 4 : 2, least: rows ? cell[0] + 16 : 0, per: stack.parts.length });
}

/** Whether each unit gets a row of its own: few of them, or such as have names; not what is only an index.
 * @param {import("../stack.js").Stack} stack */
function inRows(stack) {
  return (stack.count <= FEW && !stack.header.whole) || Boolean(stack.header.names);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {import("../panels/stack.js").StackDrawing} drawing
 * @param {number} first
 * @param {number} last
 */
export function paintVector(context, drawing, first, last) {
  context.font = FONT;
  context.textBaseline = "middle";
  const paint = inRows(drawing.stack) ? paintRow : paintCell;
  for (let place = first; place < last; place++) paint(context, drawing, place);
  context.textAlign = "left";
  context.textBaseline = "alphabetic";
}

/**
 * A unit's number or name, its bar and its value.
 * @param {CanvasRenderingContext2D} context
 * @param {import("../panels/stack.js").StackDrawing} drawing
 * @param {number} place
 */
function paintRow(context, drawing, place) {
  const { stack, grid, order } = drawing;
  const [x, y, width, height] = grid.box(place), map = order[place], value = stack.value(map, 0);
  const named = stack.header.names, compared = stack.parts.length > 1, label = named || compared ? 150 : 34, number = 62, middle = y + height / 2;
  const [low, high] = drawing.range(map);
  const from = Math.min(0, low), to = Math.max(0, high), room = width - label - number - 8;
  const at = (/** @type {number} */ v) => x + label + ((Math.min(to, Math.max(from, v)) - from) / (to - from || 1)) * room;
  context.textAlign = "left";
  context.fillStyle = stack.silent(map) ? SOFT : INK;
  const first = map % stack.parts.length === 0, name = first ? `${stack.label(map)} ${named ? named[stack.unit(map)] || "" : ""}`.trim() : "";
  const words = compared ? `${name ? `${name} · ` : "    "}${stack.part(map)}` : name;
  context.fillText(shortened(context, words, label - 6), x, middle);
  context.fillStyle = "#26272e";
  context.fillRect(x + label, y + 3, room, height - 6);
  if (Number.isFinite(value)) {
    context.fillStyle = value < 0 ? LESS : MORE;
    context.fillRect(Math.min(at(0), at(value)), y + 3, Math.max(1, Math.abs(at(value) - at(0))), height - 6);
  }
  context.fillStyle = SOFT;
  context.fillRect(at(0), y + 1, 1, height - 2);
  context.textAlign = "right";
  context.fillStyle = INK;
  context.fillText(shortNumber(value), x + width, middle);
}

/**
 * A unit's value in a cell of its colour, with its number.
 * @param {CanvasRenderingContext2D} context
 * @param {import("../panels/stack.js").StackDrawing} drawing
 * @param {number} place
 */
function paintCell(context, drawing, place) {
  const { stack, grid, order } = drawing;
  const [x, y, width, height] = grid.box(place), map = order[place];
  const word = drawing.colours(map)[stack.pixels[map]];
  const [r, g, b] = [word & 255, (word >> 8) & 255, (word >> 16) & 255];
  context.fillStyle = `rgb(${r} ${g} ${b})`;
  context.fillRect(x, y, width, height);
  if (width < 30) return;
  const light = 0.3 * r + 0.6 * g + 0.1 * b > 128;
  context.fillStyle = light ? "#000000aa" : "#ffffffb0";
  context.textAlign = "left";
  context.fillText(stack.label(map), x + 3, y + 9);
  context.fillStyle = light ? "#000000" : "#ffffff";
  context.textAlign = "right";
  context.fillText(shortNumber(stack.value(map, 0)), x + width - 3, y + height - 9);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {string} text
 * @param {number} room
 */
function shortened(context, text, room) {
  let shown = text;
  while (shown.length > 2 && context.measureText(shown).width > room) shown = `${shown.slice(0, -2).trimEnd()}…`;
  return shown;
}
