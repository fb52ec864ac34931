/** The texts on a plane, each with the way that it went. */
import { el } from "../shared/dom";
import { decimal, percent, shortened, whole } from "../shared/format";
import { responsive } from "../shared/plots/frame";
import { scatter, type Dot, type Scatter } from "../shared/plots/scatter";
import { section } from "../shared/section";
import { colourOf, numberOf, type Results } from "./results";

const LABEL = 90;
const NEAR = 3;

function dots(results: Results): Dot[] {
  const { plane, before, after, names, tokens, texts } = results;
  return texts.map((text, index) => {
    const from = before.vectors[index];
    const to = after.vectors[index];
    const [fromX, fromY] = from ? plane.place(from) : [0, 0];
    const [x, y] = to ? plane.place(to) : [0, 0];
    return {
      index,
      x,
      y,
      from: results.untouched ? undefined : { x: fromX, y: fromY },
      colour: `q${colourOf(results, index)}`,
      label: numberOf(index),
      text: `${numberOf(index)} ${names[index]}, ${whole(tokens[index])} tokens: ${shortened(text.text, LABEL)}`,
    };
  });
}

export interface TextMap {
  node: HTMLElement;
  choose: (text: number) => void;
}

export function textMap(results: Results, chosen: number, choose: (text: number) => void): TextMap {
  let plot: Scatter | undefined;
  let now = chosen;
  const mark = (): void =>
    plot?.select(
      now,
      (results.after.neighbors[now] ?? []).slice(0, NEAR).map(([other]) => other),
    );
  const drawn = results.texts.length > 1;
  const frame = responsive((width) => {
    const height = Math.min(420, Math.max(280, width * 0.62));
    plot = scatter(
      `Map of ${whole(results.texts.length)} texts at ${results.setting}`,
      dots(results),
      width,
      height,
      { onFocus: () => {}, onSelect: choose },
    );
    mark();
    return plot.root;
  });
  const shares = results.plane.explained;
  const node = section({
    title: "A map of the texts",
    how: [
      `A dot for each text at ${results.setting}, with its number, coloured by length. `,
      results.untouched ? "" : `The line leads from the hollow ring where it was at ${results.base}. `,
      `Near dots have similar vectors, as far as two axes can show (rings: the chosen text and its ${NEAR} nearest in all dimensions). Both settings lie on the same axes, the principal ones of the vectors as trained: nothing turns or flips, so what changes place has moved.`,
    ],
    body: [
      drawn ? lengthKey(results) : undefined,
      drawn ? frame : undefined,
      drawn
        ? el(
            "p",
            { class: "axes" },
            `Axes: across ${percent(shares[0], 1)}, up ${percent(shares[1], 1)} of the variance as trained.`,
          )
        : undefined,
    ],
    table: () => ({
      caption: "Where the texts are on the map",
      head: ["text", `across at ${results.base}`, "up", `across at ${results.setting}`, "up"],
      rows: dots(results).map((dot, index) => {
        const from = dot.from ?? dot;
        return [results.names[index] ?? "", ...[from.x, from.y, dot.x, dot.y].map((v) => decimal(v))];
      }),
    }),
    missing: "A map needs at least two texts.",
  });
  return {
    node,
    choose: (text) => {
      now = text;
      mark();
    },
  };
}

function lengthKey(results: Results): HTMLElement {
  const [min, max] = [Math.min(...results.tokens), Math.max(...results.tokens)];
  const key = (step: number, text: string): HTMLElement =>
    el("span", { class: "key" }, el("span", { class: `dot q${step}`, "aria-hidden": true }), text);
  const ends = min === max ? [key(3, `${whole(min)} tokens`)] : [key(0, whole(min)), key(6, whole(max))];
  return el("div", { class: "legend lengths" }, el("span", {}, "tokens:"), ...ends);
}
