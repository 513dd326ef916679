/** What an examination found: a list, from which one goes to the layer or the unit that each is about. */

import { h } from "../dom.js";
import { openDialog } from "./dialog.js";

/**
 * A button that lists what was found; none where the network was not examined.
 * @param {import("../page.js").Page} page
 * @returns {HTMLElement | null}
 */
export function findingsButton(page) {
  const findings = page.outline.findings;
  if (!findings) return null;
  const failing = findings.filter((one) => one.severity === "failing").length;
  const count = findings.length === 1 ? "1 finding" : `${findings.length} findings`;
  const label = `What an examination found: ${count}, ${failing} failing`;
  return h("button", { type: "button", class: failing ? "findings failing" : "findings", "aria-label": label, title: label, on: { click: () => list(page, findings) } }, count);
}

/**
 * @param {import("../page.js").Page} page
 * @param {import("../types.d.ts").Finding[]} findings
 */
function list(page, findings) {
  const items = findings.map((one) => h("li", {}, place(page, one, () => dialog.close()), h("p", {}, one.words)));
  const nothing = h("p", {}, "The network was examined, and nothing was found.");
  const dialog = openDialog("What an examination found", items.length ? h("ul", { class: "happenings" }, ...items) : nothing);
}

/**
 * The name of a finding: a button where the page has what it is about.
 * @param {import("../page.js").Page} page
 * @param {import("../types.d.ts").Finding} one
 * @param {() => void} close
 */
function place(page, one, close) {
  const name = `${one.severity}: ${one.kind}${one.address ? `, ${one.address}` : ""}`;
  const { address, step } = one;
  if (address === null || !page.layers.has(address.replace(/:\d+$/, ""))) return h("strong", {}, name);
  const go = () => {
    close();
    page.state.go(step === null || !page.outline.steps.length ? { address } : { address, step });
  };
  return h("button", { type: "button", on: { click: go } }, name);
}
