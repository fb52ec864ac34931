/** Sections about labelled texts: how far their classes have drawn together. */
import { bucketName, decimal, percent, settingName, whole, withInterval } from "../format";
import { legend } from "../legend";
import { typeset } from "../page";
import { forestPlot } from "../plots/forest";
import { linePlot, type Line, type Point } from "../plots/lines";
import {
  isNumber,
  numbers,
  type ClassEstimate,
  type ClassReport,
  type InspectReport,
  type Interval,
  type Maybe,
} from "../report";
import { panels, section, type Table } from "../section";

interface Measure {
  name: string;
  title: string;
  of: (estimate: ClassEstimate) => Interval | null | undefined;
  /** From 0 to 1. */
  share: boolean;
}

const MEASURES: Measure[] = [
  {
    name: "ÑC1",
    title: "ÑC1 = tr Σ_W / tr Σ_B",
    of: (e) => e.nc1_traces,
    share: false,
  },
  { name: "NC1", title: "NC1 = tr(Σ_W Σ_B⁺) / K", of: (e) => e.nc1, share: false },
  { name: "NC2", title: "NC2: distance to a simplex", of: (e) => e.nc2, share: false },
  {
    name: "nearest mean",
    title: "Right by the nearest class mean",
    of: (e) => e.accuracy,
    share: true,
  },
  {
    name: "linear probe",
    title: "Right by a linear probe",
    of: (e) => e.probe_accuracy,
    share: true,
  },
  { name: "agreement", title: "Nearest mean and probe agree", of: (e) => e.agreement, share: true },
];
const HEIGHT = 200;
const NONE: ClassEstimate = { setting: 0, layer: null };

function form(measure: Measure): (value: Maybe) => string {
  return (value) => (measure.share ? percent(value, 1) : decimal(value));
}

function cell(measure: Measure, estimate: ClassEstimate): string {
  const interval = measure.of(estimate);
  return withInterval(interval?.value, interval?.low, interval?.high, form(measure));
}

function placeName(layer: number | null): string {
  if (layer === null) return "final vectors";
  return layer === 0 ? "embeddings" : `layer ${layer}`;
}

interface Columns {
  estimates: ClassEstimate[];
  at: (estimate: ClassEstimate) => Maybe;
  name: (estimate: ClassEstimate) => string;
  xTitle: string;
  xTicks: { at: number; label: string }[];
}

function point(measure: Measure, columns: Columns, estimate: ClassEstimate, setting: string): Point[] {
  const at = columns.at(estimate);
  const interval = measure.of(estimate);
  if (!isNumber(at)) return [];
  const text = `${settingName(setting)}, ${columns.name(estimate)}: ${measure.name} ${cell(measure, estimate)}, ${whole(estimate.texts)} texts of ${whole(estimate.classes)} classes`;
  return [{ x: at, y: interval?.value, low: interval?.low, high: interval?.high, text }];
}

/** A panel a measure, a line a setting. */
function measurePanels(columns: Columns, settings: string[], measures: Measure[]): HTMLElement | undefined {
  return panels(
    measures.map((measure) => {
      const lines: Line[] = settings.map((name, setting) => ({
        setting,
        points: columns.estimates
          .filter((estimate) => estimate.setting === setting)
          .flatMap((estimate) => point(measure, columns, estimate, name)),
      }));
      return {
        title: measure.title,
        plot: linePlot({
          label: `${measure.title}, against ${columns.xTitle}`,
          xTitle: columns.xTitle,
          yTitle: measure.name,
          lines,
          xTicks: columns.xTicks,
          include: [0],
          share: measure.share,
          height: HEIGHT,
        }),
      };
    }),
    301,
  );
}

function table(caption: string, first: string, columns: Columns, settings: string[]): () => Table {
  return () => ({
    caption,
    head: ["setting", first, "texts", "classes", "tr Σ_W", "tr Σ_B", ...MEASURES.map((m) => m.name)],
    rows: columns.estimates.map((e) => [
      settingName(settings[e.setting] ?? "–"),
      columns.name(e),
      whole(e.texts),
      whole(e.classes),
      decimal(e.within?.value, 4),
      decimal(e.between?.value, 4),
      ...MEASURES.map((measure) => cell(measure, e)),
    ]),
  });
}

function reasonOf(estimates: ClassEstimate[]): string {
  const reason = estimates.find((e) => e.reason)?.reason;
  return reason ? `Nothing can be measured: ${reason}.` : "Nothing was measured.";
}

function isOfAllLengths(estimate: ClassEstimate): boolean {
  return !isNumber(estimate.bucket);
}

function isFinal(estimate: ClassEstimate): boolean {
  return !isNumber(estimate.layer);
}

function byLayer(report: ClassReport, settings: string[]): HTMLElement {
  const estimates = (report.estimates ?? []).filter(isOfAllLengths);
  const layers = [...new Set(numbers(estimates.map((e) => e.layer)))].sort((a, b) => a - b);
  const end = (layers[layers.length - 1] ?? -1) + 1;
  const columns: Columns = {
    estimates,
    at: (e) => e.layer ?? end,
    name: (e) => placeName(e.layer ?? null),
    xTitle: "after layer (0: embeddings)",
    xTicks: [...layers.map((at) => ({ at, label: String(at) })), { at: end, label: "final" }],
  };
  const plots = measurePanels(columns, settings, MEASURES);
  return section({
    title: "How far have classes drawn together, layer by layer?",
    found: typeset(report.verdict ?? ""),
    how: [
      `Hidden states are pooled as the model pools (${report.pooling ?? "–"}); “final” are the vectors after all that follows. ÑC1 = tr Σ_W / tr Σ_B, NC1 = tr(Σ_W Σ_B⁺)/K: 0 where each class is a point. NC2: 0 where class means are as far apart as K points can be, on a simplex. Of each class half the texts are held out, and the shares are of these: the nearest mean and a logistic regression, both of the other half, say what class they are of. Bands: 95 % of ${whole(report.resamples)} bootstrap resamples of the texts. Tirer et al., arXiv 2210.16658; Papyan et al., arXiv 2008.08186.`,
    ],
    body: [plots && legend(settings), plots],
    table: table("Classes by layer, 95 % intervals", "place", columns, settings),
    missing: reasonOf(estimates),
  });
}

/** A panel a measure, a row a temperature, beside the untouched model. */
function temperaturePanels(estimates: ClassEstimate[], settings: string[]): HTMLElement | undefined {
  return panels(
    MEASURES.map((measure) => ({
      title: measure.title,
      plot: forestPlot({
        label: `${measure.title} of the final vectors at each temperature, with 95 % intervals`,
        xTitle: measure.name,
        zero: measure.of(estimates[0] ?? NONE)?.value ?? 0,
        rows: estimates.map((estimate) => {
          const interval = measure.of(estimate);
          const name = settingName(settings[estimate.setting] ?? "–");
          return {
            name,
            setting: estimate.setting,
            value: interval?.value,
            low: interval?.low,
            high: interval?.high,
            numbers: cell(measure, estimate),
            text: `${name}: ${measure.name} ${cell(measure, estimate)}`,
          };
        }),
        dense: true,
      }),
    })),
    301,
  );
}

/** Undefined for a single temperature. */
function byTemperature(report: ClassReport, settings: string[]): HTMLElement | undefined {
  if (settings.length < 2) return undefined;
  const estimates = (report.estimates ?? []).filter((e) => isFinal(e) && isOfAllLengths(e));
  const columns: Columns = {
    estimates,
    at: (e) => e.setting,
    name: () => "final vectors",
    xTitle: "temperature",
    xTicks: [],
  };
  return section({
    title: "What temperature does to classes",
    how: [
      "Final vectors of the same labelled texts at each temperature; the dotted line is the untouched model. Intervals that overlap may hide a difference, as all temperatures see the same texts: the verdict above compares them resample by resample.",
    ],
    body: [temperaturePanels(estimates, settings)],
    table: table("Final vectors by temperature, 95 % intervals", "place", columns, settings),
    missing: reasonOf(estimates),
  });
}

function byLength(report: InspectReport, classes: ClassReport, settings: string[]): HTMLElement {
  const names = (report.buckets ?? []).map(bucketName);
  const estimates = (classes.estimates ?? []).filter((e) => isFinal(e) && !isOfAllLengths(e));
  const columns: Columns = {
    estimates,
    at: (e) => e.bucket,
    name: (e) => `${names[e.bucket ?? -1] ?? "–"} tokens`,
    xTitle: "tokens of the text",
    xTicks: names.map((label, at) => ({ at, label })),
  };
  const plots = measurePanels(columns, settings, MEASURES);
  return section({
    title: "Classes by length",
    how: [
      "Final vectors of the texts of each length, with class means of their own. Classes of few texts look tighter than they are, so lengths can be compared where their classes are about as large; texts that are alone in their class at that length are left out.",
    ],
    body: [plots && legend(settings), plots],
    table: table("Final vectors by length, 95 % intervals", "tokens", columns, settings),
    missing: reasonOf(estimates),
  });
}

/** None where no labels were asked for. */
export function classSections(report: InspectReport, settings: string[]): (HTMLElement | undefined)[] {
  const { classes } = report;
  if (!classes) return [];
  const measured = new Set((classes.estimates ?? []).map((e) => e.setting));
  const temperatures = settings.filter((_, setting) => measured.has(setting));
  return [
    byLayer(classes, temperatures),
    byTemperature(classes, temperatures),
    byLength(report, classes, temperatures),
  ];
}
