/** Starts a quiz: its questions and pictures stand in the document. */

import { startQuiz } from "./quiz.js";

/** @param {string} id */
function text(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id)).textContent || "";
}

const questions = new TextDecoder().decode(Uint8Array.from(atob(text("block-0")), (letter) => letter.charCodeAt(0)));
startQuiz(/** @type {HTMLElement} */ (document.getElementById("layerscope")), JSON.parse(text("data")), JSON.parse(questions),
  (number) => text(`block-${number}`));
