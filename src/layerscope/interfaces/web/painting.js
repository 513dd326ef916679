/** A panel that is made of elements, as a picture: its canvases, its shapes and its text, where they stand. */

/**
 * @param {HTMLElement} el
 * @returns {import("./types.d.ts").Picture}
 */
export function pictureOf(el) {
  const box = el.getBoundingClientRect();
  return {
    width: Math.ceil(box.width), height: Math.ceil(box.height),
    paint(context) {
      context.fillStyle = getComputedStyle(document.body).backgroundColor;
      context.fillRect(0, 0, box.width, box.height);
      for (const canvas of el.querySelectorAll("canvas")) {
        const at = canvas.getBoundingClientRect();
        context.imageSmoothingEnabled = canvas.width > at.width;
        if (canvas.width && at.width) context.drawImage(canvas, at.left - box.left, at.top - box.top, at.width, at.height);
      }
      for (const shape of el.querySelectorAll("svg rect")) {
        const at = shape.getBoundingClientRect();
        context.fillStyle = getComputedStyle(shape).fill;
        context.fillRect(at.left - box.left, at.top - box.top, at.width, at.height);
      }
      paintText(context, el, box);
    },
  };
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {HTMLElement} el
 * @param {DOMRect} box
 */
function paintText(context, el, box) {
  const walker = document.createTreeWalker(el, 4), range = document.createRange(); // 4: its texts
  context.textBaseline = "middle";
  while (walker.nextNode()) {
    const node = walker.currentNode, parent = node.parentElement;
    if (!parent || parent.closest(".unseen, button, select, svg") || !node.textContent?.trim()) continue;
    const style = getComputedStyle(parent);
    context.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
    context.fillStyle = style.color;
    context.textAlign = "left";
    // Word by word, since a sentence may take several lines.
    for (const { 0: word, index } of node.textContent.matchAll(/\S+/g)) {
      range.setStart(node, index);
      range.setEnd(node, index + word.length);
      const at = range.getBoundingClientRect();
      if (at.width) context.fillText(word, at.left - box.left, at.top - box.top + at.height / 2);
    }
  }
}
