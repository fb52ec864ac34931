/** The report of `treble sweep`. */
import {
  bucketName,
  listed,
  percent,
  plural,
  settingName,
  signed,
  whole,
  withInterval,
  decimal,
} from "../../shared/format";
import { el } from "../../shared/dom";
import { verdict, type Page } from "../../shared/page";
import { forestPlot, rangeOfRows, type Row } from "../../shared/plots/forest";
import {
  isNumber,
  type Contrast,
  type Interval,
  type Maybe,
  type Prompt,
  type SweepAxis,
  type SweepBucket,
  type SweepReading,
  type SweepReport,
  type SweepSetting,
} from "../../shared/report";
import { cards, factList, howComputed, panels, section, tableElement, type Fact } from "../../shared/section";

/** Fewer items give a number that says nothing; the terminal's table leaves them out as well. */
const ENOUGH_ITEMS = 10;

/** Metrics are shares of 1; people speak of points. */
const points = (value: Maybe): string => signed(isNumber(value) ? 100 * value : value, 2);
const pointsText = (i: Interval | null | undefined): string =>
  i?.no_variance ? `${points(i.value)} [no variance]` : withInterval(i?.value, i?.low, i?.high, points);
const score = (value: Maybe): string => decimal(value, 4);

export function nameOf(setting: SweepSetting): string {
  return setting.name ?? setting.temperature ?? "–";
}

function times100(value: Maybe): Maybe {
  return isNumber(value) ? 100 * value : value;
}

function choices(report: SweepReport): string[] {
  const counts = new Map<string, number>();
  for (const name of report.chosen ?? []) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].map(
    ([name, count]) => `${settingName(name)} in ${count} of ${report.chosen?.length ?? 0} folds`,
  );
}

/** "+1.3 %". */
const proportion = (value: Maybe): string => (isNumber(value) ? `${signed(100 * value, 1)}\u00a0%` : "–");

function betterAndWorse(setting: SweepSetting): string {
  return isNumber(setting.better) && isNumber(setting.worse)
    ? `${whole(setting.better)} / ${whole(setting.worse)}`
    : "–";
}

function gains(report: SweepReport, names: string[]): HTMLElement {
  const settings = report.settings ?? [];
  const row = (name: string, gain: Interval | null | undefined, setting?: number): Row => ({
    name,
    setting,
    value: times100(gain?.value),
    low: times100(gain?.low),
    high: times100(gain?.high),
    numbers: pointsText(gain),
    text: `${name}: ${pointsText(gain)} points`,
  });
  const tried = settings.map((setting, s) => row(settingName(nameOf(setting)), setting.gain, s)).slice(1);
  const plot = forestPlot({
    label: `Gain in ${report.metric ?? "the metric"} over the untouched model, with 95 % intervals`,
    xTitle: `gain in ${report.metric ?? "the metric"}, points`,
    zero: 0,
    rows: [row("held out", report.held_out_gain), ...tried],
  });
  const sure = settings
    .filter((s, i) => i > 0 && isNumber(s.gain?.low) && s.gain.low > 0)
    .map((s) => settingName(nameOf(s)));
  return section({
    title: "What each setting gains",
    found: `Held out: ${pointsText(report.held_out_gain)} points. ${
      sure.length > 0
        ? `On all data the interval of ${listed(sure)} is above 0.`
        : "On all data no setting's interval is above 0."
    }`,
    how: [
      "Each row: the gain over the untouched model in points (hundredths). “Held out” is the answer: the best setting is chosen on the other folds and judged on each, with a 95 % interval. The others are on all data, their intervals for all settings at once (max-T bootstrap, Westfall & Young, 1993): that any of them strays so far by chance is 5 % likely. An interval over the dotted line shows nothing; an arrow at the edge is off the scale.",
    ],
    body: [plot],
    table: {
      caption: "Value and gain over the untouched model in points",
      head: [
        "setting",
        report.metric ?? "value",
        "gain, 95 % interval",
        "of the score",
        "items better / worse",
        "documents' tokens unread",
      ],
      rows: [
        ["held out", "", pointsText(report.held_out_gain), "", "", ""],
        ...settings.map((s, i) => [
          settingName(names[i] ?? ""),
          score(s.value),
          i === 0 ? "" : pointsText(s.gain),
          i === 0 ? "" : proportion(s.relative_change),
          i === 0 ? "" : betterAndWorse(s),
          percent(s.documents_unread),
        ]),
      ],
    },
    missing: "No gain was measured.",
  });
}

const WAYS: Record<string, string> = {
  temperature: "temperature",
  state: "control of the state",
  post: "pieces and fitted steps",
  "max-length": "reading further",
  "model form": "form of the model",
};

/** What each way to differ from the untouched model is worth; nothing where there is one alone. */
function ways(report: SweepReport): HTMLElement | undefined {
  const axes = (report.axes ?? []).filter((axis) => axis !== null);
  if (axes.length === 0) return undefined;
  const nameOfWay = (axis: SweepAxis): string => WAYS[axis.name ?? ""] ?? axis.name ?? "–";
  const answer = (gain: Contrast | null | undefined): string =>
    gain?.never_chosen ? "never chosen" : pointsText(gain);
  const row = (name: string, gain: Contrast | null | undefined, setting?: number): Row => ({
    name,
    setting,
    value: times100(gain?.value),
    low: times100(gain?.low),
    high: times100(gain?.high),
    numbers: answer(gain),
    text: `${name}: ${answer(gain)}${gain?.never_chosen ? "" : " points"}`,
  });
  const rows = axes.flatMap((axis, index) => [
    ...(axis.settings === 0 ? [] : [row(`${nameOfWay(axis)}, alone`, axis.alone, index + 1)]),
    row(`${nameOfWay(axis)}, added`, axis.added, index + 1),
  ]);
  const adds = axes.filter((axis) => isNumber(axis.added?.low) && axis.added.low > 0).map(nameOfWay);
  return section({
    title: "Which of the ways is it?",
    found:
      adds.length > 0
        ? `Beside all others, ${listed(adds)} ${adds.length > 1 ? "add" : "adds"} to the score.`
        : "None of the ways clearly adds to what the others give.",
    how: [
      "Alone: the best of the settings that differ from the untouched model in this one way, over the untouched model. Added: the best of all settings over the best of those without it. Both chosen on the other folds and judged on each; 95 % intervals for all these rows at once.",
    ],
    body: [
      forestPlot({
        label: `What each way to differ from the untouched model gains in ${report.metric ?? "the metric"}, with 95 % intervals`,
        xTitle: `gain in ${report.metric ?? "the metric"}, points`,
        zero: 0,
        rows: [row("all together", report.held_out_gain), ...rows],
      }),
    ],
    table: {
      caption: "Held-out gains in points",
      head: ["way", "settings", "alone", "added to the others"],
      rows: axes.map((axis) => [
        nameOfWay(axis),
        whole(axis.settings),
        axis.settings === 0 ? "–" : answer(axis.alone),
        answer(axis.added),
      ]),
    },
    missing: "No gain was measured.",
  });
}

/** Gains of one length, to be drawn on the same scale as the other lengths'. */
function bucketRows(bucket: SweepBucket, label: string, names: string[]): Row[] {
  return names
    .map((name, setting) => {
      const gain = (bucket.items ?? 0) < ENOUGH_ITEMS ? null : bucket.gains?.[setting];
      return {
        name: settingName(name),
        setting,
        value: times100(gain?.value),
        low: times100(gain?.low),
        high: times100(gain?.high),
        numbers: pointsText(gain),
        text: `${settingName(name)}, ${label} tokens: ${pointsText(gain)} points, ${plural(bucket.items, "item")}`,
      };
    })
    .slice(1);
}

/** "τ = 0.9 at 33–64 and 65–128 tokens; …" of those whose interval lies on one side of 0. */
function sureAt(rows: Row[][], labels: string[], sign: 1 | -1): string {
  const where = new Map<string, string[]>();
  rows.forEach((of, column) => {
    for (const { name, low, high } of of) {
      if (!isNumber(low) || !isNumber(high) || Math.min(sign * low, sign * high) <= 0) continue;
      where.set(name, [...(where.get(name) ?? []), labels[column] ?? ""]);
    }
  });
  return [...where].map(([name, lengths]) => `${name} at ${listed(lengths)} tokens`).join("; ");
}

function foundByLength(rows: Row[][], labels: string[], few: number): string {
  const gained = sureAt(rows, labels, 1);
  const lost = sureAt(rows, labels, -1);
  return [
    gained && `A clear gain: ${gained}.`,
    lost && `A clear loss: ${lost}.`,
    gained || lost ? "" : "At no length is any setting clearly better or worse than the untouched model.",
    few > 0
      ? `${plural(few, "length has", "lengths have")} fewer than ${ENOUGH_ITEMS} items and no plot.`
      : "",
  ]
    .filter((text) => text !== "")
    .join(" ");
}

function byLength(report: SweepReport, names: string[]): HTMLElement {
  const buckets = report.buckets ?? [];
  const labels = buckets.map(bucketName);
  const metric = report.metric ?? "the metric";
  const rows = buckets.map((bucket, column) => bucketRows(bucket, labels[column] ?? "", names));
  const range = rangeOfRows(rows.flat(), 0);
  const few = buckets.filter((bucket) => (bucket.items ?? 0) < ENOUGH_ITEMS).length;
  const plots = panels(
    buckets.map((bucket, column) => ({
      title: `${labels[column]} tokens (${plural(bucket.items, "item")})`,
      plot: forestPlot({
        label: `Gain in ${metric} over the untouched model at ${labels[column]} tokens, with 95 % intervals`,
        xTitle: `gain in ${metric}, points`,
        zero: 0,
        rows: rows[column] ?? [],
        range,
        dense: true,
      }),
    })),
  );
  return section({
    title: "Where does it help: short or long texts?",
    found: plots && foundByLength(rows, labels, few),
    how: [
      "A plot a length: tokens of the longest relevant document, or of the longer text of a pair. Each row: the gain over the untouched model at that length, all on one scale, with a 95 % interval for all settings of the plot at once. A temperature for long texts should lie right of the dotted line where texts are long, and on it where they are short. Few items give wide intervals; an arrow at the edge is off the scale.",
    ],
    body: [plots],
    table: {
      caption: `${report.metric ?? "Metric"} by length, in brackets the gain over the untouched model in points`,
      head: ["tokens", "items", ...names.map(settingName)],
      rows: buckets.map((b, column) => [
        labels[column] ?? "",
        whole(b.items),
        ...names.map((_, s) => scoreAndGain(b, s)),
      ]),
    },
    missing: `No length has the ${ENOUGH_ITEMS} items that a number needs.`,
  });
}

function scoreAndGain(bucket: SweepBucket, setting: number): string {
  if ((bucket.items ?? 0) < ENOUGH_ITEMS) return "–";
  const gain = setting > 0 ? bucket.gains?.[setting]?.value : undefined;
  return `${score(bucket.values?.[setting])}${isNumber(gain) ? ` (${points(gain)})` : ""}`;
}

/** A bar of a share. The number stands beside it, so the bar itself is for the eye only. */
function gauge(share: number): HTMLElement {
  const bar = document.createElement("span");
  bar.className = "gauge";
  bar.setAttribute("aria-hidden", "true");
  const fill = document.createElement("span");
  fill.style.width = `${100 * share}%`;
  bar.append(fill);
  return bar;
}

function damage(report: SweepReport, names: string[]): HTMLElement {
  const settings = report.settings ?? [];
  const any = settings.some((s) => isNumber(s.overlap));
  const table = tableElement({
    caption: "Of the first ten places, the share that the untouched model fills too",
    head: ["setting", "all", "short texts"],
    rows: settings.map((s, i) => [settingName(names[i] ?? ""), percent(s.overlap), percent(s.short_overlap)]),
  });
  table.classList.add("gauges");
  settings.forEach((s, i) => {
    const cells = table.querySelectorAll(`tbody tr:nth-child(${i + 1}) td`);
    if (isNumber(s.overlap)) cells[0]?.append(gauge(s.overlap));
    if (isNumber(s.short_overlap)) cells[1]?.append(gauge(s.short_overlap));
  });
  return section({
    title: "Damage: how much the rankings change",
    how: [
      "The share of the first ten places that the untouched model fills too. 100 %: nothing moved. Short texts (up to 64 tokens) should stay put when a temperature is meant for long ones; a low bar there is damage, even where the metric does not see it.",
    ],
    body: [any ? table : undefined],
    missing: "Pairs have no rankings, so there is no overlap to show.",
  });
}

function others(report: SweepReport, names: string[]): HTMLElement | undefined {
  const settings = report.settings ?? [];
  const metrics = [...new Set(settings.flatMap((s) => Object.keys(s.others ?? {})))];
  if (metrics.length === 0) return undefined;
  return section({
    title: "Other metrics",
    how: [
      "The same rankings by other measures, on all data, without intervals: to see whether the picture depends on the measure.",
    ],
    body: [
      tableElement({
        caption: "Metrics on all data",
        head: ["setting", report.metric ?? "value", ...metrics],
        rows: settings.map((s, i) => [
          settingName(names[i] ?? ""),
          score(s.value),
          ...metrics.map((metric) => score(s.others?.[metric])),
        ]),
      }),
    ],
  });
}

/** The outcome as the first sentence, and what it rests on after it. */
function claimFirst(text: string): string {
  const [, proxy, outcome = text] = /^(A proxy .*?, so no proof): (.*)$/s.exec(text) ?? [];
  return outcome
    .replace(
      /^(.*? helps|Choosing does harm|No setting was reliably better than the untouched model):/s,
      proxy ? "$1, by a proxy:" : "$1:",
    )
    .replace(" (95 % interval), ", `. ${proxy ? `${proxy}. ` : ""}In brackets a 95 % interval; `);
}

/** Prompts of queries and documents, where there are any. */
function prompts(report: SweepReport): [string, string][] {
  const rows: [string, Prompt | null | undefined][] = [
    ["Query prompt", report.query_prompt],
    ["Document prompt", report.document_prompt],
  ];
  return rows.flatMap(([name, prompt]) =>
    prompt?.text ? [[name, `“${prompt.text}”${prompt.name ? ` (${prompt.name})` : ""}`]] : [],
  );
}

function itemsText(report: SweepReport): string {
  const apart = isNumber(report.queries_apart) && report.queries_apart > 0 ? report.queries_apart : 0;
  const ignored = report.ignore_identical_ids ? "; documents with a query's own id ignored" : "";
  const lost =
    isNumber(report.queries_without_document) && report.queries_without_document > 0
      ? `; ${whole(report.queries_without_document)} of them look for what is not in the corpus`
      : "";
  return `${whole(report.items)}${lost}${apart ? `; ${whole(apart)} more with nothing to find stand apart` : ""}${ignored}`;
}

/** What is never read, where that is anything. */
function reading(report: SweepReport): [string, string][] {
  const rows: [string, SweepReading | null | undefined][] = [
    [report.queries_read ? "Documents cut" : "Texts cut", report.documents_read],
    ["Queries cut", report.queries_read],
  ];
  return rows.flatMap(([name, read]) =>
    isNumber(read?.cut) && read.cut > 0
      ? [
          [
            name,
            `${whole(read.cut)} of ${whole(read.texts)}; ${percent(read.unread)} of all their tokens are never read`,
          ],
        ]
      : [],
  );
}

/** What to do, as it is typed at a terminal. */
function whatToRun(report: SweepReport): HTMLElement | undefined {
  const commands = (report.commands ?? []).filter(Boolean);
  const advice = (report.advice ?? []).filter(Boolean).map((sentence) => `${sentence}.`);
  if (commands.length + advice.length === 0) return undefined;
  return el(
    "div",
    { class: "run" },
    advice.length > 0 ? el("p", {}, advice.join(" ")) : null,
    commands.length > 0 ? el("p", {}, "To run:") : null,
    commands.length > 0 ? el("pre", { tabindex: 0 }, el("code", {}, commands.join("\n"))) : null,
  );
}

/** "5, dealt 20 times, seed 1; 1,000 resamples for the intervals". */
function folds(report: SweepReport): string {
  const deals = report.deals ?? 1;
  return `${whole(report.folds)}, dealt ${deals === 1 ? "once" : `${whole(deals)} times`}, seed ${report.seed ?? "–"}; ${whole(report.resamples)} resamples for the intervals`;
}

/** What the data lacks. */
function notes(report: SweepReport): [string, string][] {
  const sentences = (report.notes ?? []).filter(Boolean).map((note) => `${note}.`);
  return sentences.length > 0 ? [["On the data", sentences.join(" ")]] : [];
}

export function sweepPage(report: SweepReport): Page {
  const names = (report.settings ?? []).map(nameOf);
  const chosen = choices(report);
  const facts: Fact[] = [];
  const first = report.settings?.[0];
  if (isNumber(first?.value)) {
    facts.push({
      name: `${report.metric ?? "Metric"}, untouched`,
      value: score(first.value),
      note: settingName(names[0] ?? "1"),
    });
  }
  if (isNumber(report.held_out_gain?.value)) {
    const gain = report.held_out_gain;
    facts.push({
      name: "Gain, held out",
      value: points(gain.value),
      note: gain.no_variance ? "points, no variance" : `points [${points(gain.low)}, ${points(gain.high)}]`,
    });
  }
  if (chosen.length > 0) {
    const value = chosen.length === 1 ? settingName(report.chosen?.[0] ?? "") : "differs";
    facts.push({ name: "Chosen", value, note: listed(chosen) });
  }
  const side = report.side === "both" || !report.side ? "all texts" : `${report.side} texts only`;
  const moods = { helps: "good", harms: "bad" } as const;
  return {
    kind: "Temperature sweep",
    title: report.model ?? "Model without a name",
    top: [
      verdict(
        claimFirst(report.verdict ?? "There is no verdict."),
        moods[report.benefit as keyof typeof moods] ?? "plain",
      ),
      whatToRun(report),
      cards(facts),
      factList([
        ["Model", report.model ?? "–"],
        ["Computed", howComputed(report.provenance)],
        [
          "Data",
          `${report.data ?? "–"}${report.labelled === false ? " (no labels: first halves find second halves)" : ""}`,
        ],
        ["Metric", report.metric ?? "–"],
        ["Similarity", report.similarity ?? "–"],
        ...prompts(report),
        ["Settings", listed(names.map(settingName))],
        ["Acts on", side],
        ["Items", itemsText(report)],
        ...reading(report),
        ["Folds", folds(report)],
        ...notes(report),
      ]),
    ],
    sections: [
      gains(report, names),
      ways(report),
      byLength(report, names),
      damage(report, names),
      others(report, names),
    ].filter((s) => s !== undefined),
    version: report.treble_version,
  };
}
