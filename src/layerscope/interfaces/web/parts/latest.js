/** Doing one thing at a time: of what is asked for meanwhile, only the newest is done. */

/**
 * An action that is slower than those who ask for it.
 * @template T
 */
export class Latest {
  /** @param {(asked: T) => Promise<void>} act */
  constructor(act) {
    this.act = act;
    /** @type {{ asked: T } | null} */
    this.waiting = null;
    /** @type {Promise<void> | null} */
    this.acting = null;
  }

  /**
   * Do it now, or as soon as the one before is done; whoever waited until then is left out.
   * @param {T} asked
   * @returns {Promise<void>} resolved when nothing waits any more
   */
  ask(asked) {
    this.waiting = { asked };
    this.acting ||= this._act();
    return this.acting;
  }

  async _act() {
    try {
      while (this.waiting) {
        const { asked } = this.waiting;
        this.waiting = null;
        await this.act(asked);
      }
    } finally {
      this.acting = null;
    }
  }
}
