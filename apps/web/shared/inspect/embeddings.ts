/** Sections about the texts' vectors. */
import {
  bucketName,
  decimal,
  listed,
  percent,
  plural,
  settingName,
  signed,
  whole,
  withInterval,
} from "../format";
import { legend, referenceNote } from "../legend";
import { forestPlot } from "../plots/forest";
import { heatMap } from "../plots/heatmap";
import { linePlot, type Line } from "../plots/lines";
import { isNumber, numbers, type Hubness, type InspectReport } from "../report";
import { panels, paper, section, tableElement } from "../section";
import { overCuts, overLength } from "./cosines";

const BETWEEN = { measure: "mean cosine", yTitle: "mean cosine between different texts" };

export function cosineByLength(report: InspectReport, settings: string[]): HTMLElement {
  return overLength(report, settings, report.bucket_cosine, {
    ...BETWEEN,
    title: "How alike are texts of one length?",
    how: [
      "Across: length in tokens, as far as the model reads. Up: mean cosine of all pairs of different texts of that length; the band is a 95 % bootstrap interval over texts. A line that rises is length collapse: longer texts draw together whatever they say. Bands that overlap show nothing. ",
      paper("figure 1"),
    ],
    missing: "No length has the two texts that a cosine needs.",
  });
}

/** How much of what the buckets show is due to length. */
export function explained(report: InspectReport): string {
  const share = report.findings?.explained_by_length;
  return isNumber(share)
    ? ` Length alone explains ${percent(share)} of the difference between short and long texts.`
    : "";
}

export function cosineByCut(report: InspectReport, settings: string[]): HTMLElement {
  return overCuts(report, settings, report.cut_cosine, {
    ...BETWEEN,
    title: "The same texts, cut",
    also: explained(report),
    how: [
      `Long texts may be about other things than short ones. Here the same ${plural(report.cut_texts, "text")} are read up to each length: the topic is held, only the length changes. What still rises is due to length alone. Lines and bands as above.`,
    ],
    missing: "No two texts are long enough to be cut at different lengths.",
  });
}

export function bucketMatrix(report: InspectReport, settings: string[]): HTMLElement {
  const names = (report.buckets ?? []).map(bucketName);
  const matrices = report.bucket_matrix ?? [];
  const values = numbers(matrices.flatMap((matrix) => (matrix ?? []).flatMap((row) => row ?? [])));
  const range: [number, number] = [Math.min(...values), Math.max(...values)];
  const maps = settings.map((setting, s) => ({
    title: settingName(setting),
    plot: heatMap({
      label: `Mean cosine between texts of two lengths, ${settingName(setting)}`,
      names,
      axisTitle: "tokens",
      cells: names.map((_, row) => matrices[s]?.[row] ?? []),
      range,
      describe: (row, column, value) =>
        `${settingName(setting)}: texts of ${names[row]} with texts of ${names[column]} tokens: ${decimal(value)}`,
    }),
  }));
  const rows = settings.flatMap((setting, s) =>
    names.map((name, row) => [
      `${settingName(setting)}, ${name}`,
      ...names.map((_, column) => decimal(matrices[s]?.[row]?.[column])),
    ]),
  );
  return section({
    title: "Short against long",
    how: [
      "Each cell: mean cosine between texts of the length of its row and of its column; stronger colour is more alike, and all tables share one scale. When only the corner of the longest is strong, long texts crowd in a corner of their own: length has become a direction of the space.",
    ],
    body: [panels(maps)],
    table: { caption: "Mean cosine between texts of two lengths", head: ["setting, tokens", ...names], rows },
    missing: "No two texts to compare.",
  });
}

function hubText(h: Hubness | null | undefined): string {
  return isNumber(h?.mean) ? `${decimal(h.mean, 1)} lists, ${percent(h.share_of_antihubs)} in none` : "–";
}

export function hubness(report: InspectReport, settings: string[]): HTMLElement {
  const names = (report.buckets ?? []).map(bucketName);
  const rows = report.hubness?.buckets ?? [];
  const k = report.hubness?.k;
  const lines: Line[] = settings.map((name, setting) => ({
    setting,
    points: names.map((bucket, column) => {
      const h = rows[setting]?.[column];
      const text = `${settingName(name)}, ${bucket} tokens: ${hubText(h)}, skewness ${decimal(h?.skewness, 2)}`;
      return { x: column, y: h?.mean, text };
    }),
  }));
  const plot = linePlot({
    label: "In how many neighbour lists a text stands, by its length, one line a setting",
    xTitle: "tokens of the text",
    yTitle: "neighbour lists a text stands in, mean",
    lines,
    xTicks: names.map((label, at) => ({ at, label })),
    include: [0],
    ...(isNumber(k) && k > 0 ? { reference: k } : {}),
  });
  return section({
    title: "Who is found too often?",
    found: found(),
    how: [
      `Every text lists its ${whole(k)} nearest. Up: in how many lists of others a text of that length stands. On the dotted line no length is preferred; a length far above it is found too often, whatever is asked (a hub). Radovanović et al., JMLR 11, 2010.`,
    ],
    body: [plot && legend(settings, referenceNote(`no preference: ${whole(k)}`)), plot],
    table: {
      caption: "Neighbour lists a text stands in: mean, share that stands in none",
      head: ["tokens", ...settings.map(settingName)],
      rows: names.map((name, column) => [name, ...settings.map((_, s) => hubText(rows[s]?.[column]))]),
    },
    missing: "Neighbours need at least two texts.",
  });

  function found(): string {
    const means = (rows[0] ?? []).map((h, column) => ({ mean: h?.mean, name: names[column] }));
    const known = means.filter(
      (m): m is { mean: number; name: string } => isNumber(m.mean) && m.name !== undefined,
    );
    const [first] = known;
    const last = known[known.length - 1];
    if (!first || !last || first === last) return "";
    return `${settingName(settings[0] ?? "1")}: a text of ${first.name} tokens is among the ${whole(k)} nearest of ${decimal(first.mean, 1)} others, one of ${last.name} of ${decimal(last.mean, 1)}.`;
  }
}

/** Of the largest share: below, only rounding is left, and a logarithmic axis would show little else. */
const MIN_SHARE = 1e-4;

export function geometry(report: InspectReport, settings: string[]): HTMLElement {
  const rows = report.geometry ?? [];
  const min = MIN_SHARE * Math.max(0, ...numbers(rows.flatMap((row) => row?.spectrum ?? [])));
  const lines: Line[] = settings.map((name, setting) => ({
    setting,
    points: (rows[setting]?.spectrum ?? []).map((share, axis) => ({
      x: axis + 1,
      y: isNumber(share) && share >= min ? share : null,
      text: `${settingName(name)}, axis ${axis + 1}: ${percent(share, 2)} of the variance`,
    })),
  }));
  const longest = Math.max(0, ...lines.map((line) => line.points.length));
  const plot = linePlot({
    label: "Share of variance along each principal axis, both axes logarithmic, one line a setting",
    xTitle: "principal axis",
    yTitle: "share of the variance",
    lines,
    xTicks: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000]
      .filter((at) => at <= longest)
      .map((at) => ({ at, label: String(at) })),
    logX: true,
    logY: true,
    yFormat: (share) => percent(share, Math.max(0, Math.ceil(-Math.log10(share) - 2 - 1e-9))),
    markEvery: Math.max(1, Math.ceil(longest / 40)),
  });
  const ranks = settings
    .map((name, s) => ({ name, rank: rows[s]?.effective_rank }))
    .filter((r) => isNumber(r.rank))
    .slice(0, 5)
    .map((r) => `${settingName(r.name)}: ${decimal(r.rank, 1)}`);
  const measures = {
    caption: "How evenly the vectors fill their space",
    head: ["setting", "effective rank", "IsoScore", "uniformity"],
    rows: settings.map((name, s) => [
      settingName(name),
      decimal(rows[s]?.effective_rank, 1),
      decimal(rows[s]?.isoscore),
      decimal(rows[s]?.uniformity, 2),
    ]),
  };
  return section({
    title: "How many directions carry the vectors?",
    found: ranks.length > 0 && plot ? `Effective rank ${listed(ranks)}.` : "",
    how: [
      "The eigenvalues of the vectors' covariance, as shares of the whole, falling. A line that drops early means that a few directions carry everything (shares below a ten-thousandth of the largest are left out). Effective rank counts the directions in use, exp(−Σ p ln p) (Roy & Vetterli, 2007); IsoScore is 1 when all are used alike (arXiv 2108.07344); lower uniformity is more even (arXiv 2005.10242).",
    ],
    body: [plot && legend(settings), plot, plot && tableElement(measures)],
    table: () => ({
      caption: "Share of the variance along the first 100 axes",
      head: ["axis", ...settings.map(settingName)],
      rows: Array.from({ length: Math.min(longest, 100) }, (_, axis) => [
        String(axis + 1),
        ...settings.map((_, s) => percent(rows[s]?.spectrum?.[axis], 2)),
      ]),
    }),
    missing: "A spectrum needs at least two texts.",
  });
}

/** Undefined when no queries were given. */
export function querySlope(report: InspectReport, settings: string[]): HTMLElement | undefined {
  const slopes = report.query_length_slope;
  if (!slopes || slopes.length === 0) return undefined;
  const form = (value: number | null | undefined): string => signed(value);
  const text = (s: number): string => {
    const slope = slopes[s];
    return withInterval(slope?.slope, slope?.low, slope?.high, form);
  };
  const plot = forestPlot({
    label: "Rise of the cosine between query and text per unit of ln tokens, with 95 % intervals",
    xTitle: "rise of cosine(query, text) per ln(tokens)",
    zero: 0,
    rows: settings.map((name, s) => ({
      name: settingName(name),
      setting: s,
      value: slopes[s]?.slope,
      low: slopes[s]?.low,
      high: slopes[s]?.high,
      numbers: text(s),
      text: `${settingName(name)}: ${text(s)}`,
    })),
  });
  const first = slopes[0];
  return section({
    title: "Does a longer text score higher?",
    found: isNumber(first?.slope)
      ? `${settingName(settings[0] ?? "1")}: ${text(0)} per ln(tokens), over ${plural(first.queries, "query", "queries")} and ${plural(first.documents, "text")}. ${isNumber(first.low) && first.low > 0 ? "Longer texts score higher for being long." : isNumber(first.high) && first.high < 0 ? "Longer texts score lower for being long." : "No clear preference."}`
      : "",
    how: [
      "Slope of cos(query, text) on ln(tokens of the text), with a 95 % bootstrap interval over queries. On the dotted line, length does not change a score; right of it, longer texts score higher for being long.",
    ],
    body: [plot],
    table: {
      caption: "Rise of cosine per ln(tokens), 95 % interval",
      head: ["setting", "slope", "queries", "texts"],
      rows: settings.map((name, s) => [
        settingName(name),
        text(s),
        whole(slopes[s]?.queries),
        whole(slopes[s]?.documents),
      ]),
    },
    missing: "The queries could not be held against texts of different lengths.",
  });
}
