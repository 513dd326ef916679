/** Light or dark: as one chose it, else as what is around the page is. */

/** @param {string} ground */
export function setGround(ground) {
  document.documentElement.dataset.ground = ground;
}

/** The ground that was chosen before; of a page that may keep nothing, as in a notebook, its surroundings'. */
export function storedGround() {
  try {
    const kept = localStorage.getItem("layerscope-ground");
    if (kept === "dark" || kept === "light") return kept;
  } catch {
    // A document that may keep nothing.
  }
  return around() || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
}

/** What a notebook says of its theme, where the page is in a cell of it and may ask: JupyterLab, marimo, VS Code. */
function around() {
  try {
    const { jpThemeLight, theme, vscodeThemeKind } = window.frameElement?.ownerDocument.body.dataset || {};
    if (jpThemeLight) return jpThemeLight === "false" ? "dark" : "light";
    const named = /dark|light/.exec(theme || vscodeThemeKind || "");
    return named ? named[0] : "";
  } catch {
    return "";
  }
}
