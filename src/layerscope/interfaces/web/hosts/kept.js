/** What a host keeps of what it sent: what was used last, up to so many bytes. */

const MOST = 64_000_000; // bytes

/** Panels by name; those that nobody asked for the longest go first. */
export class KeptPanels {
  constructor() {
    /** @type {Map<string, { panel: import("../types.d.ts").Panel | null, size: number }>} */
    this.entries = new Map();
    this.bytes = 0;
  }

  /**
   * What is kept under a name; undefined where nothing is, null where it is known that there is no panel.
   * @param {string} name
   */
  get(name) {
    const entry = this.entries.get(name);
    if (!entry) return undefined;
    this.entries.delete(name);
    this.entries.set(name, entry);
    return entry.panel;
  }

  /**
   * @param {string} name
   * @param {import("../types.d.ts").Panel | null} panel
   * @param {number} size in bytes
   */
  put(name, panel, size) {
    this.bytes += size - (this.entries.get(name)?.size || 0); // it may have been asked for twice at once
    this.entries.set(name, { panel, size });
    for (const [first, entry] of this.entries) {
      if (this.bytes <= MOST || first === name) break;
      this.entries.delete(first);
      this.bytes -= entry.size;
    }
  }

  clear() {
    this.entries.clear();
    this.bytes = 0;
  }
}
