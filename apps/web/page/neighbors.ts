/** Whose nearest text is another one now, and the neighbours of a chosen text side by side. */
import { el, unseen, uniqueId } from "../shared/dom";
import { decimal, listed, plural, whole } from "../shared/format";
import { neighborList } from "../shared/neighbors";
import { section } from "../shared/section";
import { numberOf, type Results, type Side } from "./results";

const NEAREST = 5;
/** Texts that a sentence names. */
const NAMED = 4;

function nearest(results: Results, side: Side, text: number): HTMLElement {
  const [other, cosine] = side.neighbors[text]?.[0] ?? [];
  if (other === undefined) return el("span", {}, "–");
  return el("span", {}, `${results.names[other]} `, el("span", { class: "tokens" }, decimal(cosine)));
}

/** A row for each text; those whose nearest text changed are marked. */
function overview(results: Results, choose: (text: number) => void): HTMLElement {
  const caption = "The nearest text of each text";
  const titles = results.untouched
    ? ["text", `nearest at ${results.base}`]
    : ["text", `nearest at ${results.base}`, `nearest at ${results.setting}`];
  const rows = results.order.map((text) => {
    const changed = !results.untouched && results.moved.includes(text);
    const button = el(
      "button",
      { type: "button", class: "pick" },
      `${numberOf(text)} ${results.names[text]}`,
    );
    button.addEventListener("click", () => choose(text));
    const after = el("td", {}, nearest(results, results.after, text));
    if (changed) after.append(" ", el("span", { class: "badge inline" }, "moved"));
    return el(
      "tr",
      { class: changed ? "changed" : "", "data-text": text },
      el("th", { scope: "row" }, button),
      el("td", {}, nearest(results, results.before, text)),
      results.untouched ? null : after,
    );
  });
  const table = el(
    "table",
    { class: "overview" },
    el("caption", { class: "unseen" }, caption),
    el("thead", {}, el("tr", {}, ...titles.map((title) => el("th", { scope: "col" }, title)))),
    el("tbody", {}, ...rows),
  );
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption }, table);
}

/** The two lists of a text: as trained, with what left it marked, and at the setting. */
function lists(results: Results, chosen: number, choose: (text: number) => void): HTMLElement {
  const top = (side: Side) => (side.neighbors[chosen] ?? []).slice(0, NEAREST);
  const text = (other: number) => ({
    title: `${numberOf(other)} ${results.names[other]}`,
    tokens: results.tokens[other],
    text: results.texts[other]?.text,
  });
  const before = top(results.before);
  const after = top(results.after);
  const first = neighborList({ heading: results.base, neighbors: before, text, choose });
  first.querySelectorAll("li").forEach((item, rank) => {
    const other = before[rank]?.[0];
    if (results.untouched || after.some(([kept]) => kept === other)) return;
    item.classList.add("changed");
    item.append(el("span", { class: "badge" }, "left", unseen(` the ${NEAREST} nearest`)));
  });
  const box = el(
    "div",
    { class: "lists-of scroll", tabindex: 0, role: "region", "aria-label": "Nearest texts" },
    first,
  );
  if (!results.untouched) {
    box.append(neighborList({ heading: results.setting, neighbors: after, untouched: before, text, choose }));
  }
  return box;
}

function sentence({ moved, texts, names }: Results): string {
  if (moved.length === 0) return "Every text keeps its nearest text.";
  const which = moved.slice(0, NAMED).map((text) => names[text] ?? "");
  const more = moved.length > NAMED ? [`${whole(moved.length - NAMED)} more`] : [];
  const have = moved.length === 1 ? "has" : "have";
  return `${whole(moved.length)} of ${plural(texts.length, "text")} ${have} another nearest text: ${listed([...which, ...more])}. Whether it is the better one, your eyes or labelled data decide (treble sweep).`;
}

export interface Neighbors {
  node: HTMLElement;
  choose: (text: number) => void;
}

export function neighborhoods(results: Results, chosen: number, choose: (text: number) => void): Neighbors {
  const id = uniqueId("chosen");
  const select = el("select", { id });
  results.texts.forEach((_, text) => {
    select.append(el("option", { value: text }, `${numberOf(text)} ${results.names[text]}`));
  });
  select.addEventListener("change", () => choose(Number(select.value)));
  const box = el("div");
  const table = overview(results, choose);
  const show = (text: number): void => {
    select.value = String(text);
    // The button that was pressed goes with its list.
    const held = box.contains(document.activeElement);
    box.replaceChildren(lists(results, text, choose));
    if (held) select.focus();
    for (const row of table.querySelectorAll("tr[data-text]")) {
      const own = row.getAttribute("data-text") === String(text);
      row.classList.toggle("chosen", own);
      row.querySelector("button")?.setAttribute("aria-pressed", String(own));
    }
  };
  show(chosen);
  const many = results.texts.length > 2;
  const found = many && !results.untouched ? sentence(results) : "";
  const node = section({
    title: "Nearest neighbours, side by side",
    found,
    how: [
      "A search over these texts gives the nearest first, so what moves here moves in your results. Choose a text by its name, here or in any plot: below are its nearest ones at both settings, with what is new, what went up or down, and what left.",
    ],
    body: [
      many ? table : undefined,
      many ? el("p", { class: "chooser" }, el("label", { for: id }, "Nearest to"), " ", select) : undefined,
      many ? box : undefined,
    ],
    missing: "Neighbours can only move among three texts or more.",
  });
  return { node, choose: show };
}
