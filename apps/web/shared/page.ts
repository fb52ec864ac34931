/** The frame of the page: heading, switch between light and dark, contents. */
import { el, uniqueId } from "./dom";

const SCHEMES = ["auto", "light", "dark"] as const;

/** Light, dark, or as the system has it. */
export function schemeSwitch(): HTMLElement {
  const group = el("fieldset", { class: "scheme" }, el("legend", { class: "unseen" }, "Colours"));
  for (const scheme of SCHEMES) {
    const input = el("input", { type: "radio", name: "scheme", value: scheme, checked: scheme === "auto" });
    input.addEventListener("change", () => {
      if (scheme === "auto") delete document.documentElement.dataset.scheme;
      else document.documentElement.dataset.scheme = scheme;
    });
    group.append(el("label", {}, input, el("span", {}, scheme)));
  }
  return group;
}

export interface Page {
  /** What kind of report this is. */
  kind: string;
  title: string;
  /** Everything of the top besides heading and switch. */
  top: (Node | undefined)[];
  sections: HTMLElement[];
  version?: string | null;
}

function contents(sections: HTMLElement[]): HTMLElement {
  const list = el("ul");
  for (const section of sections) {
    const heading = section.querySelector("h2");
    if (heading) list.append(el("li", {}, el("a", { href: `#${heading.id}` }, heading.textContent ?? "")));
  }
  return el("nav", { "aria-label": "Contents" }, list);
}

/** `way`: links and buttons at the very top; `note`: what the foot says of the page. */
export function showPage(
  page: Page,
  way?: Node,
  note = "This file is whole: it fetches nothing and sends nothing.",
): void {
  const id = uniqueId("page");
  document.title = `${page.title} · ${page.kind}`;
  const header = el(
    "header",
    {},
    el("div", { class: "bar" }, way ?? el("p", { class: "kind" }, page.kind), schemeSwitch()),
    el("h1", { id }, page.title),
  );
  for (const node of page.top) if (node) header.append(node);
  const main = el("main", { "aria-labelledby": id }, header, contents(page.sections), ...page.sections);
  const written = page.version ? `Written by Treble ${page.version}. ` : "";
  const footer = el("footer", {}, el("p", {}, `${written}${note}`));
  document.getElementById("page")?.replaceChildren(main, footer);
}

/** With the minus signs and spaces of print. */
export function typeset(text: string): string {
  return text.replace(/(^|[ [(])-(?=\d)/g, "$1−").replace(/(\d) %/g, "$1\u00a0%");
}

/** The verdict, large: its first sentence, and the rest below. */
export function verdict(text: string, mood: "good" | "bad" | "plain"): HTMLElement {
  const printed = typeset(text);
  const [, sentence = printed, after = ""] = /^(.*?\.) (.*)$/s.exec(printed) ?? [];
  // Numbers in brackets at the end of the claim are the first that follows it.
  const [, claim, numbers] = /^(.*) \(([^()]+)\)\.$/s.exec(sentence) ?? [];
  const first = claim ? `${claim}.` : sentence;
  const rest = numbers ? `${numbers.charAt(0).toUpperCase()}${numbers.slice(1)}. ${after}` : after;
  return el(
    "div",
    { class: `verdict ${mood}`, role: "group", "aria-label": "Verdict" },
    el("p", { class: "claim" }, first),
    rest ? el("p", {}, rest) : null,
  );
}
