/** Where the parts of a sheet stand: in rows, or in groups, each of which is rows of its own. */

export const GAP = 6;

/** Boxes of one size in rows; of several to a group, a group's boxes stay together. */
export class Grid {
  /**
   * @param {{ count: number, width: number, cell: number[], label?: number, left?: number, gap?: number, per?: number, least?: number }} given
   *   `cell` is the size of a box, `label` the room above it and `left` the room at its left, `per` how many make a group,
   *   `least` how wide a box with its label is at least
   */
  constructor({ count, width, cell, label = 0, left = 0, gap = GAP, per = 1, least = 0 }) {
    this.count = count;
    this.cell = cell;
    this.label = label;
    this.left = left;
    this.per = per;
    this.pitch = [Math.max(cell[0] + left, least) + gap, cell[1] + gap + label];
    const fit = Math.max(1, Math.floor((width - GAP) / this.pitch[0]));
    this.inner = Math.min(per, fit);
    this.rows = Math.ceil(per / this.inner);
    const room = per > 1 ? 2 * GAP : 0;
    this.group = [this.inner * this.pitch[0] + room, this.rows * this.pitch[1] + room];
    const groups = Math.ceil(count / per);
    this.across = Math.max(1, Math.min(groups || 1, Math.floor((width - GAP + room) / this.group[0])));
    this.height = Math.ceil(groups / this.across) * this.group[1] + GAP;
    /** How many places further the one below is. */
    this.columns = per > 1 ? this.inner : this.across;
  }

  /**
   * Left, top, width and height of a part.
   * @param {number} place
   */
  box(place) {
    const group = Math.floor(place / this.per), within = place % this.per;
    return [
      GAP + (group % this.across) * this.group[0] + (within % this.inner) * this.pitch[0] + this.left,
      GAP + Math.floor(group / this.across) * this.group[1] + Math.floor(within / this.inner) * this.pitch[1] + this.label,
      this.cell[0], this.cell[1],
    ];
  }

  /**
   * Which part is at a point, its label included; -1 for none.
   * @param {number} x
   * @param {number} y
   */
  at(x, y) {
    const column = Math.floor((x - GAP) / this.group[0]), row = Math.floor((y - GAP) / this.group[1]);
    const across = Math.floor((x - GAP - column * this.group[0]) / this.pitch[0]), down = Math.floor((y - GAP - row * this.group[1]) / this.pitch[1]);
    const within = down * this.inner + across;
    if (column < 0 || column >= this.across || row < 0 || across >= this.inner || within < 0 || within >= this.per) return -1;
    const place = (row * this.across + column) * this.per + within;
    return place < this.count ? place : -1;
  }

  /**
   * The first of the parts in view, and the one after the last.
   * @param {number} top
   * @param {number} height
   */
  seen(top, height) {
    const row = this.across * this.per;
    const first = Math.max(0, Math.floor((top - GAP) / this.group[1])) * row;
    return [first, Math.min(this.count, (Math.floor((top + height) / this.group[1]) + 1) * row)];
  }
}
