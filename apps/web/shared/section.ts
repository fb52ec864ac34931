/** The parts that every section of the page is made of: what was found, the plot, how to read it, the numbers. */
import { el, unseen, uniqueId, type Child } from "./dom";
import { whole } from "./format";
import { isNumber, type Provenance } from "./report";

export interface Table {
  caption: string;
  head: string[];
  rows: string[][];
}

export interface Section {
  title: string;
  /** What was found, in a sentence with its numbers. */
  found?: string;
  /** What the axes are, and where it comes from. */
  how: Child[];
  /** Over `how`. */
  aside?: string;
  body: (Child | undefined)[];
  table?: Table | (() => Table);
  /** Over the whole width, under all. */
  below?: Node;
  /** Shown in place of the plot when there is nothing to draw. */
  missing?: string;
}

export function tableElement(table: Table): HTMLElement {
  const head = el("tr", {}, ...table.head.map((text) => el("th", { scope: "col" }, text)));
  const rows = table.rows.map((cells) =>
    el(
      "tr",
      {},
      ...cells.map((text, index) => (index === 0 ? el("th", { scope: "row" }, text) : el("td", {}, text))),
    ),
  );
  const whole = el(
    "table",
    {},
    el("caption", {}, table.caption),
    el("thead", {}, head),
    el("tbody", {}, ...rows),
  );
  // Reachable, so that it can be scrolled by key where it is wider than the page.
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": table.caption }, whole);
}

/** Built when it is first opened: the table of the map has a row for each text. */
function foldedTable(title: string, table: Table | (() => Table)): HTMLElement {
  const details = el("details", { class: "numbers" }, el("summary", {}, "Numbers", unseen(` of: ${title}`)));
  details.addEventListener(
    "toggle",
    () => details.append(tableElement(typeof table === "function" ? table() : table)),
    { once: true },
  );
  return details;
}

export function section({
  title,
  found,
  how,
  aside: over,
  body,
  table,
  below,
  missing,
}: Section): HTMLElement {
  const id = uniqueId("section");
  const node = el("section", { "aria-labelledby": id });
  const drawn = body.some((child) => child);
  const main = el(
    "div",
    { class: "main" },
    ...(drawn ? body : [el("p", { class: "missing" }, missing ?? "Nothing was measured.")]),
  );
  const aside = el("div", { class: "how" }, el("h3", {}, over ?? "How to read this"), el("p", {}, ...how));
  node.append(el("h2", { id }, title));
  if (found) node.append(el("p", { class: "found" }, found));
  node.append(el("div", { class: "columns" }, main, aside));
  if (drawn && below) node.append(below);
  if (drawn && table) (below ? node : main).append(foldedTable(title, table));
  return node;
}

/** Plots of one kind side by side, each under its heading. */
export function panels(
  items: { title: string; plot: HTMLElement | undefined }[],
  min = 250,
): HTMLElement | undefined {
  const shown = items.filter((item) => item.plot);
  if (shown.length === 0) return undefined;
  const kind = shown.length === 1 ? "panels one" : min > 300 ? "panels wide" : "panels";
  return el(
    "div",
    { class: kind },
    ...shown.map(({ title, plot }) => el("figure", {}, el("figcaption", {}, title), plot)),
  );
}

/** A link to where it was first described. Text only: the page fetches nothing, and a reader may be offline. */
export function paper(where: string): HTMLElement {
  return el("cite", {}, `Zhou et al., arXiv 2410.24200, ${where}`);
}

export interface Fact {
  name: string;
  value: string;
  note?: string;
}

/** A few numbers that carry the verdict. */
export function cards(facts: Fact[]): HTMLElement | undefined {
  if (facts.length === 0) return undefined;
  const list = el("dl", { class: "cards" });
  for (const { name, value, note } of facts) {
    list.append(
      el(
        "div",
        {},
        el("dt", {}, name),
        el("dd", { class: "value" }, value),
        note ? el("dd", {}, note) : null,
      ),
    );
  }
  return list;
}

/** What was measured. */
/** "weights 1a2b3c4d5e6f, int8 on AVX2, up to 256 tokens": int8 differs by the kind of CPU. */
export function howComputed(provenance: Provenance | null | undefined): string | undefined {
  const { model, compute_dtype, cpu_isa, max_length, position_extension } = provenance ?? {};
  const parts: string[] = [];
  if (model?.weights_sha256) parts.push(`weights ${model.weights_sha256.slice(0, 12)}`);
  if (compute_dtype) parts.push(cpu_isa ? `${compute_dtype} on ${cpu_isa}` : compute_dtype);
  if (isNumber(max_length)) parts.push(`up to ${whole(max_length)} tokens`);
  if (position_extension && position_extension !== "none") parts.push(`positions by ${position_extension}`);
  return parts.length > 0 ? parts.join(", ") : undefined;
}

export function factList(facts: [string, string | undefined][]): HTMLElement {
  const list = el("dl", { class: "facts" });
  for (const [name, value] of facts) {
    if (value !== undefined) list.append(el("div", {}, el("dt", {}, name), el("dd", {}, value)));
  }
  return list;
}
