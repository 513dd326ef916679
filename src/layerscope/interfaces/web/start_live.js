/** Starts the page that is one file with its network in it. */
/* global modules */

import { LiveHost } from "./hosts/live.js";
import { startPage } from "./main.js";

startPage(new LiveHost((kind) => modules[`panels/${kind}.js`]), /** @type {HTMLElement} */ (document.getElementById("layerscope")));
