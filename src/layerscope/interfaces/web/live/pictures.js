/** A person's image as the numbers that a network takes, channels last. */

/**
 * @param {Blob} blob
 * @param {import("../types.d.ts").InputForm} form
 * @param {string} resize `stretch` the whole image, `crop` its centre, or `pad` it with black
 * @returns {Promise<Float32Array>}
 */
export async function numbersOf(blob, form, resize) {
  const [height, width, channels] = form.shape;
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob);
  } catch {
    throw new Error("This is no image that the browser can read.");
  }
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
  context.fillStyle = "#000";
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  const times = [width / bitmap.width, height / bitmap.height];
  const both = resize === "crop" ? Math.max(...times) : resize === "pad" ? Math.min(...times) : 0;
  const [w, h] = both ? [bitmap.width * both, bitmap.height * both] : [width, height];
  context.drawImage(bitmap, (width - w) / 2, (height - h) / 2, w, h);
  const { data } = context.getImageData(0, 0, width, height), [low, high] = form.range;
  const numbers = new Float32Array(height * width * channels);
  const scaled = (/** @type {number} */ level) => low + (level / 255) * (high - low);
  for (let i = 0; i < height * width; i++) {
    const [red, green, blue] = [data[4 * i], data[4 * i + 1], data[4 * i + 2]];
    if (channels === 1) numbers[i] = scaled(Math.round((299 * red + 587 * green + 114 * blue) / 1000));
    else [red, green, blue].forEach((level, channel) => { numbers[channels * i + channel] = scaled(level); });
  }
  return numbers;
}
