/** What keys do, and three hints for those who are here for the first time. */

import { h } from "../dom.js";
import { openDialog } from "./dialog.js";

const KEYS = [
  ["/", "find a layer or a unit"],
  ["↑ ↓", "the layer before, the next one"],
  ["← →", "the unit before, the next one"],
  ["Tab, arrows, Enter", "move among channels or boxes, and open one"],
  ["Escape", "back up: from a unit to its layer"],
  ["n  p", "the next sample, the one before"],
  ["[  ]", "the step before, the next one (of a training)"],
  ["i", "try your own input"],
  ["s", "the next scaling of colours"],
  ["c", "the next palette"],
  ["d", "dark or light"],
  ["?", "this"],
];

const HINTS = [
  "Follow the pattern: the input enters at the head of the graph on the left, and each box shows what its layer made of it. Click a box.",
  "On the right is every channel of that layer. Crossed-out ones are silent on this input. Click one to see all that is known of it.",
  "Change the sample above the graph, or the scaling of colours on top: every picture follows. Press ? for the keys.",
];
const OF_TIME = "Below is the training: press ▶ or drag along its line, and every picture follows. ▲ and ▼ lead to where a unit woke or fell silent; the strip above each channel is a thin line where it was.";
const SEEN = "layerscope-hints-seen";

/** Show what keys do. */
export function openHelp() {
  openDialog("Keys", h("table", { class: "table" }, h("tbody", {}, ...KEYS.map(([key, words]) =>
    h("tr", {}, h("th", { scope: "row" }, h("kbd", {}, key)), h("td", {}, words))))));
}

/**
 * A line of hints, one after the other; none for those who have seen them.
 * @param {boolean} time whether there is a training to go through
 * @returns {HTMLElement | null}
 */
export function hints(time) {
  if (stored() || window.parent !== window) return null; // nor in a frame, which is small
  const lines = time ? [...HINTS.slice(0, 2), OF_TIME] : HINTS;
  let at = 0;
  const words = h("span", {}, lines[0]);
  const next = h("button", { type: "button", on: { click: () => {
    at += 1;
    if (at >= lines.length) return close();
    words.textContent = lines[at];
    next.textContent = at === lines.length - 1 ? "Got it" : `Next (${at + 1} of ${lines.length})`;
  } } }, `Next (1 of ${lines.length})`);
  const el = h("aside", { class: "hint", "aria-label": "Hints" }, words, next,
    h("button", { type: "button", class: "plain", "aria-label": "No more hints", on: { click: () => close() } }, "✕"));
  const close = () => {
    try {
      localStorage.setItem(SEEN, "yes");
    } catch {
      // A document that may keep nothing shows them again.
    }
    el.remove();
  };
  return el;
}

function stored() {
  try {
    return localStorage.getItem(SEEN) !== null;
  } catch {
    return false;
  }
}
