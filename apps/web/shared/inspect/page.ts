/** The report of `treble inspect`. */
import { el } from "../dom";
import { bucketName, decimal, listed, percent, plural, settingName, whole } from "../format";
import { verdict, type Page } from "../page";
import { isNumber, type ClassReport, type InspectReport } from "../report";
import { cards, factList, howComputed, type Fact } from "../section";
import { bucketMatrix, cosineByCut, cosineByLength, geometry, hubness, querySlope } from "./embeddings";
import { classMap } from "./class_map";
import { classSections } from "./classes";
import { entropy, filterRate, tokenCosine, tokenDifferences } from "./layers";
import { textMap } from "./map";
import { stateGrowth, stateOfHead, trainingLength } from "./states";
import { tokenSections } from "./tokens";

function mood(report: InspectReport): "good" | "bad" | "plain" {
  if (!report.findings?.compared) return "plain";
  return report.findings.visible ? "bad" : "good";
}

function facts(report: InspectReport, settings: string[]): Fact[] {
  const found = report.findings;
  const result: Fact[] = [];
  const tokens = report.token_vectors;
  const rows = tokens ? tokens.token_cosine : report.bucket_cosine;
  const cosine = (at: number | null | undefined, what: string): void => {
    const e = isNumber(at) ? rows?.[0]?.[at] : undefined;
    if (!isNumber(at) || !isNumber(e?.mean)) return;
    const note = `[${decimal(e.low)}, ${decimal(e.high)}], ${bucketName(report.buckets?.[at])} tokens`;
    const name = `Mean cosine${tokens ? " within" : ","} ${what} texts`;
    result.push({ name, value: decimal(e.mean), note });
  };
  if (found?.compared) {
    cosine(found.short_bucket, "short");
    cosine(found.long_bucket, "long");
  }
  if (isNumber(found?.ratio)) {
    result.push({
      name: "Long against short",
      value: `× ${decimal(found.ratio, 2)}`,
      note: settingName(settings[0] ?? "1"),
    });
  }
  if (isNumber(found?.explained_by_length)) {
    const note = "of that difference, by the same texts cut short";
    result.push({ name: "Explained by length alone", value: percent(found.explained_by_length), note });
  }
  return result;
}

function labels(classes: ClassReport): string {
  const without = classes.unlabelled_texts
    ? `; ${plural(classes.unlabelled_texts, "text")} without one (${listed((classes.unlabelled ?? []).map((place) => place ?? "–"))}${classes.unlabelled_texts > (classes.unlabelled ?? []).length ? ", …" : ""})`
    : "";
  const texts = (classes.classes ?? []).reduce((sum, one) => sum + (one?.texts ?? 0), 0);
  return `${plural(classes.classes?.length, "class", "classes")} among ${whole(texts)} of ${plural(classes.labelled_texts, "labelled text")}${without}`;
}

function measured(report: InspectReport, settings: string[]): HTMLElement {
  const limit = whole(report.max_length);
  const cut = report.truncated_texts
    ? `${whole(report.truncated_texts)} longer than the ${limit} tokens the model reads; they count by what was read`
    : `none; the model reads ${limit} tokens`;
  return factList([
    ["Model", report.model ?? "–"],
    ["Computed", howComputed(report.provenance)],
    [
      "In its weights",
      report.baked_temperature
        ? `temperature ${report.baked_temperature}; τ = 1 is the model as baked`
        : undefined,
    ],
    [
      "Vectors",
      report.token_vectors
        ? `one for each token, ${whole(report.token_vectors.dim)} dimensions, of texts read as documents`
        : undefined,
    ],
    ["Settings", listed(settings.map(settingName))],
    ["Texts", whole(report.texts)],
    ["Labels", report.classes ? labels(report.classes) : undefined],
    ["Training length", trainingLength(report)],
    ["Truncated texts", cut],
    ["Sample", `at most ${whole(report.sample)} texts of each length, seed ${report.seed ?? "–"}`],
  ]);
}

function whatToDo(report: InspectReport): HTMLElement | undefined {
  const advice = (report.advice ?? []).filter(Boolean).map((sentence) => `${sentence}.`);
  return advice.length > 0 ? el("p", { class: "advice" }, advice.join(" ")) : undefined;
}

export function inspectPage(report: InspectReport): Page {
  const settings = (report.settings ?? []).map((name) => name ?? "–");
  const withStates = isNumber(report.num_states) && report.num_states > 0;
  const inside = withStates
    ? [stateGrowth(report, settings), stateOfHead(report, settings)]
    : [filterRate(report, settings), entropy(report, settings)];
  const texts = report.token_vectors
    ? tokenSections(report, settings, report.token_vectors)
    : [
        cosineByLength(report, settings),
        cosineByCut(report, settings),
        ...classSections(report, settings),
        textMap(report, settings),
        classMap(report, settings),
        bucketMatrix(report, settings),
        hubness(report, settings),
        querySlope(report, settings),
        geometry(report, settings),
      ];
  const sections = [
    ...(withStates ? inside : []),
    ...texts,
    ...(withStates ? [] : inside),
    tokenDifferences(report, settings),
    tokenCosine(report, settings),
  ];
  return {
    kind: "Length collapse report",
    title: report.model ?? "Model without a name",
    top: [
      verdict(report.verdict ?? "There is no verdict.", mood(report)),
      whatToDo(report),
      cards(facts(report, settings)),
      measured(report, settings),
    ],
    sections: sections.filter((s) => s !== undefined),
    version: report.treble_version,
  };
}
