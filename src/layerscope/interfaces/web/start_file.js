/** Starts the page that is one file: what draws panels is in the same script. */
/* global modules */

import { FileHost } from "./hosts/file.js";
import { startPage } from "./main.js";

startPage(new FileHost((kind) => modules[`panels/${kind}.js`]), /** @type {HTMLElement} */ (document.getElementById("layerscope")));
