/** Panels as files, and the Python that draws them. */

import { h } from "./dom.js";
import { described, pngWith } from "./metadata.js";

const LONGEST = 32_000, LARGEST = 64_000_000; // pixels of a picture's side, and of all of it

/**
 * Save a picture under a name.
 * @param {import("./types.d.ts").Picture} picture
 * @param {"png" | "svg"} format
 * @param {Record<string, any>} header
 * @param {string} called
 * @param {Promise<Record<string, string>>} told where it comes from, to be written into the file: the picture is
 *   taken before that is awaited, since another may be shown then
 */
export async function savePicture(picture, format, header, called, told) {
  const name = `${called.replace(/[^\w.-]+/g, "_").slice(0, 80)}.${format}`;
  const canvas = document.createElement("canvas");
  const times = Math.min(format === "png" ? 2 : 1, mostTimes(picture));
  canvas.width = Math.round(picture.width * times);
  canvas.height = Math.round(picture.height * times);
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.scale(times, times);
  if (format === "svg") {
    if (!picture.svg) picture.paint(context);
    const svg = picture.svg ? copied(picture.svg) : wrapped(canvas, picture, header);
    svg.prepend(description(await told));
    const text = new XMLSerializer().serializeToString(svg);
    download(new Blob([text], { type: "image/svg+xml" }), name);
    return;
  }
  if (picture.svg) await paintSvg(context, picture);
  else picture.paint(context);
  /** @type {Blob | null} */
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  if (!blob) throw new Error("The picture is larger than this browser can save.");
  download(pngWith(await blob.arrayBuffer(), await told), name);
}

/**
 * How many times as large a picture may be drawn: no browser's canvas is larger.
 * @param {import("./types.d.ts").Picture} picture
 */
function mostTimes({ width, height }) {
  return Math.min(LONGEST / Math.max(width, height), Math.sqrt(LARGEST / (width * height)));
}

/** @param {string} code */
export async function copyCode(code) {
  try {
    await navigator.clipboard.writeText(code);
  } catch {
    // No clipboard in a file opened from the disk, or without a person's leave: the old way.
    const area = h("textarea", { class: "unseen", "aria-hidden": "true" });
    area.value = code;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

/**
 * A copy that looks the same wherever it stands.
 * @param {SVGElement} svg
 */
function copied(svg) {
  const copy = /** @type {SVGElement} */ (svg.cloneNode(true));
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  const from = [svg, ...svg.querySelectorAll("*")];
  [copy, ...copy.querySelectorAll("*")].forEach((element, i) => {
    const style = getComputedStyle(from[i]);
    for (const name of ["fill", "stroke", "stroke-dasharray", "font", "text-anchor", "opacity"]) {
      const value = style.getPropertyValue(name);
      if (value && value !== "none") element.setAttribute(name, value);
    }
  });
  return copy;
}

/** @param {Record<string, string>} fields */
function description(fields) {
  const desc = document.createElementNS("http://www.w3.org/2000/svg", "desc");
  desc.textContent = described(fields);
  return desc;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {import("./types.d.ts").Picture} picture
 */
async function paintSvg(context, picture) {
  const image = new Image();
  const url = URL.createObjectURL(new Blob([new XMLSerializer().serializeToString(copied(/** @type {SVGElement} */ (picture.svg)))], { type: "image/svg+xml" }));
  image.src = url;
  await image.decode();
  context.drawImage(image, 0, 0, picture.width, picture.height);
  URL.revokeObjectURL(url);
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {import("./types.d.ts").Picture} picture
 * @param {Record<string, any>} header
 */
function wrapped(canvas, picture, header) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  svg.setAttribute("width", String(picture.width));
  svg.setAttribute("height", String(picture.height));
  const title = document.createElementNS("http://www.w3.org/2000/svg", "title");
  title.textContent = header.title;
  const image = document.createElementNS("http://www.w3.org/2000/svg", "image");
  image.setAttribute("width", String(picture.width));
  image.setAttribute("height", String(picture.height));
  image.setAttribute("href", canvas.toDataURL("image/png"));
  svg.append(title, image);
  return svg;
}

/**
 * @param {Blob} blob
 * @param {string} name
 */
export function download(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
