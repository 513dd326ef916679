/** The camera: shown, and a picture taken of what it sees. */

import { h } from "../dom.js";

const LONGEST = 720; // pixels of a picture's longer side

/** What the camera sees, with a button that takes a picture. */
export class Camera {
  /** @param {{ taken: (picture: Blob) => void, say: (text: string) => void }} given */
  constructor({ taken, say }) {
    this.taken = taken;
    this.say = say;
    /** @type {MediaStream | null} */
    this.stream = null;
    this.turn = 0; // how often it was started or stopped
    this.video = h("video", { muted: true, playsinline: true, "aria-label": "What the camera sees" });
    this.take = h("button", { type: "button", on: { click: () => this._take() } }, "Take a picture");
    this.el = h("div", { class: "camera", hidden: true }, this.video, this.take);
  }

  /** Ask for the camera, and show what it sees. */
  async start() {
    const turn = ++this.turn;
    try {
      if (!navigator.mediaDevices) throw new DOMException("", "SecurityError");
      const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user" }, audio: false });
      if (turn !== this.turn) return release(stream); // it was closed while the browser asked
      this.stream = stream;
      this.video.srcObject = stream;
      this.video.muted = true;
      await this.video.play();
    } catch (error) {
      if (turn !== this.turn) return;
      this.stop();
      this.say(sentence(/** @type {DOMException} */ (error).name));
      return;
    }
    if (turn !== this.turn) return;
    this.el.hidden = false;
    this.take.focus();
  }

  /** Let go of the camera. */
  stop() {
    this.turn++;
    if (this.stream) release(this.stream);
    this.stream = null;
    this.video.srcObject = null;
    this.el.hidden = true;
  }

  async _take() {
    const { videoWidth: width, videoHeight: height } = this.video;
    const times = Math.min(1, LONGEST / Math.max(width, height, 1));
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(width * times));
    canvas.height = Math.max(1, Math.round(height * times));
    /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")).drawImage(this.video, 0, 0, canvas.width, canvas.height);
    const picture = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
    if (picture) this.taken(picture);
  }
}

/** Let go of what a camera sends.
 * @param {MediaStream} stream */
function release(stream) {
  for (const track of stream.getTracks()) track.stop();
}

/** Why there is no camera.
 * @param {string} name */
function sentence(name) {
  if (name === "NotAllowedError") return "The camera was not allowed: the browser asks for it beside the page's address.";
  if (name === "NotFoundError" || name === "OverconstrainedError") return "There is no camera here: choose an image instead.";
  if (name === "SecurityError") return "The browser gives no camera to this page: open it at 127.0.0.1, in a window of its own.";
  return `The camera does not answer (${name}): choose an image instead.`;
}
