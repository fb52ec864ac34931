/** Sections about token vectors, of models that give a vector for each token of a text. */
import { bucketName, decimal, plural, settingName, whole } from "../format";
import { legend } from "../legend";
import { linePlot } from "../plots/lines";
import type { InspectReport, TokenSpread, TokenVectors } from "../report";
import { section } from "../section";
import { overCuts, overLength } from "./cosines";
import { explained } from "./embeddings";

const WITHIN = { measure: "mean cosine", yTitle: "mean cosine within a text" };
const BETWEEN = { measure: "MaxSim a query vector", yTitle: "MaxSim a query vector" };

function spread(report: InspectReport, settings: string[], tokens: TokenVectors): HTMLElement {
  const names = (report.buckets ?? []).map(bucketName);
  const at = (setting: number, column: number): TokenSpread => tokens.spread?.[setting]?.[column] ?? {};
  const numbersOf = ({ effective_rank, isoscore }: TokenSpread): string =>
    `${decimal(effective_rank, 1)}, ${decimal(isoscore)}`;
  const plot = linePlot({
    label: "Effective rank of the token vectors against length in tokens, one line a setting",
    xTitle: "tokens of the text",
    yTitle: "effective rank",
    lines: settings.map((name, setting) => ({
      setting,
      points: names.map((bucket, column) => {
        const cell = at(setting, column);
        const text = `${settingName(name)}, ${bucket} tokens: effective rank, IsoScore ${numbersOf(cell)}, ${plural(cell.vectors, "vector")}`;
        return { x: column, y: cell.effective_rank, text };
      }),
    })),
    xTicks: names.map((label, column) => ({ at: column, label })),
    include: [0],
  });
  return section({
    title: "How many directions carry the token vectors?",
    how: [
      "Of all token vectors of one length together: effective rank counts the directions in use, exp(−Σ p ln p) of the shares of variance (Roy & Vetterli, 2007); IsoScore, in the numbers, is 1 when all are used alike (arXiv 2108.07344). Lengths with fewer vectors than dimensions cannot use them all.",
    ],
    body: [plot && legend(settings), plot],
    table: {
      caption: "Effective rank, IsoScore of the token vectors by length",
      head: ["tokens", ...settings.map(settingName), "vectors"],
      rows: names.map((name, column) => [
        name,
        ...settings.map((_, setting) => numbersOf(at(setting, column))),
        whole(at(0, column).vectors),
      ]),
    },
    missing: "No length has a token vector.",
  });
}

/** Those that stand where a report of dense vectors has cosines between texts. */
export function tokenSections(
  report: InspectReport,
  settings: string[],
  tokens: TokenVectors,
): HTMLElement[] {
  const cut = `The same ${plural(report.cut_texts, "text")} read up to each length: the topic is held, only the length changes.`;
  const noCuts = "No text is long enough to be cut at different lengths.";
  return [
    overLength(report, settings, tokens.token_cosine, {
      ...WITHIN,
      title: "How alike are the token vectors of a text?",
      how: [
        "Across: length in tokens, as far as the model reads. Up: mean cosine between the different vectors of one text, those that MaxSim compares, the mean over texts of that length; the band is a 95 % bootstrap interval over texts. A line that rises: the tokens of longer texts draw together, and any of them answers a query's token about as well.",
      ],
      missing: "No length has a text with two token vectors.",
    }),
    overCuts(report, settings, tokens.cut_token_cosine, {
      ...WITHIN,
      title: "The token vectors of the same texts, cut",
      also: explained(report),
      how: [`${cut} What still rises is due to length alone.`],
      missing: noCuts,
    }),
    overLength(report, settings, tokens.max_sim, {
      ...BETWEEN,
      title: "How alike are different texts, as MaxSim sees them?",
      how: [
        `Each text stands as the query for ${whole(tokens.max_sim_documents)} others of its length at most, drawn at random (seed ${report.seed ?? "–"}): Σ max q · d over the query's vectors, divided by their number. A longer document has more vectors to find the nearest among, so this rises with length for that alone; compare settings rather than lengths.`,
      ],
      missing: "No length has the two texts that a comparison needs.",
    }),
    overCuts(report, settings, tokens.cut_max_sim, {
      ...BETWEEN,
      title: "The same texts, cut, as MaxSim sees them",
      how: [cut],
      missing: noCuts,
    }),
    spread(report, settings, tokens),
  ];
}
