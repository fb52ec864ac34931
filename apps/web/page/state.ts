/** The controls of the state that the page offers, of models with states (Mamba-2), which no temperature acts on. */

export interface StateKind {
  name: string;
  /** What it does, for who has never met it. */
  meaning: string;
  /** What the field begins with. */
  start: string;
}

export const NO_CONTROL = "none";

export const STATE_KINDS = {
  none: { name: "none", meaning: "The states are those of the model as trained.", start: NO_CONTROL },
  rri: {
    name: "rri:A,B",
    meaning:
      "Retain and insert less: what a state keeps of each step is multiplied by A (above 0, at most 1), what a token adds by B.",
    start: "rri:0.9999,0.75",
  },
  window: {
    name: "window:R",
    meaning: "A state holds the last R tokens alone; texts of up to R tokens stay as trained.",
    start: "window:64",
  },
  norm: {
    name: "norm:P",
    meaning: "After each token a state of a Frobenius norm above P is scaled down to P.",
    start: "norm:10",
  },
} satisfies Record<string, StateKind>;

export type StateKindName = keyof typeof STATE_KINDS;
export const STATE_KIND_NAMES = Object.keys(STATE_KINDS) as StateKindName[];

/** Which of the kinds a written control is of; undefined: of none that the page knows. */
export function kindOf(control: string): StateKindName | undefined {
  return STATE_KIND_NAMES.find((kind) => control.split(":")[0] === kind);
}

/** What a server was started with, if a request may say it: norms of a file may not be named. */
export function requestable(control: string): boolean {
  return kindOf(control) !== undefined && !control.endsWith(".json");
}
