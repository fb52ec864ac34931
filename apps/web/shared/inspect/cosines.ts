/** Sections of a cosine, or of a score like one, against length: of texts by their length, and of the same texts cut. */
import type { Child } from "../dom";
import { bucketName, decimal, plural, settingName, signed, whole, withInterval } from "../format";
import { legend } from "../legend";
import { linePlot, type Line } from "../plots/lines";
import { isNumber, type Estimate, type InspectReport } from "../report";
import { section } from "../section";

type Rows = InspectReport["bucket_cosine"];

/** What is measured, in words. */
export interface Words {
  title: string;
  /** "mean cosine". */
  measure: string;
  /** Up the plot. */
  yTitle: string;
  how: Child[];
  /** After what the settings have changed. */
  also?: string;
  missing: string;
}

interface Columns {
  names: string[];
  label: (column: number) => string;
  position: (column: number) => number;
}

const estimateText = (e: Estimate | null | undefined): string =>
  withInterval(e?.mean, e?.low, e?.high, decimal);

function lines(settings: string[], rows: Rows, columns: Columns, measure: string): Line[] {
  return settings.map((name, setting) => ({
    setting,
    points: columns.names.map((_, column) => {
      const e = rows?.[setting]?.[column];
      const text = `${settingName(name)}, ${columns.label(column)}: ${measure} ${estimateText(e)}, ${plural(e?.texts, "text")}`;
      return { x: columns.position(column), y: e?.mean, low: e?.low, high: e?.high, text };
    }),
  }));
}

/** "τ = 1: 0.108 → 0.163 (+0.055)" of the first and last column that both are known. */
function change(name: string, row: (Estimate | null)[] | null | undefined): string | undefined {
  const known = (row ?? []).filter((e) => isNumber(e?.mean));
  const first = known[0]?.mean;
  const last = known[known.length - 1]?.mean;
  if (known.length < 2 || !isNumber(first) || !isNumber(last)) return undefined;
  return `${settingName(name)}: ${decimal(first)} → ${decimal(last)} (${signed(last - first)})`;
}

/** Of each setting; of the first few where there are many. */
function changes(what: string, settings: string[], rows: Rows): string {
  const all = settings
    .map((name, setting) => change(name, rows?.[setting]))
    .filter((text) => text !== undefined);
  if (all.length === 0) return "";
  const few = all.length <= 4 ? all : all.slice(0, 4);
  return `${what}: ${few.join("; ")}${all.length > few.length ? "; more in the numbers" : ""}.`;
}

function table(caption: string, settings: string[], columns: Columns, rows: Rows, first: string) {
  return {
    caption,
    head: [first, ...settings.map(settingName), "texts"],
    rows: columns.names.map((name, column) => [
      name,
      ...settings.map((_, setting) => estimateText(rows?.[setting]?.[column])),
      whole(rows?.[0]?.[column]?.texts),
    ]),
  };
}

function begun(measure: string): string {
  return `${measure.charAt(0).toUpperCase()}${measure.slice(1)}`;
}

export function overLength(report: InspectReport, settings: string[], rows: Rows, words: Words): HTMLElement {
  const names = (report.buckets ?? []).map(bucketName);
  const columns = { names, label: (i: number) => `${names[i]} tokens`, position: (i: number) => i };
  const plot = linePlot({
    label: `${begun(words.measure)} against length in tokens, one line a setting, with 95 % intervals`,
    xTitle: "tokens of the text",
    yTitle: words.yTitle,
    lines: lines(settings, rows, columns, words.measure),
    xTicks: names.map((label, at) => ({ at, label })),
    include: [0],
  });
  return section({
    title: words.title,
    found: changes("From the shortest to the longest texts", settings, rows),
    how: words.how,
    body: [plot && legend(settings), plot],
    table: table(`${begun(words.measure)} by length, 95 % interval`, settings, columns, rows, "tokens"),
    missing: words.missing,
  });
}

export function overCuts(report: InspectReport, settings: string[], rows: Rows, words: Words): HTMLElement {
  const lengths = report.cut_lengths ?? [];
  const names = lengths.map(whole);
  const columns = {
    names,
    label: (i: number) => `cut at ${names[i]} tokens`,
    position: (i: number) => lengths[i] ?? 0,
  };
  const plot = linePlot({
    label: `${begun(words.measure)} of the same texts cut at each length, one line a setting, with 95 % intervals`,
    xTitle: "cut length (tokens)",
    yTitle: words.yTitle,
    lines: lines(settings, rows, columns, words.measure),
    xTicks: lengths.map((at) => ({ at, label: whole(at) })),
    logX: true,
    include: [0],
  });
  return section({
    title: words.title,
    found: `${changes("From the shortest to the longest cut", settings, rows)}${words.also ?? ""}`,
    how: words.how,
    body: [plot && legend(settings), plot],
    table: table(
      `${begun(words.measure)} of the same texts cut, 95 % interval`,
      settings,
      columns,
      rows,
      "cut at",
    ),
    missing: words.missing,
  });
}
