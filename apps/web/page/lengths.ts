/** How alike a text is to all others, against its length. */
import { decimal, plural, signed, whole } from "../shared/format";
import { dashedNote, legend } from "../shared/legend";
import { linePlot, type Line } from "../shared/plots/lines";
import { section } from "../shared/section";
import { numberOf, type Results, type Side } from "./results";

function lines(results: Results, side: Side, setting: string, index: number): Line[] {
  const { order, tokens, names } = results;
  const byLength = [...order].sort((a, b) => (tokens[a] ?? 0) - (tokens[b] ?? 0));
  const points = byLength.map((text) => ({
    x: Math.max(1, tokens[text] ?? 1),
    y: side.meanCosines[text],
    text: `${setting}: ${numberOf(text)} ${names[text]}, ${whole(tokens[text])} tokens: mean cosine ${decimal(side.meanCosines[text])}`,
  }));
  const marks: Line = { setting: index, points, loose: true };
  const { trend } = side;
  const ends = [points[0]?.x ?? 1, points[points.length - 1]?.x ?? 1];
  return trend
    ? [marks, { setting: index, dashed: true, points: ends.map((x) => ({ x, y: trend(x), text: "trend" })) }]
    : [marks];
}

function sentence({ before, after, untouched, setting }: Results): string {
  if (before.perDoubling === undefined || after.perDoubling === undefined) return "";
  const was = `Per doubling of length the mean cosine changes by ${signed(before.perDoubling)} as trained`;
  return untouched ? `${was}.` : `${was} and by ${signed(after.perDoubling)} at ${setting}.`;
}

export function lengthPlot(results: Results): HTMLElement {
  const settings = results.untouched ? [results.base] : [results.base, results.setting];
  const [min, max] = [Math.min(...results.tokens), Math.max(...results.tokens)];
  const ticks = Array.from({ length: 16 }, (_, power) => 2 ** power).filter((n) => n >= min && n <= max);
  const plot =
    results.texts.length < 2
      ? undefined
      : linePlot({
          label: "Mean cosine of each text to the others of about its length, one mark a text and setting",
          xTitle: "tokens of the text",
          yTitle: "mean cosine to texts of about its length",
          lines: [
            ...lines(results, results.before, results.base, 0),
            ...(results.untouched ? [] : lines(results, results.after, results.setting, 1)),
          ],
          xTicks: ticks.map((at) => ({ at, label: whole(at) })),
          logX: true,
          include: [0],
          height: 300,
        });
  return section({
    title: "Does length alone make texts alike?",
    found: sentence(results),
    how: [
      `A mark for each of the ${plural(results.texts.length, "text")} and each setting. Across: its length, each step a doubling. Up: its mean cosine to the others of about its length (short ones among themselves, long ones among themselves). Dashed: the least-squares trend; one that rises means that longer texts are more alike. These are few texts, and long ones may well share a subject: drop a file for a measurement with intervals, in which the same texts are cut and the topic held.`,
    ],
    body: [plot && legend(settings, dashedNote("trend")), plot],
    table: () => ({
      caption: "Mean cosine of each text to the others of about its length",
      head: ["text", "tokens", results.base, results.setting],
      rows: results.order.map((text) => [
        results.names[text] ?? "",
        whole(results.tokens[text]),
        decimal(results.before.meanCosines[text]),
        decimal(results.after.meanCosines[text]),
      ]),
    }),
    missing: "A cosine needs two texts.",
  });
}
