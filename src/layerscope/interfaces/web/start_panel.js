/** Starts a page of one panel: a picture that can be looked at closely. */
/* global modules */

import { Colours } from "./colours.js";
import { h, printable } from "./dom.js";
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
  const colours = new Colours(outline), known = { palette: colours.names };
  const state = new State(outline.palette ? { palette: outline.palette } : {}, known);
  const page = new Page({ host, outline, state, colours, root });
  const slot = new Slot(page, { name: "panel", title: outline.title, whole: true, alone: true });
  const status = h("div", { class: "status" }, "\u00a0");
  page.addEventListener("announce", (event) => { status.textContent = printable(/** @type {CustomEvent} */ (event).detail) || "\u00a0"; });
  state.addEventListener("change", () => slot.again());
  slot.el.classList.add("alone");
  document.addEventListener("keydown", (event) => press(event, page, slot));
  root.replaceChildren(h("main", { class: "single" }, slot.el, status));
  await slot.show({});
  performance.mark("layerscope.ready");
}

/**
 * What the keys do that work wherever one is: another palette, dark or light.
 * @param {KeyboardEvent} event
 * @param {Page} page
 * @param {Slot} slot
 */
function press(event, page, slot) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || /** @type {HTMLElement} */ (event.target).closest("select")) return;
  const { names } = page.colours;
  if (event.key === "c") page.state.go({ palette: names[(names.indexOf(page.state.view.palette) + 1) % names.length] });
  if (event.key !== "d") return;
  setGround(page.ground === "dark" ? "light" : "dark");
  slot.again();
}
