/** The kind `cards`: small pictures or bars, each with a name, a number and where it leads. */

import { recoloured, valueOf } from "../colours.js";
import { h, s } from "../dom.js";
import { drawSeries } from "../draw/series.js";
import { hashOf } from "../state.js";

const SHORT = 12, END = 9; // characters of a name below a picture, and of a longer one, whose end tells which unit it is

/** @param {{ model: import("../slot.js").PanelModel, el: HTMLElement }} given */
export function render({ model, el }) {
  const draw = () => el.replaceChildren(...parts(model));
  draw();
  model.addEventListener("change", draw);
  return {
    picture: () => pictureOf(el),
    stop: () => model.removeEventListener("change", draw),
  };
}

/** @param {import("../slot.js").PanelModel} model */
function parts(model) {
  const { cards, labels, note, large } = model.panel.header;
  const groups = labels.length ? labels : [""];
  const pictured = cards.some((/** @type {any} */ card) => card.shape);
  const signed = cards.some((/** @type {any} */ card) => card.value < 0);
  const elements = groups.flatMap((/** @type {string} */ title, /** @type {number} */ group) => {
    const list = h("div", { class: pictured ? (large ? "cards large" : "cards") : "cards rows", role: "list", "aria-label": title || model.panel.header.title });
    for (const card of cards) if (card.group === group) list.append(h("div", { role: "listitem" }, cardOf(model, card, pictured, signed)));
    return [...(title ? [h("p", { class: "group" }, title)] : []), list];
  });
  return note ? [...elements, h("p", { class: "note" }, note)] : elements;
}

/**
 * @param {import("../slot.js").PanelModel} model
 * @param {any} card
 * @param {boolean} pictured whether any of the cards has a picture
 * @param {boolean} signed whether any of the values is below 0
 */
function cardOf(model, card, pictured, signed) {
  const leads = Object.keys(card.view).length > 0;
  const shown = pictured && !model.panel.header.large && card.label.length > SHORT ? `…${card.label.slice(-END)}` : card.label;
  const inside = [
    pictured ? (card.shape ? h("span", { class: "seen" }, canvasOf(model, card)) : h("span", { class: "seen empty" })) : null,
    h("span", { class: "label", title: card.label }, shown),
    card.value === null || card.value === undefined ? null : barOf(card.value, model.panel.header.most, signed),
    card.text ? " " : null, card.text ? h("span", { class: "number" }, card.text) : null,
  ];
  if (!leads) return h("span", { class: "card" }, ...inside);
  const step = card.view.step;
  const last = model.page.outline.steps.at(-1);
  return h("a", {
    // What is seen is part of what is read aloud, though it was shortened.
    class: "card", "aria-label": `${shown === card.label ? "" : `${card.label} `}${shown} ${card.text}`.trim(), href: hashOf({ ...model.view, ...card.view }),
    "aria-current": step !== undefined && step === (model.view.step ?? last) ? "true" : null,
    on: { click: (/** @type {MouseEvent} */ event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      model.go(card.view);
    } },
  }, ...inside);
}

/**
 * A bar from the left; where some values are below 0, from the middle to either side.
 * @param {number} value
 * @param {number} most
 * @param {boolean} signed
 */
function barOf(value, most, signed) {
  const zero = signed ? 50 : 0;
  const width = most ? ((100 - zero) * Math.abs(value)) / most : 0;
  return s("svg", { class: "bar", viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" },
    s("rect", { class: value < 0 ? "less" : "more", x: value < 0 ? zero - width : zero, width, height: 6 }),
    s("line", { class: "zero", x1: zero, x2: zero, y1: 0, y2: 6 }));
}

/**
 * A card's picture at its own resolution.
 * @param {import("../slot.js").PanelModel} model
 * @param {any} card
 */
function canvasOf(model, card) {
  const { page, panel, view } = model, header = panel.header;
  const [height, width] = card.shape;
  if (height === 1 && width > 2) return lineOf(model, card);
  const wide = width > height;
  const canvas = h("canvas", { width, height, class: wide ? "wide" : "tall" });
  const image = new ImageData(width, height), words = new Uint32Array(image.data.buffer);
  const pixels = new Uint8Array(panel.buffers.pixels, card.offset, width * height * (card.format === "rgb" ? 3 : 1));
  const colours = new Uint32Array(256);
  const palette = header.fixed ? header.palette : view.palette;
  const { low, high } = header.scale;
  const own = low === null || (view.scale === "unit" && !header.fixed);
  recoloured(colours, page.colours.table(palette, page.ground), page.colours.levels, card.low, card.high,
    own ? [card.low, card.high] : [low, high], page.colours.isDiverging(palette));
  for (let i = 0; i < words.length; i++) {
    words[i] = card.format === "rgb" ? 0xff000000 | (pixels[3 * i + 2] << 16) | (pixels[3 * i + 1] << 8) | pixels[3 * i] : colours[pixels[i]];
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

/**
 * A card's values along positions as a line.
 * @param {import("../slot.js").PanelModel} model
 * @param {any} card
 */
function lineOf(model, card) {
  const { panel, page } = model, { low, high } = panel.header.scale;
  const own = low === null || (model.view.scale === "unit" && !panel.header.fixed);
  const pixels = new Uint8Array(panel.buffers.pixels, card.offset, card.shape[1]);
  const values = Float32Array.from(pixels, (index) => valueOf(index, card.low, card.high, page.colours.levels));
  const canvas = h("canvas", { width: 144, height: 96, class: "wide" }), context = canvas.getContext("2d");
  const range = own ? [card.low, card.high] : [low, high];
  if (range[0] < 0 && range[1] > 0) {
    context.fillStyle = "#4a4c57";
    context.fillRect(0, 94 - (-range[0] / (range[1] - range[0])) * 92, 144, 1);
  }
  context.lineWidth = 2;
  drawSeries(context, values, [0, 0, 144, 96], range, "#6aa6f5");
  return canvas;
}

/**
 * The cards as they stand there, drawn: pictures, bars and words.
 * @param {HTMLElement} el
 */
function pictureOf(el) {
  const bounds = el.getBoundingClientRect();
  return {
    width: bounds.width, height: bounds.height,
    paint: (/** @type {CanvasRenderingContext2D} */ context) => {
      const style = getComputedStyle(el);
      context.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--raised");
      context.fillRect(0, 0, bounds.width, bounds.height);
      context.imageSmoothingEnabled = false;
      for (const canvas of el.querySelectorAll("canvas")) {
        const box = canvas.getBoundingClientRect();
        context.drawImage(canvas, box.left - bounds.left, box.top - bounds.top, box.width, box.height);
      }
      for (const rect of el.querySelectorAll("svg.bar rect")) {
        const box = rect.getBoundingClientRect();
        context.fillStyle = getComputedStyle(rect).fill;
        context.fillRect(box.left - bounds.left, box.top - bounds.top, box.width, box.height);
      }
      context.textBaseline = "middle";
      for (const words of el.querySelectorAll(".label, .number, .group, .note")) {
        const box = words.getBoundingClientRect();
        context.fillStyle = style.color;
        context.font = getComputedStyle(words).font;
        context.fillText(words.textContent || "", box.left - bounds.left, box.top - bounds.top + box.height / 2, box.width + 4);
      }
    },
  };
}
