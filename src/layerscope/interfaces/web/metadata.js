/** Where a picture comes from, written into its file. */

const SIGNATURE = 8; // bytes before the first chunk of a PNG file
const HEADER = 25; // of the chunk that must come first

/**
 * A PNG file with fields of text in it, after its first chunk.
 * @param {ArrayBuffer} file
 * @param {Record<string, string>} fields
 * @returns {Blob}
 */
export function pngWith(file, fields) {
  const chunks = Object.entries(fields).map(([name, text]) => textChunk(name, text));
  const cut = SIGNATURE + HEADER;
  return new Blob([file.slice(0, cut), ...chunks, file.slice(cut)], { type: "image/png" });
}

/**
 * A chunk `iTXt`: a keyword, and text in UTF-8.
 * @param {string} name
 * @param {string} text
 * @returns {Uint8Array<ArrayBuffer>}
 */
function textChunk(name, text) {
  const keyword = new TextEncoder().encode(name.replace(/[^ -~]/g, "?").slice(0, 79)), words = new TextEncoder().encode(text);
  const chunk = new Uint8Array(4 + 4 + keyword.length + 5 + words.length + 4), view = new DataView(chunk.buffer);
  view.setUint32(0, chunk.length - 12);
  chunk.set(new TextEncoder().encode("iTXt"), 4);
  chunk.set(keyword, 8); // then five zeros: its end, no compression, no language, no translation
  chunk.set(words, 8 + keyword.length + 5);
  view.setUint32(chunk.length - 4, checksum(chunk.subarray(4, chunk.length - 4)));
  return chunk;
}

/**
 * The checksum of a chunk, CRC-32.
 * @param {Uint8Array} bytes
 */
function checksum(bytes) {
  let sum = 0xffffffff;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ 0xedb88320 : sum >>> 1;
  }
  return (sum ^ 0xffffffff) >>> 0;
}

/**
 * Fields as lines of a description.
 * @param {Record<string, string>} fields
 */
export function described(fields) {
  return Object.entries(fields).map(([name, text]) => `${name}: ${text}`).join("\n");
}
