/** What was found of the texts at two temperatures; computed once, drawn by every part of the page. */
import type { Neighbor } from "../shared/report";
import { nameOf, type Text } from "./examples";
import { asTrained, isUntouched, named, type Setting, type Subject } from "./setting";
import {
  cosines,
  lengthSplit,
  meanCosine,
  neighbors,
  principalPlane,
  trend,
  type Plane,
  type Vector,
} from "./vectors";

export interface Group {
  /** "short", "long", or "" where all are of one length. */
  name: string;
  texts: number[];
}

export interface Side {
  similarity: number[][];
  /** [text], nearest first. */
  neighbors: Neighbor[][];
  /** Of each text, to the others of its group; undefined for one alone. */
  meanCosines: (number | undefined)[];
  /** How much the mean cosine rises when a text is twice as long. */
  perDoubling: number | undefined;
  trend: ((tokens: number) => number) | undefined;
  vectors: Vector[];
}

export interface Results {
  texts: Text[];
  names: string[];
  /** As far as the model reads. */
  tokens: number[];
  /** Beyond what it reads. */
  cut: number[];
  /** What the setting acts on. */
  subject: Subject;
  /** "τ = 0.7". */
  setting: string;
  /** What the texts are compared with: "τ = 1". */
  base: string;
  untouched: boolean;
  groups: Group[];
  /** The texts' order in tables: short ones, then long ones, each as they were given. */
  order: number[];
  before: Side;
  after: Side;
  plane: Plane;
  /** Texts whose nearest text is another one. */
  moved: number[];
}

export interface Measured {
  texts: Text[];
  /** Before anything is cut. */
  tokens: number[];
  limit: number;
  before: Vector[];
  after: Vector[];
  setting: Setting;
}

function side(vectors: Vector[], tokens: number[], groups: Group[]): Side {
  const similarity = cosines(vectors);
  const all = [...vectors.keys()];
  const meanCosines = all.map((text) => {
    const alike = groups.find((group) => group.texts.includes(text))?.texts ?? all;
    return meanCosine(similarity, [text], alike);
  });
  const known = all.filter((text) => meanCosines[text] !== undefined);
  const line = trend(
    known.map((text) => Math.log2(Math.max(1, tokens[text] ?? 1))),
    known.map((text) => meanCosines[text] ?? 0),
  );
  return {
    similarity,
    neighbors: all.map((text) => neighbors(similarity, text)),
    meanCosines,
    perDoubling: line?.slope,
    trend: line && ((n) => line.at(Math.log2(Math.max(1, n)))),
    vectors,
  };
}

export function analyse({ texts, tokens, limit, before, after, setting }: Measured): Results {
  const used = tokens.map((n) => Math.min(n, limit));
  const split = lengthSplit(used);
  const all = [...texts.keys()];
  const is = (long: boolean): number[] =>
    all.filter((text) => split !== undefined && (used[text] ?? 0) > split === long);
  const groups: Group[] =
    split === undefined
      ? [{ name: "", texts: all }]
      : [
          { name: "short", texts: is(false) },
          { name: "long", texts: is(true) },
        ];
  const sides = [side(before, used, groups), side(after, used, groups)] as const;
  return {
    texts,
    names: texts.map(nameOf),
    tokens: used,
    cut: tokens.map((n, text) => n - (used[text] ?? n)),
    subject: setting.of,
    setting: named(setting),
    base: named(asTrained(setting.of)),
    untouched: isUntouched(setting),
    groups,
    order: groups.flatMap((group) => group.texts),
    before: sides[0],
    after: sides[1],
    plane: principalPlane(before),
    moved: all.filter((text) => sides[0].neighbors[text]?.[0]?.[0] !== sides[1].neighbors[text]?.[0]?.[0]),
  };
}

/** Step of the sequential colours (0 to 6) of a text: by its length, on a logarithmic scale. */
export function colourOf(results: Results, text: number): number {
  const logs = results.tokens.map((n) => Math.log(Math.max(1, n)));
  const [min, max] = [Math.min(...logs), Math.max(...logs)];
  return max - min < 1e-9 ? 3 : Math.round((6 * ((logs[text] ?? min) - min)) / (max - min));
}

/** A text's number: how plots and lists call it. */
export function numberOf(text: number): string {
  return String(text + 1);
}
