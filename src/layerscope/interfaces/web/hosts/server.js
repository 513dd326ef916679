/** The local page: panels come from the server when they are asked for. */

import { KeptPanels } from "./kept.js";
import { unpacked } from "../wire.js";

/** A server that answers for a model or a recording. */
export class ServerHost {
  constructor() {
    this._kept = new KeptPanels();
    this._age = 0; // how often the subject has changed
  }

  /** @returns {Promise<import("../types.d.ts").Outline>} */
  async outline() {
    return (await asked("/api/outline")).json();
  }

  /**
   * @param {string} name
   * @param {import("../types.d.ts").Words} words
   * @param {AbortSignal} [signal]
   * @returns {Promise<import("../types.d.ts").Panel | null>}
   */
  async panel(name, words, signal) {
    const path = `/api/panel/${encodeURIComponent(name)}?${queryOf(words)}`;
    const kept = this._kept.get(path);
    if (kept !== undefined) return kept;
    const age = this._age;
    const response = await asked(path, { signal });
    const data = response.status === 204 ? null : await response.arrayBuffer();
    const panel = data && unpacked(data);
    if (age === this._age) this._kept.put(path, panel, data ? data.byteLength : 0); // else it may be of before the change
    return panel;
  }

  /**
   * @param {import("../types.d.ts").Words} words
   * @returns {Promise<Record<string, string>>}
   */
  async provenance(words) {
    return (await asked(`/api/provenance?${queryOf(words)}`)).json();
  }

  /** @returns {Promise<import("../types.d.ts").Changes>} */
  async changes() {
    return (await asked("/api/changes")).json();
  }

  /**
   * Take a person's own input.
   * @param {Blob | number[]} given
   * @param {{ name: string, into: number | null }} how
   * @returns {Promise<import("../types.d.ts").OwnSample>}
   */
  async input(given, { name, into }) {
    const words = new URLSearchParams({ name, ...(into === null ? {} : { into: String(into) }) });
    const body = given instanceof Blob ? given : new Blob([JSON.stringify({ numbers: given })], { type: "application/json" });
    return (await asked(`/api/input?${words}`, { method: "POST", body })).json();
  }

  /** Images of units, made while one watches.
   * @returns {import("../types.d.ts").MakesImages} */
  get images() {
    const post = async (/** @type {string} */ path) => (await asked(path, { method: "POST" })).json();
    return {
      start: (address) => post(`/api/images?${new URLSearchParams({ address })}`),
      look: async (job) => (await asked(`/api/images/${job}`)).json(),
      cancel: (job) => post(`/api/images/${job}/cancel`),
      soFar: async (job) => {
        const response = await asked(`/api/images/${job}/image`);
        return response.status === 204 ? null : unpacked(await response.arrayBuffer());
      },
    };
  }

  /** Forget what was sent: the subject has changed. */
  forget() {
    this._age++;
    this._kept.clear();
  }

  /**
   * @param {string} kind
   * @returns {Promise<import("../types.d.ts").Renderer>}
   */
  renderer(kind) {
    return import(`../panels/${kind.replace(/[^a-z_]/g, "")}.js`);
  }
}

/**
 * Words as a query, the same for the same words.
 * @param {import("../types.d.ts").Words} words
 */
function queryOf(words) {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(words)) {
    if (value !== null && value !== undefined && value !== "") query.set(key, String(value));
  }
  query.sort();
  return query;
}

/**
 * @param {string} path
 * @param {RequestInit} [init]
 */
async function asked(path, init) {
  let response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (/** @type {Error} */ (error).name === "AbortError") throw error;
    throw new Error("The server does not answer: was it stopped?");
  }
  if (response.ok) return response;
  const explained = (response.headers.get("Content-Type") || "").startsWith("application/json");
  throw new Error(explained ? (await response.json()).error : `The server answers ${response.status}: try again in a moment.`);
}
