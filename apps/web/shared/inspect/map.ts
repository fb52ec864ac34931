/** The texts on a plane, and what is near to a chosen one at each setting. */
import { el, uniqueId } from "../dom";
import { bucketName, decimal, percent, settingName, shortened, whole } from "../format";
import { neighborList, textButton, type NeighborText } from "../neighbors";
import { canvas, responsive } from "../plots/frame";
import { scatter, type Dot, type Scatter } from "../plots/scatter";
import { isNumber, type InspectReport, type MapText } from "../report";
import { section } from "../section";
import { settingSwitch } from "./setting_switch";

const STEPS = 7;
const MATCHES = 8;
const LABEL = 110;

function titleOf(text: MapText | undefined, index: number): string {
  return text?.id || `text ${index + 1}`;
}

/** The step of the sequential colours of a text: that of its length bucket. */
function colourOf(text: MapText, report: InspectReport): number {
  const buckets = report.buckets ?? [];
  const found = buckets.findIndex((bucket) => (text.tokens ?? 0) <= (bucket?.max_tokens ?? 0));
  return bucketColour(found < 0 ? buckets.length - 1 : found, buckets.length);
}

function bucketColour(bucket: number, count: number): number {
  return count < 2 ? 3 : Math.round((bucket * (STEPS - 1)) / (count - 1));
}

class TextMap {
  readonly node: HTMLElement;
  private setting = 0;
  private chosen: number | undefined;
  private plot: Scatter | undefined;
  private readonly reading = el("div", { class: "reading" });
  readonly lists = el("div", { class: "lists" });
  private readonly axes = el("p", { class: "axes" });
  private readonly box: HTMLElement;
  private readonly said = el("p", { class: "unseen", role: "status" });
  private redraw: () => void = () => {};

  constructor(
    private readonly report: InspectReport,
    private readonly settings: string[],
    private readonly texts: MapText[],
  ) {
    this.box = el("div", { class: "drawn" });
    const frame = responsive((width) => {
      this.redraw = () => this.draw(width);
      this.redraw();
      return this.box;
    });
    this.readText(undefined);
    this.lists.append(
      el("p", { class: "hint" }, "Click a text, or find one below, to see its nearest at each setting."),
    );
    this.node = el(
      "div",
      { class: "textmap" },
      settingSwitch(this.settings, (setting) => {
        this.setting = setting;
        this.redraw();
      }),
      this.lengthKey(),
      frame,
      this.axes,
      this.reading,
      this.said,
      this.finder(),
    );
  }

  private dots(): Dot[] {
    const dots: Dot[] = [];
    this.texts.forEach((text, index) => {
      const [x, y] = text.at?.[this.setting] ?? [];
      if (!isNumber(x) || !isNumber(y)) return;
      const label = `${titleOf(text, index)}, ${whole(text.tokens)} tokens: ${shortened(text.text ?? "", LABEL)}`;
      dots.push({ index, x, y, colour: `q${colourOf(text, this.report)}`, text: label });
    });
    return dots;
  }

  private draw(width: number): void {
    const height = Math.min(440, Math.max(280, width * 0.7));
    const name = settingName(this.settings[this.setting] ?? "");
    const dots = this.dots();
    if (dots.length === 0) {
      const area = { width, height: 40, top: 0, right: 0, bottom: 0, left: 0 };
      this.plot = undefined;
      this.box.replaceChildren(
        canvas(area, `No map at ${name}`),
        el("p", { class: "missing" }, `${name} has no map.`),
      );
      return;
    }
    this.plot = scatter(`Map of ${dots.length} texts at ${name}`, dots, width, height, {
      onFocus: (index) => this.readText(index),
      onSelect: (index) => this.choose(index),
    });
    this.box.replaceChildren(this.plot.root);
    const shares = this.report.map?.explained?.[this.setting] ?? [];
    this.axes.textContent = `Axes: the two principal axes of the untouched model's vectors, carrying ${percent(shares[0], 1)} (across) and ${percent(shares[1], 1)} (up) of the variance here.`;
    this.markChosen();
  }

  private lengthKey(): HTMLElement {
    const buckets = this.report.buckets ?? [];
    const key = el("div", { class: "legend lengths" }, el("span", {}, "tokens:"));
    buckets.forEach((bucket, index) => {
      const dot = el("span", { class: `dot q${bucketColour(index, buckets.length)}`, "aria-hidden": true });
      key.append(el("span", { class: "key" }, dot, bucketName(bucket)));
    });
    return key;
  }

  private readText(index: number | undefined): void {
    const text = index === undefined ? undefined : this.texts[index];
    if (index === undefined || !text) {
      this.reading.replaceChildren(el("p", { class: "hint" }, "Point at a text to read its beginning."));
      return;
    }
    this.reading.replaceChildren(
      el("p", { class: "name" }, el("b", {}, titleOf(text, index)), ` ${whole(text.tokens)} tokens`),
      el("p", { class: "text" }, text.text ?? ""),
    );
  }

  /** Texts by a word of theirs: the way in for those who do not point. */
  private finder(): HTMLElement {
    const id = uniqueId("find");
    const input = el("input", { type: "search", id, autocomplete: "off", placeholder: "a word or a name" });
    const matches = el("ul", { class: "matches" });
    const status = el("span", { class: "unseen", role: "status" });
    input.addEventListener("input", () => {
      const wanted = input.value.trim().toLowerCase();
      const holds = (text: MapText): boolean =>
        `${text.id ?? ""} ${text.text ?? ""}`.toLowerCase().includes(wanted);
      const all =
        wanted === "" ? [] : [...this.texts.keys()].filter((index) => holds(this.texts[index] ?? {}));
      matches.replaceChildren(
        ...all.slice(0, MATCHES).map((index) =>
          el(
            "li",
            {},
            textButton(this.textOf(index), () => this.choose(index)),
          ),
        ),
      );
      status.textContent = wanted === "" ? "" : `${all.length} texts found`;
    });
    return el("div", { class: "finder" }, el("label", { for: id }, "Find a text"), input, status, matches);
  }

  private textOf(index: number): NeighborText {
    const text = this.texts[index];
    return { title: titleOf(text, index), tokens: text?.tokens, text: text?.text };
  }

  private choose(index: number): void {
    this.chosen = index;
    this.readText(index);
    this.markChosen();
    const lists = this.texts[index]?.neighbors;
    const columns = this.settings.map((setting, s) =>
      neighborList({
        heading: settingName(setting),
        neighbors: lists?.[s] ?? [],
        untouched: s > 0 ? (lists?.[0] ?? []) : undefined,
        text: (other) => this.textOf(other),
        choose: (other) => this.choose(other),
      }),
    );
    const heading = el("h3", {}, `Nearest to ${shortened(titleOf(this.texts[index], index), 60)}`);
    const side = el("div", {
      class: "lists-of scroll",
      tabindex: 0,
      role: "region",
      "aria-label": "Nearest texts",
    });
    side.append(...columns);
    this.lists.replaceChildren(heading, side);
    this.said.textContent = `Chosen: ${titleOf(this.texts[index], index)}. Its nearest texts are listed below the map.`;
  }

  private markChosen(): void {
    if (this.chosen === undefined) return;
    const neighbors = this.texts[this.chosen]?.neighbors?.[this.setting] ?? [];
    this.plot?.select(
      this.chosen,
      neighbors.map(([other]) => other),
    );
  }
}

export function textMap(report: InspectReport, settings: string[]): HTMLElement {
  const texts = report.map?.texts ?? [];
  const placed = texts.some((text) => text.at?.some((at) => isNumber(at?.[0]) && isNumber(at?.[1])));
  const map = texts.length > 1 && placed ? new TextMap(report, settings, texts) : undefined;
  return section({
    title: "A map of the texts",
    how: [
      "Each point is a text, coloured by its length. Near points have similar vectors, as far as two axes can show. Long texts huddled in one place: collapse. All settings lie on the untouched model's axes, so that a switch shows what moves. A click lists the nearest texts (by cosine in all dimensions) at each setting side by side.",
    ],
    body: [map?.node],
    below: map?.lists,
    table: () => ({
      caption: "Sampled texts and their place on the map of the untouched model",
      head: ["text", "tokens", "across", "up", "beginning"],
      rows: texts.map((text, index) => [
        titleOf(text, index),
        whole(text.tokens),
        decimal(text.at?.[0]?.[0]),
        decimal(text.at?.[0]?.[1]),
        shortened(text.text ?? "", 90),
      ]),
    }),
    missing: "A map needs at least two texts.",
  });
}
