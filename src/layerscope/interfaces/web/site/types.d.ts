/** What a site's files hold. */

export interface SiteLayer {
  address: string;
  folder: string;
  type: string;
  units: number;
  map: number[];
  axes: string[];
  /** Whether a zero is silence. */
  silence: boolean;
  /** Of the files with pictures; empty where samples can't be seen. */
  ending: string;
  /** How wide and high an example is. */
  box: [number, number];
  /** Whether samples are seen when they are small. */
  grid: boolean;
  never: string;
  most: string;
  label: string;
  share: string;
}

export interface SiteData {
  title: string;
  samples: number;
  labels: string[];
  notes: string[];
  unreadable: number;
  cell: number;
  columns: number;
  perGrid: number;
  perFile: number;
  each: number;
  kinds: string[];
  layers: SiteLayer[];
}

/** A layer with its numbers unpacked, one for each unit. */
export interface Layer extends SiteLayer {
  number: number;
  neverFired: Uint8Array;
  highest: Float32Array;
  prefers: Int16Array;
  shares: Uint8Array;
}

/** A unit: its layer's number, and its own. */
export interface UnitPlace {
  layer: number;
  unit: number;
}

/** Value, sample's name, label, where in the map. */
export type SiteExample = [number | null, string, string, string];

export interface UnitFacts {
  figures: Record<"mean" | "std" | "min" | "max" | "zeros" | "silent" | "nonfinite", number | null>;
  quantiles: [number, number | null][];
  histogram: { low: number | null, high: number | null, zeros: number, counts: number[] };
  labels: (number | null)[];
  top: SiteExample[];
  drawn: SiteExample[];
  weak: SiteExample[];
}

/** What one looks at: what stands in the address. */
export interface SiteView {
  layer: string;
  unit: number | null;
  query: string;
  label: string;
  never: boolean;
  sort: "number" | "highest" | "share";
}

declare global {
  interface Window {
    layerscopeUnits: (key: string, units: UnitFacts[]) => void;
  }
}
