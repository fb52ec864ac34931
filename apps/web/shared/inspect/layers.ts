/** Sections about what happens inside the model, layer by layer. */
import { decimal, percent, settingName, whole } from "../format";
import { dashedNote, flaggedNote, legend } from "../legend";
import { el } from "../dom";
import { linePlot, rangeOf, type Line } from "../plots/lines";
import { isNumber, numbers, type Attention, type InspectReport, type Maybe, type Tokens } from "../report";
import { panels, paper, section, type Section } from "../section";

const HEIGHT = 210;

function distinct(values: number[]): number[] {
  return [...new Set(values)].sort((a, b) => a - b);
}

type Row = Attention | Tokens;

/** Lines over layers of one length: one a setting that has them. */
function layerLines<T extends Row>(
  rows: T[],
  settings: string[],
  value: (row: T) => Maybe,
  describe: (row: T, setting: string) => string,
  flagged: (row: T) => boolean = () => false,
): Line[] {
  return settings.map((name, setting) => ({
    setting,
    points: rows
      .filter((row) => row.setting === setting)
      .sort((a, b) => a.layer - b.layer)
      .map((row) => ({
        x: row.layer,
        y: value(row),
        text: describe(row, settingName(name)),
        flagged: flagged(row),
      })),
  }));
}

interface LayerPlots<T extends Row> {
  rows: T[];
  settings: string[];
  label: string;
  xTitle: string;
  yTitle: string;
  value: (row: T) => Maybe;
  describe: (row: T, setting: string) => string;
  flagged?: (row: T) => boolean;
  bound?: (row: T) => Maybe;
  share?: boolean;
}

/** A panel a length, all on one scale. */
function byLength<T extends Row>(plots: LayerPlots<T>): HTMLElement | undefined {
  const lengths = distinct(plots.rows.map((row) => row.length));
  const all = lengths.map((length) => {
    const rows = plots.rows.filter((row) => row.length === length);
    const lines = layerLines(rows, plots.settings, plots.value, plots.describe, plots.flagged);
    const bounds = plots.bound
      ? layerLines(rows, plots.settings, plots.bound, plots.describe).map((line) => ({
          ...line,
          dashed: true,
        }))
      : [];
    return [...lines, ...bounds];
  });
  const range = rangeOf(all.flat(), [0]);
  const layers = distinct(plots.rows.map((row) => row.layer));
  return panels(
    lengths.map((length, index) => ({
      title: `${whole(length)} tokens`,
      plot: linePlot({
        label: `${plots.label}, texts cut at ${whole(length)} tokens`,
        xTitle: plots.xTitle,
        yTitle: plots.yTitle,
        lines: all[index] ?? [],
        xTicks: layers.map((at) => ({ at, label: String(at) })),
        range,
        include: [0],
        share: plots.share ?? false,
        height: HEIGHT,
      }),
    })),
  );
}

function table<T extends Row>(
  caption: string,
  rows: T[],
  settings: string[],
  columns: [string, (row: T) => string][],
) {
  return () => ({
    caption,
    head: ["setting", "tokens", "layer", ...columns.map(([name]) => name)],
    rows: rows.map((row) => [
      settingName(settings[row.setting] ?? "–"),
      whole(row.length),
      String(row.layer),
      ...columns.map(([, form]) => form(row)),
    ]),
  });
}

const NO_LAYERS = "No layer was looked into: --layers none was given, or no text is long enough.";

/** Why there is nothing of attention, where the tokens of the layers were looked into. */
function withoutAttention(report: InspectReport): string {
  return (report.tokens ?? []).length > 0 ? "The model has no attention." : NO_LAYERS;
}

/** Means of `value` at the shortest and the longest length of the untouched model. */
function fromShortToLong<T extends Row>(
  rows: T[],
  value: (row: T) => Maybe,
): [number, number, number, number] | undefined {
  const own = rows.filter((row) => row.setting === 0);
  const lengths = distinct(own.map((row) => row.length));
  const mean = (length: number): number => {
    const values = numbers(own.filter((row) => row.length === length).map(value));
    return values.reduce((sum, v) => sum + v, 0) / values.length;
  };
  const [short, long] = [lengths[0], lengths[lengths.length - 1]];
  if (short === undefined || long === undefined || short === long) return undefined;
  const means: [number, number] = [mean(short), mean(long)];
  return means.every(isNumber) ? [short, long, ...means] : undefined;
}

function rise<T extends Row>(what: string, rows: T[], settings: string[], value: (row: T) => Maybe): string {
  const change = fromShortToLong(rows, value);
  if (!change) return "";
  const [short, long, first, last] = change;
  return `${settingName(settings[0] ?? "1")}: ${what} ${decimal(first, 2)} at ${whole(short)} tokens, ${decimal(last, 2)} at ${whole(long)}.`;
}

function attentionRows(report: InspectReport): Attention[] {
  return (report.attention ?? []).filter(
    (row) => row.head === null || row.head === undefined || row.head < 0,
  );
}

export function filterRate(report: InspectReport, settings: string[]): HTMLElement {
  const rows = attentionRows(report);
  const broken = (row: Attention): boolean =>
    isNumber(row.filter_rate) && isNumber(row.bound) && row.filter_rate > row.bound;
  const count = rows.filter(broken).length;
  const plot = byLength({
    rows,
    settings,
    label: "Measured filter rate by layer beside the paper's bound",
    xTitle: "layer",
    yTitle: "filter rate σ_a",
    value: (row) => row.filter_rate,
    bound: (row) => row.bound,
    flagged: broken,
    describe: (row, setting) =>
      `${setting}, ${whole(row.length)} tokens, layer ${row.layer}: σ_a ${decimal(row.filter_rate, 2)}, bound ${decimal(row.bound, 2)}, above it ${percent(row.above_bound)} of heads and texts`,
  });
  const note = el(
    "span",
    { class: "notes" },
    dashedNote("the paper's bound"),
    flaggedNote("above its bound"),
  );
  const parts: Section = {
    title: "What attention lets through",
    found: [
      rise("mean filter rate", rows, settings, (row) => row.filter_rate),
      rows.length > 0
        ? `The measured rate is above the paper's bound in ${whole(count)} of ${whole(rows.length)} layers and lengths.`
        : "",
    ].join(" "),
    how: [
      "σ_a, the filter rate: the largest singular value of the attention matrix less its mean row, that is how much of the tokens' differences one attention can pass on; mean over heads, measured. Dashed: the bound for Gaussian logits of deviation σ_s, √(n / (2√(1 + e^(−2σ_s²)) (n−1)^(3/2) + 1)), which falls with the length n and so predicts collapse. Rings mark where real attention breaks it: theory and measurement part ways there. ",
      paper("definition 2 and section 4"),
    ],
    body: [plot && legend(settings, note), plot],
    table: table("Filter rate by layer, mean over heads", rows, settings, [
      ["σ_a", (row) => decimal(row.filter_rate)],
      ["bound", (row) => decimal(row.bound)],
      ["above it", (row) => percent(row.above_bound)],
      ["σ_s", (row) => decimal(row.logit_std)],
    ]),
    missing: withoutAttention(report),
  };
  return section(parts);
}

export function tokenDifferences(report: InspectReport, settings: string[]): HTMLElement {
  const rows = report.tokens ?? [];
  const plot = byLength({
    rows,
    settings,
    label: "Share of the tokens' differences through the layers",
    xTitle: "after layer (0: embeddings)",
    yTitle: "‖HC[X]‖ / ‖X‖",
    share: true,
    value: (row) => row.hc_ratio,
    describe: (row, setting) =>
      `${setting}, ${whole(row.length)} tokens, after layer ${row.layer}: HC ratio ${decimal(row.hc_ratio)}, token cosine ${decimal(row.token_cosine)}`,
  });
  return section({
    title: "What is left of the tokens' differences",
    found: rise("mean HC ratio", rows, settings, (row) => row.hc_ratio),
    how: [
      "X holds a text's hidden states, one row a token. HC[X] is X less its mean row: what tells tokens apart. Up: its share of the whole, ‖HC[X]‖_F / ‖X‖_F, after each layer. A line that falls to 0 means that all tokens have become the same. ",
      paper("section 3"),
    ],
    body: [plot && legend(settings), plot],
    table: table("HC ratio through the layers", rows, settings, [
      ["HC ratio", (row) => decimal(row.hc_ratio)],
      ["token cosine", (row) => decimal(row.token_cosine)],
    ]),
    missing: NO_LAYERS,
  });
}

export function tokenCosine(report: InspectReport, settings: string[]): HTMLElement {
  const rows = report.tokens ?? [];
  const plot = byLength({
    rows,
    settings,
    label: "Mean cosine between a text's tokens through the layers",
    xTitle: "after layer (0: embeddings)",
    yTitle: "cosine between tokens",
    share: true,
    value: (row) => row.token_cosine,
    describe: (row, setting) =>
      `${setting}, ${whole(row.length)} tokens, after layer ${row.layer}: token cosine ${decimal(row.token_cosine)}`,
  });
  return section({
    title: "How alike a text's own tokens become",
    found: rise("mean token cosine", rows, settings, (row) => row.token_cosine),
    how: [
      "Mean cosine between the tokens of one text after each layer: the same question as above, whatever the vectors' lengths are. Rising to 1 is over-smoothing.",
    ],
    body: [plot && legend(settings), plot],
    table: table("Token cosine through the layers", rows, settings, [
      ["token cosine", (row) => decimal(row.token_cosine)],
    ]),
    missing: NO_LAYERS,
  });
}

export function entropy(report: InspectReport, settings: string[]): HTMLElement {
  const rows = attentionRows(report);
  const plot = byLength({
    rows,
    settings,
    label: "Normalised entropy of attention by layer",
    xTitle: "layer",
    yTitle: "normalised entropy",
    share: true,
    value: (row) => row.entropy,
    describe: (row, setting) =>
      `${setting}, ${whole(row.length)} tokens, layer ${row.layer}: entropy ${decimal(row.entropy)}, σ_s ${decimal(row.logit_std, 2)}`,
  });
  return section({
    title: "How widely attention spreads",
    found: rise("mean entropy", rows, settings, (row) => row.entropy),
    how: [
      "Entropy of the attention's rows over its maximum, ln(tokens seen); mean over heads. 1: every token looks at all others alike, a plain mean. A temperature τ below 1, softmax(QKᵀ/√d/τ), sharpens attention and lowers this. ",
      paper("section 5"),
    ],
    body: [plot && legend(settings), plot],
    table: table("Normalised entropy by layer, mean over heads", rows, settings, [
      ["entropy", (row) => decimal(row.entropy)],
      ["σ_s", (row) => decimal(row.logit_std)],
    ]),
    missing: withoutAttention(report),
  });
}
