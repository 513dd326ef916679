/** Starts a page of one panel: a picture that can be looked at closely. */
/* global modules */

import { Colours } from "./colours.js";
import { h } from "./dom.js";
import { setGround, storedGround } from "./ground.js";
import { FileHost } from "./hosts/file.js";
import { Page } from "./page.js";
import { Slot } from "./slot.js";
import { State } from "./state.js";

const root = /** @type {HTMLElement} */ (document.getElementById("layerscope"));
setGround(storedGround());
start(new FileHost((kind) => modules[`panels/${kind}.js`]));

/** @param {FileHost} host */
async function start(host) {
  let outline;
  try {
    outline = await host.outline();
  } catch (error) {
    root.replaceChildren(h("p", { class: "state error", role: "alert" }, /** @type {Error} */ (error).message));
    return;
  }
  const page = new Page({ host, outline, state: new State(), colours: new Colours(outline), root });
  const slot = new Slot(page, { name: "panel", title: outline.title, whole: true });
  const status = h("div", { class: "status" }, "\u00a0");
  page.addEventListener("announce", (event) => { status.textContent = /** @type {CustomEvent} */ (event).detail || "\u00a0"; });
  slot.el.classList.add("alone");
  root.replaceChildren(h("main", { class: "single" }, slot.el, status));
  await slot.show({});
  performance.mark("layerscope.ready");
}
