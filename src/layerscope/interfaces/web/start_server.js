/** Starts the local page. */

import { ServerHost } from "./hosts/server.js";
import { startPage } from "./main.js";

startPage(new ServerHost(), /** @type {HTMLElement} */ (document.getElementById("layerscope")));
