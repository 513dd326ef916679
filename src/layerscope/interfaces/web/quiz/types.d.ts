/** What a quiz holds. */

export interface QuizData {
  title: string;
  layer: string;
  samples: number;
  /** Whether the clue is images made for the units. */
  made: boolean;
  /** What tells this quiz from others. */
  quiz: string;
}

/** One of the two samples; its picture is the number of a block. */
export interface QuizChoice {
  picture: number;
  value: number;
  name: string;
  label: string;
}

export interface QuizQuestion {
  address: string;
  unit: number;
  /** Whether the clue is that of another unit. */
  control: boolean;
  made: number[];
  strongest: number[];
  weakest: number[];
  left: QuizChoice;
  right: QuizChoice;
}

/** One answer of somebody: a row of the CSV. */
export interface QuizAnswer {
  pupil: string;
  question: number;
  unit: string;
  chosen: string;
  right: boolean;
}
