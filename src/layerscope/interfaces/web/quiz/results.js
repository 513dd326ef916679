/** Answers: their score with its interval, and as CSV. */

/** @typedef {import("./types.d.ts").QuizAnswer} QuizAnswer */

const COLUMNS = ["quiz", "pupil", "question", "unit", "chosen", "right"];
const Z = 1.959964; // of the 95 % of a normal distribution

/**
 * Wilson's 95 % interval of a share.
 * @param {number} right
 * @param {number} of
 * @returns {[number, number]}
 */
export function interval(right, of) {
  if (!of) return [0, 1];
  const share = right / of, z2 = Z * Z / of;
  const middle = (share + z2 / 2) / (1 + z2);
  const half = Z * Math.sqrt(share * (1 - share) / of + z2 / (4 * of)) / (1 + z2);
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
}

/**
 * The answers to questions with the unit's clue, and those to questions with another's.
 * @param {QuizAnswer[]} answers
 * @param {import("./types.d.ts").QuizQuestion[]} questions
 * @returns {[QuizAnswer[], QuizAnswer[]]}
 */
export function byControl(answers, questions) {
  const isControl = (/** @type {QuizAnswer} */ answer) => questions[answer.question - 1].control;
  return [answers.filter((answer) => !isControl(answer)), answers.filter(isControl)];
}

/** @param {QuizAnswer[]} answers */
export function rightOf(answers) {
  return answers.filter((answer) => answer.right).length;
}

/**
 * What right answers to questions with another unit's clue say of the others.
 * @param {number} right
 * @param {number} of
 */
export function controlWords(right, of) {
  const [low, high] = interval(right, of);
  if (low > 0.5) return "That is more than chance: much of the score comes without knowing what the units look for.";
  return high < 0.5 ? "That is less than chance." : "That agrees with chance, as it should.";
}

/**
 * How many answers were right, of how many, for each unit in the order given.
 * @param {QuizAnswer[]} answers
 * @param {string[]} units
 */
export function byUnit(answers, units) {
  return units.map((unit) => {
    const some = answers.filter((answer) => answer.unit === unit);
    return { unit, of: some.length, right: some.filter((answer) => answer.right).length };
  });
}

/**
 * A share with its interval, in words: `80 % (58–92 %)`.
 * @param {number} right
 * @param {number} of
 */
export function scoreWords(right, of) {
  if (!of) return "–";
  const [low, high] = interval(right, of);
  return `${Math.round(100 * right / of)} % (${Math.round(100 * low)}–${Math.round(100 * high)} %)`;
}

/**
 * @param {string} quiz
 * @param {QuizAnswer[]} answers
 */
export function csvOf(quiz, answers) {
  const rows = answers.map(({ pupil, question, unit, chosen, right }) => [quiz, pupil, question, unit, chosen, right ? 1 : 0]);
  return [COLUMNS, ...rows].map((row) => row.map((cell) => cellOf(String(cell))).join(",")).join("\r\n") + "\r\n";
}

/**
 * Answers of this quiz from a CSV file.
 * @param {string} text
 * @param {string} quiz
 * @param {string[]} units by the number of the question
 * @returns {QuizAnswer[]}
 */
export function answersOf(text, quiz, units) {
  const [head, ...rows] = rowsOf(text.replace(/^\ufeff/, ""));
  if (!head || head.join() !== COLUMNS.join()) throw new Error("is no file of a quiz's answers.");
  return rows.map((row) => {
    const [of, pupil, question, unit, chosen, right] = row.map(plain);
    if (of !== quiz) throw new Error("has answers to another quiz.");
    const number = Number(question);
    if (units[number - 1] !== unit || !/^[01]$/.test(right)) throw new Error("is damaged.");
    return { pupil, question: number, unit, chosen, right: right === "1" };
  });
}

/**
 * A cell that no spreadsheet takes for a formula.
 * @param {string} text
 */
function cellOf(text) {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** @param {string} text */
function plain(text) {
  return /^'[=+\-@\t\r]/.test(text) ? text.slice(1) : text;
}

/** @param {string} text */
function rowsOf(text) {
  /** @type {string[][]} */
  const rows = [];
  /** @type {string[]} */
  let row = [];
  for (const [, quoted, bare, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|\n|$)/g)) {
    row.push(quoted === undefined ? bare : quoted.replaceAll('""', '"'));
    if (end === ",") continue;
    if (row.length > 1 || row[0]) rows.push(row);
    row = [];
  }
  return rows;
}
