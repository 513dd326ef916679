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
  samples: { name: string }[]; recorded: number; steps: number[]; epochs: (number | null)[];
  moments: string[]; generation: number;
  layers: LayerInfo[]; unit_panels: { name: string; title: string }[]; levels: number;
  palettes: Record<string, string>; grounds: Record<string, any>; can: Record<string, boolean>;
}

/** How far a recording that is still being written has come. */
export interface Changes {
  generation: number; missing: string; steps?: number[]; epochs?: (number | null)[]; moments?: string[];
}

/** Where one is, and how one looks: all of it stands in the URL. */
export interface View {
  address: string; sample: number; step: number | null; scale: string; palette: string;
  order: string; silent: string; open: string; zoom: number; against: string;
}

export type Words = Record<string, string | number | null | undefined>;

/** What supplies panels: a server, a file, a notebook. */
export interface Host {
  outline(): Promise<Outline>;
  panel(name: string, words: Words, signal?: AbortSignal): Promise<Panel | null>;
  renderer(kind: string): Promise<Renderer>;
  /** What has changed since; only of hosts whose subject may change. */
  changes?(): Promise<Changes>;
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
