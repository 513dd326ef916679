/** Lines around where a map is above a level. */

/**
 * Marching squares: the pieces of the line at which a map crosses a level, between its values.
 * @param {ArrayLike<number>} values
 * @param {number} height
 * @param {number} width
 * @param {number} level
 * @returns {number[][]} x1, y1, x2, y2 of each piece, in cells of the map
 */
export function contours(values, height, width, level) {
  const pieces = [];
  // A border below every level closes the lines of what reaches the edge.
  const at = (/** @type {number} */ y, /** @type {number} */ x) =>
    y < 0 || x < 0 || y >= height || x >= width ? -Infinity : values[y * width + x];
  const between = (/** @type {number} */ a, /** @type {number} */ b) => {
    const share = (level - a) / (b - a);
    return Number.isFinite(share) ? share : a > b ? 1 : 0;
  };
  for (let y = -1; y < height; y++) {
    for (let x = -1; x < width; x++) {
      const corners = [at(y, x), at(y, x + 1), at(y + 1, x + 1), at(y + 1, x)];
      const points = [];
      for (let side = 0; side < 4; side++) {
        const a = corners[side], b = corners[(side + 1) % 4];
        if (a > level === b > level) continue;
        const share = a === -Infinity ? 0.5 : b === -Infinity ? 0.5 : between(a, b);
        points.push([[x + share, y], [x + 1, y + share], [x + 1 - share, y + 1], [x, y + 1 - share]][side]);
      }
      for (let i = 0; i + 1 < points.length; i += 2) pieces.push([...points[i], ...points[i + 1]]);
    }
  }
  return pieces;
}
