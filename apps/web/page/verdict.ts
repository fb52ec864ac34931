/** What the setting does to these texts, in sentences and four numbers. */
import { verdict } from "../shared/page";
import { decimal, plural, signed, whole } from "../shared/format";
import { cards, type Fact } from "../shared/section";
import type { Group, Results } from "./results";
import { whatMoves } from "./setting";
import { meanCosine } from "./vectors";

/** Changes below this are called none. */
const NOTHING = 0.005;

function means(results: Results, group: Group): [number, number] | undefined {
  const before = meanCosine(results.before.similarity, group.texts);
  const after = meanCosine(results.after.similarity, group.texts);
  return before === undefined || after === undefined ? undefined : [before, after];
}

function named(group: Group): string {
  return group.name ? `${group.name} texts` : "texts";
}

/** "0.334 → 0.281"; of the untouched model one number. */
function arrow(results: Results, [before, after]: [number, number]): string {
  return results.untouched ? decimal(before) : `${decimal(before)} → ${decimal(after)}`;
}

/** The group that the first sentence is about: the longest texts that have a cosine. */
function subject(results: Results): Group | undefined {
  return [...results.groups].reverse().find((group) => group.texts.length > 1);
}

function untouchedSentence(results: Results): string {
  const [short, long] = results.groups;
  const [a, b] = [short && means(results, short)?.[0], long && means(results, long)?.[0]];
  if (a === undefined || b === undefined)
    return results.subject === "nothing"
      ? "As trained."
      : `As trained: move ${whatMoves(results.subject)} to see what it changes.`;
  const more = b > a + NOTHING;
  const less = b < a - NOTHING;
  const than = more ? "more alike than" : less ? "less alike than" : "about as alike as";
  return `As trained, the long texts are ${than} the short ones (mean cosine ${decimal(b)} against ${decimal(a)}).`;
}

function changedSentence(results: Results): string {
  const group = subject(results);
  const mean = group && means(results, group);
  if (!group || !mean) return `At ${results.setting} there is no pair to compare.`;
  const change = mean[1] - mean[0];
  const moves =
    Math.abs(change) < NOTHING ? "hardly move" : change < 0 ? "move apart" : "draw closer together";
  const what = `${group.name ? `the ${named(group)}` : "the texts"} ${moves}`;
  return `At ${results.setting} ${what} (mean cosine ${decimal(mean[0])} → ${decimal(mean[1])}).`;
}

function neighborSentence(results: Results): string {
  if (results.untouched || results.texts.length < 3) return "";
  const { moved, texts } = results;
  if (moved.length === 0) return "Every text keeps its nearest text.";
  const have = moved.length === 1 ? "text has" : "texts have";
  return `${whole(moved.length)} of ${whole(texts.length)} ${have} another nearest text.`;
}

function cutSentence(results: Results): string {
  const cut = results.cut.filter((n) => n > 0);
  if (cut.length === 0) return "";
  const limit = Math.max(...results.tokens);
  const all = cut.reduce((sum, n) => sum + n, 0);
  return `${plural(cut.length, "text is", "texts are")} longer than the ${whole(limit)} tokens that the model reads: ${plural(all, "token")} cut.`;
}

function facts(results: Results): Fact[] {
  const found: Fact[] = [];
  for (const group of [...results.groups].reverse()) {
    const mean = means(results, group);
    if (!mean) continue;
    found.push({
      name: `Mean cosine, ${named(group)}`,
      value: arrow(results, mean),
      note: `${plural(group.texts.length, "text")}, ${lengths(results, group)} tokens`,
    });
  }
  const { before, after, untouched } = results;
  if (before.perDoubling !== undefined && after.perDoubling !== undefined) {
    const now = signed(after.perDoubling);
    found.push({
      name: "Rise per doubling of length",
      value: untouched ? now : `${signed(before.perDoubling)} → ${now}`,
      note: "of the mean cosine; 0: no effect",
    });
  }
  if (results.texts.length > 2) {
    found.push({
      name: "Another nearest text",
      value: untouched ? "–" : `${whole(results.moved.length)} of ${whole(results.texts.length)}`,
      note: untouched ? `once ${whatMoves(results.subject)} moves` : `texts, against ${results.base}`,
    });
  }
  return found;
}

function lengths(results: Results, group: Group): string {
  const tokens = group.texts.map((text) => results.tokens[text] ?? 0);
  const [min, max] = [Math.min(...tokens), Math.max(...tokens)];
  return min === max ? whole(min) : `${whole(min)}–${whole(max)}`;
}

export function verdictNodes(results: Results): (HTMLElement | undefined)[] {
  const first = results.untouched ? untouchedSentence(results) : changedSentence(results);
  const text = [first, neighborSentence(results), cutSentence(results)].filter(Boolean).join(" ");
  return [verdict(text, "plain"), cards(facts(results))];
}
