/** The shapes of what travels between the modules of the page. */

export interface Panel {
  header: Record<string, any> & { kind: string; title: string };
  buffers: Record<string, ArrayBuffer>;
}

export interface LayerInfo {
  address: string; type: string; kind: string; axes: string[]; shape: number[];
  units: number; counts: string;
}

export interface Outline {
  version: string; title: string; framework: string; about: string; notes: string[];
  samples: { name: string; edition?: number }[]; recorded: number; steps: number[]; epochs: (number | null)[];
  moments: string[]; generation: number; trained?: number;
  layers: LayerInfo[]; unit_panels: { name: string; title: string }[]; levels: number;
  palettes: Record<string, string>; diverging: string[]; palette?: string; grounds: Record<string, any>; can: Record<string, boolean>;
  inputs: InputForm;
  images: { reason: string; editions: Record<string, number> };
  findings?: Finding[];
}

/** What an examination found: in which layer, or which unit, the page goes to. */
export interface Finding { kind: string; severity: string; headline: string; words: string; address: string | null; step: number | null }

/** What can be given by hand: an image of so many rows, columns and channels, or so many numbers. */
export interface InputForm {
  form: "image" | "vector" | "none"; shape: number[]; grey: boolean; range: number[]; dark: boolean;
  whole: boolean; names: string[]; lows: number[]; highs: number[]; reason: string;
}

/** A sample that was given by hand, and the how manieth it is in its place. */
export interface OwnSample { sample: number; name: string; edition: number; generation: number }

/** Takes an image or numbers; where `into` is a sample that was given so, it is replaced. */
export type TakesInput = (given: Blob | number[], how: { name: string; into: number | null }) => Promise<OwnSample>;

/** The making of one unit's image: `images` counts those that were made of it so far. */
export interface ImageJob {
  job: number; address: string; error: string; state: "waiting" | "running" | "done" | "cancelled" | "failed";
  step?: number; steps?: number; attempt?: number; value?: number; images?: number; edition?: number;
  generation?: number; image?: Panel | null; looked?: boolean;
}

/** Makes images of units, one at a time. */
export interface MakesImages {
  start(address: string): Promise<ImageJob>;
  look(job: number): Promise<ImageJob>;
  cancel(job: number): Promise<ImageJob>;
  soFar(job: number): Promise<Panel | null>;
}

/** How far a recording that is still being written has come. */
export interface Changes {
  generation: number; missing: string; trained?: number; steps?: number[]; epochs?: (number | null)[]; moments?: string[];
}

/** Where one is, and how one looks: all of it stands in the URL. */
export interface View {
  address: string; sample: number; step: number | null; scale: string; palette: string;
  order: string; silent: string; open: string; zoom: number; against: string; as: string; without: string;
}

/** A part of a layer's map, one of so many rows and columns: the input that it lies on, and whether it goes along positions. */
export interface PointedAt {
  y: number; x: number; height: number; width: number; layer?: string; input?: string; along?: boolean;
  box?: import("./fields.js").FieldBox | null;
}

export type Words = Record<string, string | number | null | undefined>;

/** What supplies panels: a server, a file, a notebook. */
export interface Host {
  outline(): Promise<Outline>;
  panel(name: string, words: Words, signal?: AbortSignal): Promise<Panel | null>;
  renderer(kind: string): Promise<Renderer>;
  /** What has changed since; only of hosts whose subject may change. */
  changes?(): Promise<Changes>;
  /** Makes a sample of what a person gives; only of hosts that run a network. */
  input?: TakesInput;
  /** Makes images of units; only of hosts that can. */
  images?: MakesImages;
  /** What identifies the model and the input that are looked at. */
  provenance?(words: Words): Promise<Record<string, string>>;
  /** Let go of panels that were sent before it changed. */
  forget?(): void;
}

export interface Picture { width: number; height: number; paint(context: CanvasRenderingContext2D): void; svg?: SVGElement }

export interface Rendered { picture?(): Picture; stop?(): void }

export interface Renderer { render(given: { model: any; el: HTMLElement }): Rendered | void }

declare global {
  /** In one file: the modules that are joined to its script, by their paths. */
  const modules: Record<string, any>;
}
