/** Making elements: text is always text, never markup, since names come from other people's files. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an element. `on` holds listeners, `class` and other names attributes.
 * @param {string} tag
 * @param {Record<string, any>} [attributes]
 * @param {...(Node | string | number | null | undefined)} children
 * @returns {any}
 */
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/**
 * Make an element of SVG.
 * @param {string} tag
 * @param {Record<string, any>} [attributes]
 * @param {...(Node | string | number | null | undefined)} children
 * @returns {any}
 */
export function s(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

/**
 * @param {Element} element
 * @param {Record<string, any>} attributes
 * @param {(Node | string | number | null | undefined)[]} children
 */
function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, /** @type {any} */ (listener));
    } else if (value === true) element.setAttribute(name, "");
    else if (name === "title" || name === "aria-label") element.setAttribute(name, printable(String(value ?? "")));
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, String(value));
  }
  for (const child of children) {
    if (child !== null && child !== undefined) element.append(child instanceof Node ? child : printable(String(child)));
  }
  return element;
}

/** What is not seen, or turns the direction of what stands beside it; what joins emoji stays. */
const UNSEEN = /(?!\u200d)[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/**
 * A text with an escape in place of each character that can't be seen, as Python writes it.
 * @param {string} text
 */
export function printable(text) {
  return text.replace(UNSEEN, (character) => {
    const short = { "\n": "\\n", "\t": "\\t", "\r": "\\r" }[character];
    const code = character.codePointAt(0) || 0;
    const digits = code < 0x100 ? 2 : code < 0x10000 ? 4 : 8;
    return short || `\\${digits === 2 ? "x" : digits === 4 ? "u" : "U"}${code.toString(16).padStart(digits, "0")}`;
  });
}

/**
 * A choice among a few words.
 * @param {string} label
 * @param {[string, string][]} options value and what is shown
 * @param {string} chosen
 * @param {(value: string) => void} changed
 */
export function choice(label, options, chosen, changed) {
  const select = h("select", { "aria-label": label, on: { change: () => changed(select.value) } });
  for (const [value, shown] of options) select.append(h("option", { value, selected: value === chosen }, shown));
  select.value = chosen;
  return select;
}

/**
 * Call a function at most once before the next picture of the screen.
 * @param {() => void} draw
 */
export function beforeNextFrame(draw) {
  let waiting = 0;
  const ask = () => {
    if (!waiting) waiting = requestAnimationFrame(() => { waiting = 0; draw(); });
  };
  ask.cancel = () => { cancelAnimationFrame(waiting); waiting = 0; };
  return ask;
}

/**
 * A number to three digits.
 * @param {number | null | undefined} value
 */
export function shortNumber(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  const text = size !== 0 && (size >= 1e5 || size < 1e-3) ? value.toExponential(2) : String(Number(value.toPrecision(3)));
  return text.replace("-", "−");
}
