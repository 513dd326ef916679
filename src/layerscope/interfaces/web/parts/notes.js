/** What a reader should know of what is shown: what was done to the input, what a file leaves out. */

import { h } from "../dom.js";
import { openDialog } from "./dialog.js";

/**
 * A button that lists the notes; none where there are none.
 * @param {string[]} notes
 * @returns {HTMLElement | null}
 */
export function notesButton(notes) {
  if (!notes.length) return null;
  const open = () => openDialog("Notes", h("ul", { class: "happenings" }, ...notes.map((note) => h("li", {}, note))));
  const label = `What to know of this page: ${notes.length} note${notes.length === 1 ? "" : "s"}`;
  return h("button", { type: "button", "aria-label": label, title: notes.join("\n"), on: { click: open } }, "Notes");
}
