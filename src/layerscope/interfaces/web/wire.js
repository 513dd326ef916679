/** Panels as bytes: see wire.py. */

/**
 * Read a panel from its wire form.
 * @param {ArrayBuffer} data
 * @returns {import("./types.d.ts").Panel}
 */
export function unpacked(data) {
  const length = new DataView(data).getUint32(0, true);
  const told = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  const start = Math.ceil((4 + length) / 8) * 8;
  /** @type {Record<string, ArrayBuffer>} */
  const buffers = {};
  for (const [name, [offset, size]] of Object.entries(told.buffers)) {
    buffers[name] = data.slice(start + offset, start + offset + size);
  }
  return { header: told.header, buffers };
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
