/** The report of `treble collapse-model`. */
import { decimal, percent, whole } from "../../shared/format";
import { verdict, type Page } from "../../shared/page";
import { linePlot, type Line, type Point } from "../../shared/plots/lines";
import { isNumber, type Maybe } from "../../shared/report";
import { cards, factList, panels, section, tableElement, type Fact, type Table } from "../../shared/section";

export interface Collapse {
  within?: Maybe;
  between?: Maybe;
  nc1_traces?: Maybe;
  nc1?: Maybe;
  nc2?: Maybe;
  nc3?: Maybe;
}

interface PathPoint {
  beta?: Maybe;
  objective?: Maybe;
  residual?: Maybe;
  collapse?: Collapse | null;
  perturbation?: {
    unsupported?: string | null;
    distance?: Maybe;
    first_order_error?: Maybe;
    collapse?: Collapse | null;
    diagonal_block?: { value?: Maybe; count?: Maybe }[] | null;
    off_diagonal_singular_value?: Maybe;
  } | null;
}

export interface CollapseModelReport {
  kind: "collapse-model";
  treble_version?: string | null;
  data?: string | null;
  items?: Maybe;
  dim?: Maybe;
  classes?: { label?: string | null; items?: Maybe }[] | null;
  lambda_w?: Maybe;
  lambda_h?: Maybe;
  given?: Collapse | null;
  path?: PathPoint[] | null;
  flow?: { time?: Maybe; collapse?: Collapse | null }[] | null;
}

interface Sample {
  at: number;
  name: string;
  collapse: Collapse;
}

const METRICS: [keyof Collapse, string, string][] = [
  ["nc1_traces", "ÑC1", "within-class over between-class scatter: tr Σ_W / tr Σ_B"],
  ["nc1", "NC1", "the same seen by the class means' own axes: tr(Σ_W Σ_B⁺)/K"],
  ["nc2", "NC2", "distance of the class means to a simplex frame"],
  ["nc3", "NC3", "the same after the best linear layer"],
];

/** "0.01", and "1e−12" where that is too long. */
function power(value: number): string {
  return value >= 1e-3 && value < 1e4 ? String(value) : value.toExponential(0).replace("-", "−");
}

function plotsOf(samples: Sample[], xTitle: string, logX: boolean): HTMLElement | undefined {
  return panels(
    METRICS.map(([key, name, what]) => {
      const points: Point[] = samples.map(({ at, name: where, collapse }) => ({
        x: at,
        y: collapse[key],
        text: `${where}: ${name} ${decimal(collapse[key], 4)}`,
      }));
      const lines: Line[] = [{ setting: 0, points }];
      const logY = key === "nc1_traces" || key === "nc1";
      return {
        title: `${name}: ${what}`,
        plot: linePlot({
          label: `${name} over ${xTitle}`,
          xTitle,
          yTitle: name,
          lines,
          logX,
          logY,
          height: 220,
          ...(logX ? { xTicks: samples.map(({ at }) => ({ at, label: String(at) })) } : {}),
          ...(logY ? { yFormat: power } : { include: [0] }),
        }),
      };
    }),
    301,
  );
}

function numbersOf(caption: string, first: string, samples: Sample[]): Table {
  return {
    caption,
    head: [first, "tr Σ_W", "tr Σ_B", ...METRICS.map(([, name]) => name)],
    rows: samples.map(({ name, collapse }) => [
      name,
      decimal(collapse.within, 6),
      decimal(collapse.between, 6),
      ...METRICS.map(([key]) => decimal(collapse[key], 6)),
    ]),
  };
}

function pathSamples(report: CollapseModelReport): Sample[] {
  return (report.path ?? [])
    .flatMap(({ beta, collapse }) =>
      isNumber(beta) && collapse ? [{ at: beta, name: `β = ${beta}`, collapse }] : [],
    )
    .sort((a, b) => a.at - b.at);
}

function flowSamples(report: CollapseModelReport): Sample[] {
  const given: Sample[] = report.given ? [{ at: 0, name: "t = 0", collapse: report.given }] : [];
  const later = (report.flow ?? []).flatMap(({ time, collapse }) =>
    isNumber(time) && time > 0 && collapse ? [{ at: time, name: `t = ${time}`, collapse }] : [],
  );
  return later.length > 0 ? [...given, ...later] : [];
}

function path(report: CollapseModelReport): HTMLElement {
  const samples = pathSamples(report);
  const positive = samples.filter(({ at }) => at > 0);
  return section({
    title: "Minimisers: how far features collapse when they may leave the given ones",
    how: [
      "β holds the features near the given ones: to the right they stay, to the left they move towards one point a class. Of each β the minimiser of f(W, H) = ‖WH − Y‖²/(2N) + λ_W‖W‖²/(2K) + λ_H‖H‖²/(2N) + β‖H − H₀‖²/(2N).",
    ],
    body: [plotsOf(positive, "β", true)],
    table: numbersOf("Metrics of the minimisers", "β", samples),
    missing: "No β was asked for.",
  });
}

function flow(report: CollapseModelReport): HTMLElement | undefined {
  const samples = flowSamples(report);
  if (samples.length === 0) return undefined;
  return section({
    title: "Flow: features on their way",
    how: [
      "The gradient flow dH/dt = −[WᵀWH − WᵀY + λ_H H] from the given features, the linear layer W being the best at every moment. ÑC1 falls all along it (theorem 3.1 of the paper).",
    ],
    body: [plotsOf(samples, "time", false)],
    table: numbersOf("Metrics along the flow", "time", samples),
  });
}

function perturbation(report: CollapseModelReport): HTMLElement | undefined {
  const points = (report.path ?? []).filter(({ perturbation: p }) => p && !p.unsupported);
  const reason = report.path?.find(({ perturbation: p }) => p?.unsupported)?.perturbation?.unsupported;
  if (points.length === 0 && !reason) return undefined;
  const rows = points.map(({ beta, collapse, perturbation: p }) => [
    String(beta),
    decimal(collapse?.nc1_traces, 4),
    decimal(p?.collapse?.nc1_traces, 4),
    percent(p?.first_order_error, 1),
    (p?.diagonal_block ?? []).map((one) => `${decimal(one.value, 6)} (${whole(one.count)})`).join(", "),
  ]);
  const table = tableElement({
    caption: "The first order beside the minimiser",
    head: ["β", "ÑC1", "predicted", "missed", "eigenvalues of F's diagonal block (how often)"],
    rows,
  });
  return section({
    title: "First order: what the theory predicts near collapse",
    found: reason ?? undefined,
    how: [
      "H₀ is taken as collapsed features H* and a disturbance δH₀; to first order the minimiser is H* + F δH₀. Eigenvalues of F between 0 and 1 are directions in which a disturbance shrinks; with eigenvalues below −1 β is too small for the first order to hold. “Missed” is the prediction's distance to the minimiser over the minimiser's distance to H*: small where β is large or H₀ close to collapse.",
    ],
    body: [points.length > 0 ? table : undefined],
    missing: reason ?? "The theorems do not apply here.",
  });
}

function claim(report: CollapseModelReport): string {
  const from = report.given?.nc1_traces;
  const samples = pathSamples(report);
  const to = samples[0]?.collapse.nc1_traces;
  if (!isNumber(from)) return "The class means are all alike. Collapse is not defined for them.";
  if (!isNumber(to) || to <= 0) return `Within-class scatter is ${decimal(from)} of that between classes.`;
  return `With β = ${String(samples[0]?.at)} classes are ${decimal(from / to, 2)} times as tight as given. ÑC1 goes from ${decimal(from, 4)} to ${decimal(to, 4)}.`;
}

/** A report may come from a file: without the items that are not there. */
function withoutNulls(given: CollapseModelReport): CollapseModelReport {
  return {
    ...given,
    classes: given.classes?.filter(Boolean) ?? null,
    path: given.path?.filter(Boolean) ?? null,
    flow: given.flow?.filter(Boolean) ?? null,
  };
}

export function collapseModelPage(given: CollapseModelReport): Page {
  const report = withoutNulls(given);
  const facts: Fact[] = METRICS.flatMap(([key, name, what]) => {
    const value = report.given?.[key];
    return isNumber(value) ? [{ name: `${name}, given`, value: decimal(value, 4), note: what }] : [];
  });
  const counts = (report.classes ?? []).map(({ items }) => items ?? 0);
  const sizes =
    counts.length === 0
      ? "–"
      : Math.min(...counts) === Math.max(...counts)
        ? `${whole(counts[0])} items each`
        : `${whole(Math.min(...counts))} to ${whole(Math.max(...counts))} items each`;
  return {
    kind: "Neural collapse, near-features model",
    title: report.data ?? "Features",
    top: [
      verdict(claim(report), "plain"),
      cards(facts),
      factList([
        ["Items", whole(report.items)],
        ["Dimensions", whole(report.dim)],
        ["Classes", `${whole(counts.length)}, ${sizes}`],
        ["λ_W", String(report.lambda_w ?? "–")],
        ["λ_H", String(report.lambda_h ?? "–")],
        ["Source", "Tirer, Huang & Niles-Weed, arXiv 2210.16658"],
      ]),
    ],
    sections: [path(report), flow(report), perturbation(report)].filter((part) => part !== undefined),
    version: report.treble_version,
  };
}
