/** Panels as bytes: see wire.py. */

/** What a header holds unless it says otherwise, as in wire.py. @type {Record<string, Record<string, any>>} */
const USUAL = {
  "stack": {
    "version": 1, "note": "", "ground": "dark", "palette": "viridis",
    "scale": { "mode": "unit", "text": "each map on its own range", "low": null, "high": null },
    "form": "maps", "labels": [], "counts": "channel", "silences": false, "whole": false,
    "thinned": 1, "left_out": 0, "over_steps": null, "not_finite": 0
  }
};

/**
 * Read a panel from its wire form.
 * @param {ArrayBuffer} data
 * @returns {import("./types.d.ts").Panel}
 */
export function unpacked(data) {
  const length = new DataView(data).getUint32(0, true);
  const told = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  const body = data.slice(Math.ceil((4 + length) / 8) * 8);
  if (told.planes) inOrder(new Uint8Array(body, told.planes[0], told.planes[1]));
  /** @type {Record<string, ArrayBuffer>} */
  const buffers = {};
  for (const [name, [offset, size]] of Object.entries(told.buffers)) buffers[name] = body.slice(offset, offset + size);
  if (told.rows) addUp(new Uint8Array(buffers.pixels), told.rows);
  return { header: { ...USUAL[told.header.kind], ...told.header }, buffers };
}

/**
 * Put the four bytes of each number together again, that were sent by their weight.
 * @param {Uint8Array} bytes
 */
function inOrder(bytes) {
  const sent = bytes.slice(), count = bytes.length / 4;
  for (let weight = 0; weight < 4; weight++) {
    for (let i = 0, at = weight * count; i < count; i++) bytes[4 * i + 3 - weight] = sent[at++];
  }
}

/**
 * Make pixels again of rows that were sent as their difference from the one above.
 * @param {Uint8Array} pixels
 * @param {number} row
 */
function addUp(pixels, row) {
  for (let i = row; i < pixels.length; i++) pixels[i] += pixels[i - row];
}

/**
 * Bytes from base64.
 * @param {string} text
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function fromBase64(text) {
  const letters = atob(text), bytes = new Uint8Array(letters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes;
}
