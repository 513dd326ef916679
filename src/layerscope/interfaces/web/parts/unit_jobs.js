/** Images of units that are being made, wherever on the page one is meanwhile. */

const PAUSE = 200; // milliseconds from one look to the next

/** The jobs of a page, by the address of the unit; it tells when one of them has changed. */
export class UnitJobs extends EventTarget {
  /** @param {import("../page.js").Page} page */
  constructor(page) {
    super();
    this.page = page;
    /** @type {Map<string, import("../types.d.ts").ImageJob>} */
    this.jobs = new Map();
  }

  get images() {
    return /** @type {import("../types.d.ts").MakesImages} */ (this.page.host.images);
  }

  /** @param {string} address */
  get(address) {
    return this.jobs.get(address) || null;
  }

  /**
   * Have the image of a unit made.
   * @param {string} address
   */
  async start(address) {
    this._take(address, { job: 0, address, state: "waiting", error: "" });
    try {
      this._take(address, await this.images.start(address));
      this._lookLater(address);
    } catch (error) {
      this._fail(address, error);
    }
  }

  /**
   * End it with what there is.
   * @param {string} address
   */
  async cancel(address) {
    const job = this.get(address);
    if (!job?.job) return;
    try {
      this._take(address, await this.images.cancel(job.job));
    } catch (error) {
      this._fail(address, error);
    }
  }

  /** @param {string} address */
  _lookLater(address) {
    if (this._isUnfinished(address)) window.setTimeout(() => this._look(address), PAUSE);
  }

  /** @param {string} address */
  async _look(address) {
    const before = this.get(address);
    if (!before) return;
    try {
      const job = await this.images.look(before.job);
      job.looked = true;
      job.image = job.images && job.images !== before.images ? await this.images.soFar(job.job) : before.image;
      this._take(address, job);
      this._lookLater(address);
    } catch (error) {
      this._fail(address, error);
    }
  }

  /** @param {string} address */
  _isUnfinished(address) {
    const state = this.get(address)?.state || "";
    return state === "waiting" || state === "running";
  }

  /**
   * @param {string} address
   * @param {import("../types.d.ts").ImageJob} job
   */
  _take(address, job) {
    this.jobs.set(address, job);
    if (job.edition) {
      this.page.outline.images.editions[address] = job.edition;
      this.page.generation = job.generation ?? this.page.generation;
      this.page.announce(job.state === "cancelled" ? `The image of ${address} is as far as it came.` : `The image of ${address} is made.`);
    }
    this.dispatchEvent(new CustomEvent("change", { detail: address }));
  }

  /**
   * @param {string} address
   * @param {unknown} error
   */
  _fail(address, error) {
    this._take(address, { job: 0, address, state: "failed", error: /** @type {Error} */ (error).message });
  }
}

/** @type {WeakMap<import("../page.js").Page, UnitJobs>} */
const ofPages = new WeakMap();

/**
 * The jobs of a page.
 * @param {import("../page.js").Page} page
 */
export function unitJobs(page) {
  const known = ofPages.get(page) || new UnitJobs(page);
  ofPages.set(page, known);
  return known;
}
