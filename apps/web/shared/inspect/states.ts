/** Sections about the states of a model that has some (Mamba-2), over the tokens that they have read. */
import { el, uniqueId } from "../dom";
import { compact, listed, settingName, whole } from "../format";
import { legend, referenceNote, swatch } from "../legend";
import { linePlot, type Line, type Point } from "../plots/lines";
import {
  isNumber,
  numbers,
  type InspectReport,
  type Maybe,
  type StateGrowth,
  type StateHead,
  type StateReport,
} from "../report";
import { panels, section, type Table } from "../section";

const HEIGHT = 240;
const COLOURS = 8;
/** Marks of a line of this many points lie apart. */
const MANY_POINTS = 24;
const MARK_EVERY = 6;
const NOT_LOOKED_AT = "States were not looked at: --layers none was given, or no sampled text has 64 tokens.";
const PAPER = "Chen et al., “Stuffed Mamba”, arXiv 2410.07145";

type Measure = "variance" | "rms" | "mean" | "retention";

function heads(states: StateReport): StateHead[] {
  return (states.heads ?? []).filter((head): head is StateHead => Boolean(head));
}

/** For the list of what was measured. */
export function trainingLength(report: InspectReport): string | undefined {
  const { states } = report;
  if (!states) return undefined;
  if (!isNumber(states.training_length)) return "unknown";
  const source = states.training_length_source;
  return `${whole(states.training_length)} tokens${source ? ` (${source})` : ""}`;
}

function growthText(growth: StateGrowth | null | undefined): string {
  if (!isNumber(growth?.largest)) return "";
  const collapse = isNumber(growth.collapse) ? `, collapse from token ${whole(growth.collapse)} on` : "";
  return `, at most ${compact(growth.largest)} times its maximum within the training length${collapse}`;
}

function points(states: StateReport, head: StateHead, measure: Measure, name: string): Point[] {
  return (states.positions ?? []).flatMap((tokens, index) => {
    if (!isNumber(tokens)) return [];
    const y = head[measure]?.[index];
    const texts = `${whole(states.texts?.[index])} texts`;
    const text = `${name}, layer ${head.layer}, head ${head.head}, ${whole(tokens)} tokens: ${measure} ${compact(y)}, ${texts}`;
    return [{ x: tokens, y, text }];
  });
}

function markEvery(states: StateReport): { markEvery?: number } {
  return (states.positions ?? []).length > MANY_POINTS ? { markEvery: MARK_EVERY } : {};
}

function training(states: StateReport): { referenceX?: number } {
  return isNumber(states.training_length) ? { referenceX: states.training_length } : {};
}

function trainingNote(states: StateReport): HTMLElement | undefined {
  if (!isNumber(states.training_length)) return undefined;
  return referenceNote(`training length, ${whole(states.training_length)} tokens`);
}

/** Lowest and highest of what a logarithmic axis has a place for; undefined without any. */
function positiveRange(lines: Line[]): { range?: [number, number] } {
  const values = numbers(lines.flatMap((line) => line.points.map((point) => point.y))).filter((v) => v > 0);
  return values.length > 0 ? { range: [Math.min(...values), Math.max(...values)] } : {};
}

/** The worst head of each layer of a setting. */
function worstHeads(states: StateReport, setting: number): StateHead[] {
  return (states.layers ?? []).flatMap((layer) => {
    if (layer?.setting !== setting) return [];
    const found = heads(states).find(
      (head) => head.setting === setting && head.layer === layer.layer && head.head === layer.worst_head,
    );
    return found ? [found] : [];
  });
}

function layerKeys(layers: number[]): HTMLElement {
  return el(
    "div",
    { class: "legend layers", role: "list", "aria-label": "Layers" },
    ...layers.map((layer, index) =>
      el("span", { class: "key", role: "listitem" }, swatch(index), `layer ${layer}`),
    ),
  );
}

function retentionAt(states: StateReport, head: StateHead | undefined, tokens: Maybe): string {
  if (!isNumber(tokens)) return "–";
  let index = -1;
  (states.positions ?? []).forEach((position, at) => {
    if (isNumber(position) && position <= tokens) index = at;
  });
  return compact(head?.retention?.[index]);
}

function growthTable(states: StateReport, settings: string[]): Table {
  const last = (states.positions ?? []).at(-1);
  return {
    caption: "The worst head of each layer",
    head: [
      "setting",
      "layer",
      "head",
      "collapse from token",
      "variance at the end",
      "× at the end",
      "× at most",
      "retained, training length",
      "retained, end",
    ],
    rows: (states.layers ?? []).flatMap((layer) => {
      if (!layer) return [];
      const head = worstHeads(states, layer.setting).find((one) => one.layer === layer.layer);
      return [
        [
          settingName(settings[layer.setting] ?? "–"),
          String(layer.layer),
          whole(layer.worst_head),
          whole(head?.growth?.collapse),
          compact(head?.variance?.at(-1)),
          compact(head?.growth?.last),
          compact(head?.growth?.largest),
          retentionAt(states, head, states.training_length),
          retentionAt(states, head, last),
        ],
      ];
    }),
  };
}

function foundGrowth(states: StateReport, settings: string[]): string {
  const found = (states.findings ?? []).flatMap((finding) => {
    if (!isNumber(finding?.worst?.largest)) return [];
    const name = settingName(settings[finding.setting] ?? "–");
    const most = `${compact(finding.worst.largest)} times`;
    return [
      isNumber(finding.collapse)
        ? `${name}: collapse from token ${whole(finding.collapse)} on, up to ${most}`
        : `${name}: no collapse, at most ${most}`,
    ];
  });
  return found.length > 0 ? `${found.join("; ")} the maximum within the training length.` : "";
}

/** A panel a setting, a line a layer: its worst head. */
export function stateGrowth(report: InspectReport, settings: string[]): HTMLElement {
  const states = report.states ?? {};
  const layers = [...new Set((states.layers ?? []).flatMap((layer) => (layer ? [layer.layer] : [])))];
  const count = (states.findings ?? []).length;
  const all = settings.slice(0, count).map((name, setting) =>
    worstHeads(states, setting).map((head): Line => {
      const index = layers.indexOf(head.layer);
      const text = growthText(head.growth);
      return {
        setting: index,
        colour: `c${index % COLOURS}`,
        points: points(states, head, "variance", settingName(name)).map((point) => ({
          ...point,
          text: point.text + text,
        })),
      };
    }),
  );
  const range = positiveRange(all.flat());
  const plots = panels(
    all.map((lines, setting) => ({
      title: settingName(settings[setting] ?? "–"),
      plot: linePlot({
        label: `Variance of the states under ${settingName(settings[setting] ?? "–")}, the worst head of each layer, against tokens read`,
        xTitle: "tokens read",
        yTitle: "variance of the state",
        lines,
        logX: true,
        logY: true,
        yFormat: compact,
        height: HEIGHT,
        ...range,
        ...training(states),
        ...markEvery(states),
      }),
    })),
    301,
  );
  const note = trainingNote(states);
  return section({
    title: "Do states grow beyond the training length?",
    found: foundGrowth(states, settings),
    how: [
      "Each line is the head of a layer whose state grows most: the variance of its state's entries after that many tokens, mean over the texts that are as long. A model has learned to forget within the length of its training texts; where variance goes on rising beyond it, above ten times its maximum within it, the state collapses: what was read last is drowned out. A state control holds the state in bounds. ",
      el("cite", {}, PAPER),
    ],
    body: [
      plots &&
        el("div", {}, layers.length > 1 && layerKeys(layers), note && el("div", { class: "legend" }, note)),
      plots,
    ],
    table: () => growthTable(states, settings),
    missing: NOT_LOOKED_AT,
  });
}

const MEASURES: { measure: Measure; title: string; log: boolean }[] = [
  { measure: "variance", title: "Variance of the entries", log: true },
  { measure: "rms", title: "Root mean square of the entries", log: true },
  { measure: "mean", title: "Mean of the entries", log: false },
  { measure: "retention", title: "Retention of the first token, ∏ α", log: true },
];

function headPanels(states: StateReport, settings: string[], chosen: StateHead): HTMLElement | undefined {
  const same = heads(states).filter((one) => one.layer === chosen.layer && one.head === chosen.head);
  return panels(
    MEASURES.map(({ measure, title, log }) => ({
      title,
      plot: linePlot({
        label: `${title} of layer ${chosen.layer}, head ${chosen.head}, against tokens read`,
        xTitle: "tokens read",
        yTitle: "",
        lines: same.map((head) => ({
          setting: head.setting,
          points: points(states, head, measure, settingName(settings[head.setting] ?? "–")),
        })),
        logX: true,
        logY: log,
        yFormat: compact,
        height: HEIGHT,
        ...training(states),
        ...markEvery(states),
      }),
    })),
    301,
  );
}

/** A choice of the heads that the report holds; `first` is chosen. */
function headPicker(all: StateHead[], first: StateHead, choose: (head: StateHead) => void): HTMLElement {
  const id = uniqueId("head");
  const select = el("select", { id });
  all.forEach((head, index) => {
    const text = `layer ${head.layer}, head ${head.head}`;
    select.append(el("option", { value: index, selected: head === first }, text));
  });
  select.addEventListener("change", () => {
    const head = all[Number(select.value)];
    if (head) choose(head);
  });
  return el("div", { class: "picker" }, el("label", { for: id }, "Head"), select);
}

/** Every measure of one head, a line a setting. */
export function stateOfHead(report: InspectReport, settings: string[]): HTMLElement {
  const states = report.states ?? {};
  const untouched = heads(states).filter((head) => head.setting === 0);
  const worst = states.findings?.[0];
  const first =
    untouched.find((head) => head.layer === worst?.layer && head.head === worst.head) ?? untouched[0];
  const box = el("div");
  const show = (head: StateHead): boolean => {
    const drawn = headPanels(states, settings, head);
    if (drawn) box.replaceChildren(drawn);
    return drawn !== undefined;
  };
  const drawn = first !== undefined && show(first);
  const names = settings.slice(0, (states.findings ?? []).length);
  return section({
    title: "The state of one head",
    how: [
      `The same positions, every measure, of one head under ${listed(names.map(settingName))}. Variance and mean are over the entries of the state (state size × head size); retention is the product of the decays α since the first token: how much of what that token put into the state is left. A head whose retention stays near 1 forgets nothing, and what it reads adds up. Under a window it is 0 where the first token has left the window.`,
    ],
    body: drawn
      ? [el("div", {}, headPicker(untouched, first, show), legend(names, trainingNote(states))), box]
      : [],
    missing: NOT_LOOKED_AT,
    table: () => ({
      caption: "The state of each head at the last position",
      head: ["setting", "layer", "head", "mean", "variance", "rms", "retention"],
      rows: heads(states).map((head) => [
        settingName(settings[head.setting] ?? "–"),
        String(head.layer),
        String(head.head),
        ...(["mean", "variance", "rms", "retention"] as const).map((measure) =>
          compact(head[measure]?.at(-1)),
        ),
      ]),
    }),
  });
}
