/** What stands under a unit's feature visualization: its grades, and a button that makes it. */

import { h, shortNumber } from "../dom.js";
import { unitJobs } from "./unit_jobs.js";

/** The control of one slot, for whichever unit is looked at. */
export class UnitImage {
  /**
   * @param {import("../page.js").Page} page
   * @param {import("../slot.js").Slot} slot
   */
  constructor(page, slot) {
    this.page = page;
    this.slot = slot;
    this.address = "";
    this.jobs = unitJobs(page);
    const { images } = page.outline;
    this.reason = images?.reason || (page.host.images ? "" : "Images of units are made on the local page: layerscope open MODEL INPUT.");
    this.notes = h("div", { class: "grades" });
    this.bar = h("progress", { max: 1, value: 0, "aria-label": "How much of the image is made" });
    this.about = h("span", { class: "about", role: "status" });
    this.error = h("p", { class: "state error", role: "alert", hidden: true });
    this.make = h("button", { type: "button", on: { click: () => this.jobs.start(this.address) } }, "Make an image");
    this.cancel = h("button", { type: "button", on: { click: () => this.jobs.cancel(this.address) } }, "Cancel");
    this.progress = h("div", { class: "row making" }, this.bar, this.about, this.cancel);
    this.el = h("div", { class: "unit-image" }, this.notes, this.error, this.progress, h("div", { class: "row" }, this.make));
    if (this.reason) this.el.append(h("p", { class: "note" }, this.reason));
    this.changed = (/** @type {Event} */ event) => {
      if (/** @type {CustomEvent} */ (event).detail === this.address) this._update();
    };
    this.jobs.addEventListener("change", this.changed);
    slot.shown = (panel) => this._grade(panel);
    slot.el.append(this.el);
  }

  /**
   * Show what there is of a unit.
   * @param {string} address
   */
  show(address) {
    this.address = address;
    return this._update();
  }

  stop() {
    this.jobs.removeEventListener("change", this.changed);
  }

  async _update() {
    const { address } = this, job = this.jobs.get(address);
    const isUnfinished = job?.state === "waiting" || job?.state === "running";
    const hadFocus = this.progress.contains(document.activeElement) || this.make === document.activeElement;
    this.progress.hidden = !isUnfinished;
    this.make.hidden = isUnfinished || Boolean(this.reason);
    if (hadFocus) (isUnfinished ? this.cancel : this.make).focus();
    this.error.hidden = job?.state !== "failed";
    this.error.textContent = job?.error || "";
    if (job && isUnfinished) this._count(job);
    if (isUnfinished && job?.image) await this.slot.put(job.image);
    else await this.slot.show({ address, made: this.page.outline.images?.editions[address] ?? null });
    if (address !== this.address) return;
    if (!this.slot.model) this.notes.replaceChildren();
    this.make.textContent = this.slot.model ? "Make it again" : "Make an image";
  }

  /** @param {import("../types.d.ts").ImageJob} job */
  _count(job) {
    const { step = 0, steps = 0, value, attempt = 1 } = job;
    if (steps) this.bar.value = step / steps;
    else this.bar.removeAttribute("value");
    const again = attempt > 1 ? ", with larger steps" : "";
    const waits = job.state === "waiting" && job.looked ? "waits until another is done" : "begins …";
    this.about.textContent = steps ? `step ${step} of ${steps}${again} · ${shortNumber(value)}` : waits;
  }

  /** @param {import("../types.d.ts").Panel} panel */
  _grade(panel) {
    this.notes.replaceChildren(...(panel.header.notes || []).map((/** @type {string} */ note) => h("p", { class: "note" }, note)));
  }
}
