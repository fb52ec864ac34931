/** Which texts are alike: as trained, at the setting, and what changed. */
import { el } from "../shared/dom";
import { decimal, listed, plural, signed, whole } from "../shared/format";
import { heatMap } from "../shared/plots/heatmap";
import { panels, section } from "../shared/section";
import { numberOf, type Results } from "./results";

const MAX_TEXTS = 60;

/** Pairs of different texts, in the order of `results`. */
function pairs(results: Results): [number, number][] {
  return results.order.flatMap((a, i) => results.order.slice(i + 1).map((b): [number, number] => [a, b]));
}

/** The pair that changed the most. */
function utmost(results: Results): { pair: [number, number]; change: number } | undefined {
  let found: { pair: [number, number]; change: number } | undefined;
  for (const pair of pairs(results)) {
    const change = changeOf(results, ...pair);
    if (!found || Math.abs(change) > Math.abs(found.change)) found = { pair, change };
  }
  return found;
}

function changeOf(results: Results, a: number, b: number): number {
  return (results.after.similarity[a]?.[b] ?? 0) - (results.before.similarity[a]?.[b] ?? 0);
}

function sentence(results: Results): string {
  const most = utmost(results);
  if (results.untouched || !most) return "";
  // Where there are long texts, of these: they are what collapses.
  const group = [...results.groups].reverse().find((one) => one.texts.length > 1);
  const all = pairs(results).filter((pair) => pair.every((text) => group?.texts.includes(text) ?? true));
  const fell = all.filter((pair) => changeOf(results, ...pair) < 0).length;
  const of = group?.name ? ` of ${group.name} texts` : "";
  const [a, b] = most.pair.map((text) => `“${results.names[text] ?? ""}”`);
  const from = results.before.similarity[most.pair[0]]?.[most.pair[1]];
  const to = results.after.similarity[most.pair[0]]?.[most.pair[1]];
  const became = all.length === 1 ? "is" : "are";
  return `${whole(fell)} of ${plural(all.length, "pair")}${of} ${became} less alike than as trained. The most changed of all: ${listed([a ?? "", b ?? ""])}, ${decimal(from)} → ${decimal(to)}.`;
}

export function matrices(results: Results, choose: (text: number) => void): HTMLElement {
  const { order, groups, names } = results;
  const drawn = order.length >= 2 && order.length <= MAX_TEXTS;
  const others = pairs(results);
  const value = (side: "before" | "after", [a, b]: [number, number]): number =>
    results[side].similarity[a]?.[b] ?? 0;
  const all = others.flatMap((pair) => [value("before", pair), value("after", pair)]);
  const range: [number, number] = [Math.min(0, ...all), Math.max(...all)];
  const reach = Math.max(0.02, ...others.map((pair) => Math.abs(changeOf(results, ...pair))));
  const split = groups.length > 1 ? (groups[0]?.texts.length ?? 0) : undefined;
  const shared = {
    names: order.map(numberOf),
    axisTitle: split ? "short texts, then long ones" : "text",
    split: split && split < order.length ? split : undefined,
    onSelect: (row: number) => choose(order[row] ?? 0),
  };
  const cells = (of: (a: number, b: number) => number): (number | null)[][] =>
    order.map((a) => order.map((b) => (a === b ? null : of(a, b))));
  const pair = (row: number, column: number): string =>
    `${numberOf(order[row] ?? 0)} ${names[order[row] ?? 0]} and ${numberOf(order[column] ?? 0)} ${names[order[column] ?? 0]}`;
  const plot = (setting: string, side: "before" | "after"): HTMLElement | undefined =>
    heatMap({
      ...shared,
      label: `Cosine of every pair of texts at ${setting}`,
      cells: cells((a, b) => value(side, [a, b])),
      range,
      describe: (row, column, cosine) => `${setting}: ${pair(row, column)}: cosine ${decimal(cosine)}`,
    });
  const change = heatMap({
    ...shared,
    label: "Change of every pair's cosine",
    cells: cells((a, b) => changeOf(results, a, b)),
    range: [-reach, reach],
    diverging: true,
    describe: (row, column, by) => `Change: ${pair(row, column)}: ${signed(by)}`,
  });
  const untouched = results.base;
  const trained = results.subject === "nothing" ? "As trained" : `As trained, ${untouched}`;
  const body = drawn
    ? panels(
        results.untouched
          ? [{ title: trained, plot: plot(untouched, "before") }]
          : [
              { title: trained, plot: plot(untouched, "before") },
              { title: `At ${results.setting}`, plot: plot(results.setting, "after") },
              { title: "Change", plot: change },
            ],
      )
    : undefined;
  return section({
    title: "Who is like whom",
    found: drawn ? sentence(results) : "",
    how: [
      "A row and a column for each text, by its number; a gap parts short from long. The stronger a cell's colour, the more alike the two texts (cosine; both tables on one scale, from ",
      `${decimal(range[0], 2)} to ${decimal(range[1], 2)}). `,
      "Long texts that are all strong among themselves: length collapse. In the third table ",
      el("b", { class: "less" }, "green"),
      " is less alike than as trained, ",
      el("b", { class: "more" }, "orange"),
      ` more; full colour is ${decimal(reach, 2)}.`,
    ],
    body: [body],
    table: () => ({
      caption: "Cosine of every pair of texts",
      head: ["text", "and text", untouched, results.setting, "change"],
      rows: others.map(([a, b]) => [
        names[a] ?? "",
        names[b] ?? "",
        decimal(value("before", [a, b])),
        decimal(value("after", [a, b])),
        signed(changeOf(results, a, b)),
      ]),
    }),
    missing:
      order.length > MAX_TEXTS
        ? `${whole(order.length)} texts are too many for a table of pairs: up to ${MAX_TEXTS} are drawn.`
        : "A pair needs two texts.",
  });
}
