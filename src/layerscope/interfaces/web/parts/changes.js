/** A recording that is still being written: the page asks how far it has come. */

const PAUSE = 1500; // milliseconds

/**
 * Ask again and again, as long as the page is seen; tell the page when there is more.
 * @param {import("../page.js").Page} page
 * @param {(missing: string) => void} say what is to be said of the recording, empty where all is well
 */
export function watchChanges(page, say) {
  const { host } = page;
  const ask = async () => {
    if (!document.hidden && host.changes) {
      try {
        const changes = await host.changes();
        say(changes.missing);
        // Another window's change may have raised the generation before this one took in the steps.
        const hasGrown = changes.steps && changes.steps.at(-1) !== page.outline.steps.at(-1);
        if (changes.generation !== page.generation || hasGrown) page.grow(changes);
      } catch (error) {
        say(/** @type {Error} */ (error).message);
      }
    }
    window.setTimeout(ask, PAUSE);
  };
  window.setTimeout(ask, PAUSE);
}

/**
 * Wait for the first step of a recording that holds none yet.
 * @param {import("../types.d.ts").Host} host
 * @returns {Promise<boolean>} whether it came; false where nothing of the kind is to be waited for
 */
export async function firstStep(host) {
  for (let waited = false; ; waited = true) {
    const steps = host.changes ? (await host.changes()).steps : undefined;
    if (!steps || (steps.length && !waited)) return false;
    if (steps.length) return true;
    await new Promise((resolve) => { window.setTimeout(resolve, PAUSE); });
  }
}
