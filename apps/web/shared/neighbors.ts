/** What is near to a text at one setting, and what moved against the untouched model. */
import { el, unseen } from "./dom";
import { decimal, shortened, whole } from "./format";
import type { Maybe, Neighbor } from "./report";

export interface NeighborText {
  title: string;
  tokens?: Maybe;
  text?: string | null | undefined;
}

/** A text as a button that chooses it. */
export function textButton(text: NeighborText, choose: () => void, cosine?: string): HTMLElement {
  const button = el("button", { type: "button", class: "neighbor" });
  if (cosine !== undefined) button.append(el("span", { class: "cosine" }, cosine), " ");
  button.append(
    el("b", {}, text.title),
    el("span", { class: "tokens" }, ` ${whole(text.tokens)} tokens `),
    el("span", { class: "begin" }, shortened(text.text ?? "", 90)),
  );
  button.addEventListener("click", choose);
  return button;
}

/** "new", "▲ 2", "▼ 1", or nothing for one that kept its place. */
function moved(before: number, now: number): HTMLElement | undefined {
  if (before < 0) {
    return el("span", { class: "badge" }, "new", unseen(" against the untouched model"));
  }
  if (before === now) return undefined;
  const by = Math.abs(before - now);
  const [arrow, word] = before > now ? ["▲", "up"] : ["▼", "down"];
  return el(
    "span",
    { class: "badge moved" },
    el("span", { "aria-hidden": true }, `${arrow} ${by}`),
    unseen(` ${word} by ${by} against the untouched model`),
  );
}

export interface NeighborList {
  heading: string;
  /** Nearest first. */
  neighbors: Neighbor[];
  /** Those of the untouched model; undefined for its own list. */
  untouched?: Neighbor[] | undefined;
  text: (index: number) => NeighborText;
  choose: (index: number) => void;
}

export function neighborList({ heading, neighbors, untouched, text, choose }: NeighborList): HTMLElement {
  const before = untouched?.map(([other]) => other);
  const list = el("ol");
  neighbors.forEach(([other, cosine], rank) => {
    const item = el(
      "li",
      {},
      textButton(text(other), () => choose(other), decimal(cosine)),
    );
    const badge = before && moved(before.indexOf(other), rank);
    if (badge) item.classList.add("changed");
    if (badge) item.append(badge);
    list.append(item);
  });
  const kept = neighbors.filter(([other]) => before?.includes(other)).length;
  const same = before && neighbors.length > 0 ? `${kept} of ${neighbors.length} as untouched` : "";
  return el(
    "div",
    { class: "list" },
    el("h4", {}, heading, same ? el("span", { class: "same" }, ` ${same}`) : null),
    neighbors.length > 0 ? list : el("p", { class: "missing" }, "No neighbours at this setting."),
  );
}
