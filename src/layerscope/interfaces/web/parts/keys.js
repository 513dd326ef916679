/** Keys that work wherever one is on the page, unless one is writing or in a dialog. */

import { openHelp } from "./help.js";
import { openSearch } from "./search.js";


/**
 * Listen to the keyboard.
 * @param {import("../page.js").Page} page
 * @param {{ turn: () => void }} shell
 */
export function listenToKeys(page, shell) {
  document.addEventListener("keydown", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    const writes = target.closest("input, select, textarea, dialog, [contenteditable]");
    if (event.ctrlKey || event.metaKey || event.altKey || writes || event.defaultPrevented) return;
    const act = actionOf(event.key, page, shell);
    if (!act) return;
    event.preventDefault();
    act();
  });
}

/**
 * @param {string} key
 * @param {import("../page.js").Page} page
 * @param {{ turn: () => void }} shell
 * @returns {(() => void) | null}
 */
function actionOf(key, page, shell) {
  const { view } = page.state;
  const { layer, unit } = page.place(view.address);
  const next = (/** @type {string[]} */ words, /** @type {string} */ word) => words[(words.indexOf(word) + 1) % words.length];
  /** @type {Record<string, () => void>} */
  const actions = {
    "/": () => openSearch(page),
    "?": () => openHelp(),
    d: () => shell.turn(),
    s: () => page.state.go({ scale: next(page.scales.map(([scale]) => scale), view.scale) }),
    c: () => page.state.go({ palette: next(page.colours.names, view.palette) }),
    n: () => page.state.go({ sample: Math.min(page.outline.samples.length - 1, view.sample + 1) }),
    p: () => page.state.go({ sample: Math.max(0, view.sample - 1) }),
    "[": () => page.goToStep(page.placeOf(page.step) - 1),
    "]": () => page.goToStep(page.placeOf(page.step) + 1),
    ArrowDown: () => page.state.go({ address: neighbour(page, layer, 1) }),
    ArrowUp: () => page.state.go({ address: neighbour(page, layer, -1) }),
  };
  if (view.address) actions.Escape = () => page.state.go({ address: unit === null ? "" : layer });
  if (unit !== null) {
    const count = page.layers.get(layer)?.units || 1;
    actions.ArrowRight = () => page.state.go({ address: `${layer}:${(unit + 1) % count}` });
    actions.ArrowLeft = () => page.state.go({ address: `${layer}:${(unit + count - 1) % count}` });
  }
  return actions[key] || null;
}

/**
 * The layer so many places on.
 * @param {import("../page.js").Page} page
 * @param {string} layer
 * @param {number} by
 */
function neighbour(page, layer, by) {
  const names = [...page.layers.keys()];
  const at = names.indexOf(layer);
  return names[Math.max(0, Math.min(names.length - 1, at < 0 ? 0 : at + by))];
}
