/** Labelled texts on a plane, coloured by class. */
import { el, svg } from "../dom";
import { decimal, percent, plural, settingName, shortened, whole } from "../format";
import { responsive } from "../plots/frame";
import { scatter, type Dot } from "../plots/scatter";
import { shapePath } from "../plots/shapes";
import { isNumber, type ClassMapText, type ClassReport, type InspectReport } from "../report";
import { section } from "../section";
import { settingSwitch } from "./setting_switch";

/** More colours than these cannot be told apart. */
const COLOURS = 8;
const LABEL = 60;
const TEXT = 110;

interface Shown {
  text: ClassMapText;
  index: number;
}

function labelOf(classes: ClassReport, label: number | null | undefined): string {
  return (isNumber(label) ? classes.classes?.[label]?.label : undefined) ?? "–";
}

/** The largest classes, in the order of their colours. */
function coloured(classes: ClassReport): number[] {
  const sizes = (classes.classes ?? []).map((one) => one?.texts ?? 0);
  return [...sizes.keys()].sort((a, b) => (sizes[b] ?? 0) - (sizes[a] ?? 0) || a - b).slice(0, COLOURS);
}

function mark(rank: number): SVGSVGElement {
  const kind = rank < 0 ? "other-class mark" : `c${rank} mark`;
  const d = shapePath(Math.max(rank, 0), 60);
  return svg(
    "svg",
    { class: "swatch", width: 16, height: 16, "aria-hidden": true },
    svg("path", { class: kind, d, transform: "translate(8,8)" }),
  );
}

function key(classes: ClassReport, shown: number[]): HTMLElement {
  const others = (classes.classes ?? []).length - shown.length;
  const entries = shown.map((label, rank) =>
    el(
      "li",
      { class: "key" },
      mark(rank),
      `${shortened(labelOf(classes, label), LABEL)} (${whole(classes.classes?.[label]?.texts)})`,
    ),
  );
  if (others > 0) {
    const text = `grey: ${plural(others, "other class", "other classes")}; the ${shown.length} largest have colours`;
    entries.push(el("li", { class: "key" }, mark(-1), text));
  }
  return el("ul", { class: "legend classes", "aria-label": "Classes" }, ...entries);
}

function dotsOf(classes: ClassReport, texts: Shown[], shown: number[], setting: number): Dot[] {
  const dots: (Dot & { rank: number })[] = [];
  for (const { text, index } of texts) {
    const [x, y] = text.at?.[setting] ?? [];
    if (!isNumber(x) || !isNumber(y)) continue;
    const rank = shown.findIndex((label) => label === text.label);
    const said = `${labelOf(classes, text.label)}: ${shortened(text.text ?? "", TEXT)}, ${whole(text.tokens)} tokens`;
    dots.push({
      index,
      x,
      y,
      rank,
      colour: rank < 0 ? "other-class" : `c${rank}`,
      shape: Math.max(rank, 0),
      text: said,
    });
  }
  // Those in grey lie below.
  return dots.sort((a, b) => Number(a.rank >= 0) - Number(b.rank >= 0) || a.index - b.index);
}

/** Undefined where no labels were asked for. */
export function classMap(report: InspectReport, settings: string[]): HTMLElement | undefined {
  const { classes } = report;
  if (!classes) return undefined;
  const texts = (classes.map?.texts ?? []).flatMap((text, index) => (text ? [{ text, index }] : []));
  const shown = coloured(classes);
  const temperatures = settings.slice(0, Math.max(0, ...texts.map(({ text }) => text.at?.length ?? 0)));
  let setting = 0;
  let redraw = (): void => {};
  const axes = el("p", { class: "axes" });
  const box = el("div", { class: "drawn" });
  const draw = (width: number): void => {
    const name = settingName(temperatures[setting] ?? "");
    const dots = dotsOf(classes, texts, shown, setting);
    const height = Math.min(440, Math.max(280, width * 0.7));
    const label = `Map of ${dots.length} labelled texts at ${name}`;
    box.replaceChildren(scatter(label, dots, width, height, { onFocus: () => {} }).root);
    const shares = classes.map?.explained?.[setting] ?? [];
    const of = classes.map?.axes === "class means" ? "class means" : "texts";
    axes.textContent = `Axes: the two principal axes of the untouched model's ${of}, carrying ${percent(shares[0], 1)} (across) and ${percent(shares[1], 1)} (up) of the texts' variance here.`;
  };
  const drawn = dotsOf(classes, texts, shown, 0).length > 1;
  const body = drawn
    ? el(
        "div",
        { class: "textmap classmap" },
        settingSwitch(temperatures, (chosen) => {
          setting = chosen;
          redraw();
        }),
        key(classes, shown),
        responsive((width) => {
          redraw = () => draw(width);
          redraw();
          return box;
        }),
        axes,
      )
    : undefined;
  return section({
    title: "A map of the classes",
    how: [
      "Each point is a labelled text by its final vector, coloured by class. Classes that have collapsed are points apart; two axes show a little of what separates many classes, so clouds that overlap here may still be apart. All temperatures lie on the untouched model's axes.",
    ],
    body: [body],
    table: () => ({
      caption: "Labelled texts and their place on the map of the untouched model",
      head: ["text", "class", "tokens", "across", "up", "beginning"],
      rows: texts.map(({ text, index }) => [
        text.id || `text ${index + 1}`,
        labelOf(classes, text.label),
        whole(text.tokens),
        decimal(text.at?.[0]?.[0]),
        decimal(text.at?.[0]?.[1]),
        shortened(text.text ?? "", 90),
      ]),
    }),
    missing: "A map needs at least two labelled texts.",
  });
}
