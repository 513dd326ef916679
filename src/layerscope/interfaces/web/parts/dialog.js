/** A dialog above the page, closed by Escape, by its button, or by a click beside it. */

import { h } from "../dom.js";

/**
 * Open a dialog; returns it.
 * @param {string} title
 * @param {...Node} children
 * @returns {HTMLDialogElement}
 */
export function openDialog(title, ...children) {
  const dialog = h("dialog", { class: "dialog", "aria-label": title },
    h("header", {}, h("h2", {}, title), h("button", { type: "button", class: "plain", "aria-label": "Close", on: { click: () => dialog.close() } }, "✕")),
    ...children);
  dialog.addEventListener("click", (/** @type {MouseEvent} */ event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
