/** Starts the site of a survey: its data stand in the document. */

import { startSite } from "./site.js";

startSite(/** @type {HTMLElement} */ (document.getElementById("layerscope")),
  JSON.parse(/** @type {HTMLElement} */ (document.getElementById("data")).textContent || "{}"));
