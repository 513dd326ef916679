/** The quiz: a start, its questions one after the other, and the score. */

import { h, shortNumber } from "../dom.js";
import { setGround, storedGround } from "../ground.js";
import { copyCode, download } from "../saving.js";
import { answersOf, byControl, byUnit, controlWords, csvOf, rightOf, scoreWords } from "./results.js";

/** @typedef {import("./types.d.ts").QuizQuestion} QuizQuestion */
/** @typedef {import("./types.d.ts").QuizAnswer} QuizAnswer */
/** @typedef {"left" | "right"} Side */

/**
 * @param {HTMLElement} root
 * @param {import("./types.d.ts").QuizData} data
 * @param {QuizQuestion[]} questions
 * @param {(number: number) => string} block the letters of a picture
 */
export function startQuiz(root, data, questions, block) {
  setGround(storedGround());
  const units = questions.map((question) => question.address), controls = questions.filter((question) => question.control).length;
  const key = `layerscope-quiz-${data.quiz}`;
  /** @type {QuizAnswer[]} */
  const answers = stored(key);
  let pupil = "", at = 0;
  /** @type {((event: KeyboardEvent) => void) | null} */
  let pressed = null;

  const main = h("main", { class: "quiz-main" });
  root.replaceChildren(h("div", { class: "quiz" }, h("header", { class: "top" }, h("h1", { class: "name" }, `Quiz: ${data.layer}`),
    h("span", { class: "about" }, data.title), h("span", { class: "room" }),
    h("button", { class: "plain", "aria-label": "Dark or light", on: { click: turn } }, "◐")), main));
  window.addEventListener("keydown", (event) => {
    if (pressed && !event.ctrlKey && !event.metaKey && !event.altKey) pressed(event);
  });

  /** @param {...(Node | null)} content */
  function put(...content) {
    main.replaceChildren(...content.filter((node) => node !== null));
    main.scrollTop = 0;
  }

  function start() {
    pressed = null;
    const name = h("input", { type: "text", "aria-label": "Your name", placeholder: "your name (may stay empty)", maxlength: 60 });
    const clue = data.made ? "images that were made to excite it" : "the samples on which it fires most, and those on which it fires least";
    put(h("section", { class: "page start" }, h("h2", {}, "What does each unit look for?"),
      h("p", {}, `${questions.length} questions. Each is about one unit of ${data.layer}. You see ${clue}. `
        + "Then two other samples: which of them makes the unit fire more?"),
      controls ? h("p", {}, `In ${controls} of them you see another unit's instead, and nothing tells which: there the clue is of no use, `
        + "and what can be answered all the same shows what the others would be without it.") : null,
      h("form", { class: "row", on: { submit: (/** @type {Event} */ event) => { event.preventDefault(); pupil = unused(name.value.trim()); at = 0; ask(); } } },
        name, h("button", { type: "submit", class: "next" }, "begin")),
      answers.length ? h("p", {}, h("button", { class: "plain", on: { click: score } }, `the class's score (${pupils(answers)})`)) : null));
    name.focus();
  }

  /**
   * A name that nobody has answered by.
   * @param {string} name
   */
  function unused(name) {
    const taken = new Set(answers.map((answer) => answer.pupil));
    const candidate = (/** @type {number} */ i) => name ? (i === 1 ? name : `${name} (${i})`) : `pupil ${i}`;
    let i = 1;
    while (taken.has(candidate(i))) i++;
    return candidate(i);
  }

  function ask() {
    const question = questions[at];
    const said = h("p", { class: "verdict", role: "status" });
    const choices = /** @type {Side[]} */ (["left", "right"]).map((side) => choiceOf(question, side, () => answer(side)));
    const next = h("button", { class: "next", hidden: true, on: { click: go } }, at + 1 < questions.length ? "next" : "the score");
    let done = false;

    /** @param {Side} side */
    function answer(side) {
      if (done) return;
      done = true;
      const stronger = question.left.value > question.right.value ? "left" : "right", right = side === stronger;
      answers.push({ pupil, question: at + 1, unit: question.address, chosen: side, right });
      keep();
      for (const [i, side2] of /** @type {Side[]} */ (["left", "right"]).entries()) {
        const { value, name, label } = question[side2];
        choices[i].disabled = true;
        choices[i].classList.add(side2 === stronger ? "stronger" : "weaker");
        choices[i].setAttribute("aria-pressed", String(side2 === side));
        choices[i].append(h("span", { class: "fires" }, h("b", {}, shortNumber(value)), ` ${name}${label ? `, ${label}` : ""}`));
      }
      said.textContent = (right ? "Right." : `No: it fires more on the ${stronger} one.`) + (question.control ? " The clue was another unit's." : "");
      said.classList.add(right ? "good" : "wrong");
      next.hidden = false;
      next.focus();
    }

    function go() {
      at += 1;
      if (at < questions.length) ask();
      else score();
    }

    pressed = (event) => {
      if (event.key === "ArrowLeft") answer("left");
      if (event.key === "ArrowRight") answer("right");
    };
    put(h("section", { class: "page question" },
      h("p", { class: "about" }, `question ${at + 1} of ${questions.length}`),
      h("h2", { tabindex: -1 }, `Which of the two makes unit ${question.unit} fire more?`),
      h("div", { class: "choices" }, ...choices), h("div", { class: "after" }, said, next), clueOf(question)));
    /** @type {HTMLElement} */ (main.querySelector("h2")).focus();
  }

  /**
   * @param {QuizQuestion} question
   * @param {Side} side
   * @param {() => void} chosen
   */
  function choiceOf(question, side, chosen) {
    return h("button", { class: "choice", on: { click: chosen } }, h("span", { class: "unseen" }, `the ${side} one`),
      picture(question[side].picture, ""), h("kbd", { "aria-hidden": "true" }, side === "left" ? "←" : "→"));
  }

  /** @param {QuizQuestion} question */
  function clueOf(question) {
    const group = (/** @type {string} */ title, /** @type {number[]} */ pictures) => pictures.length
      ? h("section", { class: "panel", "aria-label": title }, h("h3", {}, title),
        h("div", { class: "clue" }, ...pictures.map((number, i) => picture(number, `${i + 1} of ${pictures.length}`)))) : null;
    if (question.made.length) return h("div", { class: "clues" }, group("An image made for it", question.made));
    return h("div", { class: "clues" }, group("It fires most on", question.strongest), group("It fires least on", question.weakest));
  }

  /**
   * @param {number} number
   * @param {string} alt
   */
  function picture(number, alt) {
    return h("img", { src: `data:image/webp;base64,${block(number)}`, alt, draggable: "false" });
  }

  function score() {
    pressed = null;
    const [asked, control] = byControl(answers, questions), [of, ofControl] = [asked.length, control.length];
    const mine = asked.filter((answer) => answer.pupil === pupil);
    const right = rightOf(mine), all = rightOf(asked);
    const words = h("p", { class: "state", role: "status" });
    const file = h("input", { type: "file", accept: ".csv,text/csv", multiple: true, "aria-label": "Add answers of others (CSV)", on: { change: add } });

    async function add() {
      const lines = [];
      for (const one of file.files) {
        try {
          lines.push(`${one.name}: ${added(answersOf(await one.text(), data.quiz, units))} answers are new.`);
        } catch (error) {
          lines.push(`${one.name} ${/** @type {Error} */ (error).message}`);
        }
      }
      keep();
      score();
      /** @type {HTMLElement} */ (main.querySelector(".state")).textContent = lines.join(" ");
    }

    const rows = byUnit(asked, [...new Set(questions.filter((question) => !question.control).map((question) => question.address))]);
    const csv = () => csvOf(data.quiz, answers);
    put(h("section", { class: "page score" },
      mine.length ? h("h2", { tabindex: -1 }, `${pupil}: ${right} of ${mine.length} right`) : h("h2", { tabindex: -1 }, "The class's score"),
      h("p", {}, `All together, ${pupils(answers)}: ${all} of ${of} right, ${scoreWords(all, of)}. Guessing gives 50 %.`),
      ofControl ? h("p", { class: "control" }, `With the clue of another unit: ${rightOf(control)} of ${ofControl} right, ${scoreWords(rightOf(control), ofControl)}. `
        + controlWords(rightOf(control), ofControl)) : null,
      h("div", { class: "row" }, h("button", { class: "next", on: { click: start } }, "next pupil"),
        h("button", { on: { click: () => download(new Blob([csv()], { type: "text/csv" }), `quiz-${data.quiz}.csv`) } }, "save as CSV"),
        h("button", { on: { click: () => copyCode(csv()) } }, "copy"),
        h("label", { class: "file" }, "add answers of others ", file),
        h("button", { class: "plain", on: { click: () => { answers.length = 0; keep(); start(); } } }, "forget all answers")),
      words,
      h("section", { class: "panel", "aria-label": "How well each unit was understood" }, h("h3", {}, "How well each unit was understood"),
        h("p", { class: "note" }, "The share of right answers, with its 95 % interval: where that lies above 50 %, people can tell what the unit looks for."),
        h("table", { class: "table" }, h("thead", {}, h("tr", {}, ...["unit", "right", "of", "share (95 %)"].map((name, i) =>
          h("th", { scope: "col", class: i ? "numeric" : "" }, name)))),
        h("tbody", {}, ...rows.map(({ unit, right: good, of }) => h("tr", {}, h("th", { scope: "row" }, unit),
          h("td", { class: "numeric" }, String(good)), h("td", { class: "numeric" }, String(of)), h("td", { class: "numeric" }, scoreWords(good, of)))))))));
    /** @type {HTMLElement} */ (main.querySelector("h2")).focus();
  }

  /**
   * Add answers of others, each once; returns how many are new.
   * @param {QuizAnswer[]} others
   */
  function added(others) {
    const known = new Set(answers.map((one) => JSON.stringify([one.pupil, one.question])));
    const fresh = others.filter((one) => !known.has(JSON.stringify([one.pupil, one.question])));
    answers.push(...fresh);
    return fresh.length;
  }

  function keep() {
    try {
      localStorage.setItem(key, JSON.stringify(answers));
    } catch {
      // A page that may keep nothing: answers last as long as it is open.
    }
  }

  function turn() {
    const ground = document.documentElement.dataset.ground === "dark" ? "light" : "dark";
    setGround(ground);
    try {
      localStorage.setItem("layerscope-ground", ground);
    } catch {
      // As above.
    }
  }

  start();
  performance.mark("layerscope.ready");
}

/** @param {QuizAnswer[]} answers */
function pupils(answers) {
  const count = new Set(answers.map((answer) => answer.pupil)).size;
  return `${count} ${count === 1 ? "pupil" : "pupils"}`;
}

/**
 * @param {string} key
 * @returns {QuizAnswer[]}
 */
function stored(key) {
  try {
    const kept = JSON.parse(localStorage.getItem(key) || "[]");
    return Array.isArray(kept) ? kept : [];
  } catch {
    return [];
  }
}
