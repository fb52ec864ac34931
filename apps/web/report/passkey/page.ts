/** The reports of `treble passkey`. */
import { decimal, percent, whole } from "../../shared/format";
import { legend } from "../../shared/legend";
import { verdict, type Page } from "../../shared/page";
import { heatMap } from "../../shared/plots/heatmap";
import { linePlot, type Line } from "../../shared/plots/lines";
import { isNumber, type Maybe } from "../../shared/report";
import { factList, section, type Table } from "../../shared/section";

interface Column {
  length?: Maybe;
  tokens?: Maybe;
  right?: Maybe[] | null;
  samples?: Maybe[] | null;
}

interface PasskeyMap {
  state?: string | null;
  columns?: Column[] | null;
}

export interface PasskeyReport {
  kind: "passkey";
  treble?: string | null;
  model?: string | null;
  samples?: Maybe;
  digits?: Maybe;
  new_tokens?: Maybe;
  seed?: Maybe;
  prompt?: Record<string, string | null> | null;
  maps?: PasskeyMap[] | null;
}

export interface PerplexityReport {
  kind: "perplexity";
  treble?: string | null;
  model?: string | null;
  prompt?: string | null;
  tokens?: Maybe;
  states?: string[] | null;
  ranges?: { begin?: Maybe; end?: Maybe; perplexity?: Maybe[] | null }[] | null;
}

const SOURCE =
  "Passkeys: Mohtashami & Jaggi, arXiv 2305.16300; states beyond their training length: Chen et al., arXiv 2410.07145";

function nameOf(state: string | null | undefined): string {
  return !state || state === "none" ? "as trained" : state;
}

function shareOf(right: Maybe, samples: Maybe): Maybe {
  return isNumber(right) && isNumber(samples) && samples > 0 ? right / samples : undefined;
}

/** Of all depths. */
function totalOf(column: Column): Maybe {
  const sum = (values: Maybe[] | null | undefined): number =>
    (values ?? []).reduce<number>((total, value) => total + (value ?? 0), 0);
  return shareOf(sum(column.right), sum(column.samples));
}

function rowNames(rows: number): string[] {
  return Array.from({ length: rows }, (_, row) => `${whole((100 * row) / rows)} %`);
}

function mapSection(map: PasskeyMap): HTMLElement {
  const columns = map.columns ?? [];
  const rows = Math.max(0, ...columns.map(({ right }) => right?.length ?? 0));
  const names = rowNames(rows);
  const lengths = columns.map(({ length }) => whole(length));
  const cells = names.map((_, row) =>
    columns.map(({ right, samples }) => shareOf(right?.[row], samples?.[row])),
  );
  const table: Table = {
    caption: `Right answers, state ${nameOf(map.state)}`,
    head: ["Depth", ...lengths.map((length) => `${length} tokens`)],
    rows: [
      ...names.map((name, row) => [
        `from ${name}`,
        ...columns.map(({ right, samples }) => `${whole(right?.[row])} of ${whole(samples?.[row])}`),
      ]),
      ["all", ...columns.map((column) => percent(totalOf(column), 0))],
    ],
  };
  return section({
    title: `State ${nameOf(map.state)}`,
    found: columns
      .map((column) => `${percent(totalOf(column), 0)} at ${whole(column.length)} tokens`)
      .join(", "),
    how: [
      "A column a length of the prompt, a row a depth of the passkey in it (0 % is the beginning). A cell is the share of prompts whose answer held the key.",
    ],
    body: [
      heatMap({
        label: `Right answers by depth and length, state ${nameOf(map.state)}`,
        names,
        columns: lengths,
        axisTitle: "tokens of the prompt",
        cells,
        range: [0, 1],
        format: (value) => percent(value, 0),
        describe: (row, column, value) =>
          `${lengths[column] ?? ""} tokens, depth from ${names[row] ?? ""}: ${percent(value, 0)} right`,
      }),
    ],
    table,
    missing: "No prompt was tried.",
  });
}

/** The largest length at which at least nine of ten keys are found, and what it is with the best control. */
function claim(maps: PasskeyMap[]): string {
  const reach = (map: PasskeyMap): number =>
    Math.max(
      0,
      ...(map.columns ?? [])
        .filter((column) => (totalOf(column) ?? 0) >= 0.9)
        .map(({ length }) => length ?? 0),
    );
  const [trained, ...controls] = maps;
  if (!trained) return "Nothing was tried.";
  const own = reach(trained);
  const said =
    own > 0
      ? `As trained the model finds nine keys of ten in prompts of up to ${whole(own)} tokens.`
      : "As trained the model finds nine keys of ten at none of these lengths.";
  const last = trained.columns?.at(-1);
  const best = [...controls].sort(
    (a, b) => (totalOf(b.columns?.at(-1) ?? {}) ?? 0) - (totalOf(a.columns?.at(-1) ?? {}) ?? 0),
  )[0];
  if (!last || !best) return said;
  return `${said} At ${whole(last.length)} tokens it finds ${percent(totalOf(last), 0)}; the best control, ${nameOf(best.state)}, ${percent(totalOf(best.columns?.at(-1) ?? {}), 0)}.`;
}

export function passkeyPage(report: PasskeyReport): Page {
  const maps = (report.maps ?? []).filter(Boolean);
  return {
    kind: "Passkeys in long prompts",
    title: report.model ?? "Model",
    top: [
      verdict(claim(maps), "plain"),
      factList([
        ["Prompts of each length", whole(report.samples)],
        ["Digits of a key", whole(report.digits)],
        ["Tokens of an answer", whole(report.new_tokens)],
        ["Filler", report.prompt?.filler ?? "–"],
        ["Passkey", report.prompt?.passkey ?? "–"],
        ["Question", report.prompt?.question ?? "–"],
        ["Source", SOURCE],
      ]),
    ],
    sections: maps.map(mapSection),
    version: report.treble ?? null,
  };
}

export function perplexityPage(report: PerplexityReport): Page {
  const states = report.states ?? [];
  const ranges = (report.ranges ?? []).filter(Boolean);
  const names = states.map(nameOf);
  const lines: Line[] = states.map((_, setting) => ({
    setting,
    points: ranges.flatMap(({ begin, end, perplexity }) =>
      isNumber(begin) && isNumber(end)
        ? [
            {
              x: begin,
              y: perplexity?.[setting],
              text: `${names[setting] ?? ""}, tokens ${whole(begin)} to ${whole(end - 1)}: ${decimal(perplexity?.[setting], 3)}`,
            },
          ]
        : [],
    ),
  }));
  const last = ranges.at(-1)?.perplexity ?? [];
  const best = last.reduce<number>(
    (at, value, index) => ((value ?? Infinity) < (last[at] ?? Infinity) ? index : at),
    0,
  );
  const lowest = Math.min(
    ...ranges.flatMap(({ perplexity }) => (isNumber(perplexity?.[0]) ? [perplexity[0]] : [])),
  );
  const highest = Math.max(...ranges.flatMap(({ perplexity }) => (perplexity ?? []).filter(isNumber)));
  const ownClaim = `As trained the perplexity is ${decimal(lowest, 2)} where it is lowest and ${decimal(last[0], 2)} at the end.`;
  return {
    kind: "Perplexity by position",
    title: report.model ?? "Model",
    top: [
      verdict(
        best > 0
          ? `${ownClaim} With ${names[best] ?? ""} it is ${decimal(last[best], 2)} at the end.`
          : ownClaim,
        "plain",
      ),
      factList([
        ["Prompt", report.prompt ?? "–"],
        ["Tokens", whole(report.tokens)],
        ["Source", SOURCE],
      ]),
    ],
    sections: [
      section({
        title: "Perplexity of the next token",
        how: [
          "exp of the mean of −ln p(token | all before it) over a range of positions, each twice as long as the one before. The prompt repeats itself, so a model that remembers finds it easier and easier.",
        ],
        body: [
          names.length > 1 ? legend(names) : undefined,
          linePlot({
            label: "Perplexity over position",
            xTitle: "position of the first token of the range",
            yTitle: "perplexity",
            lines,
            logX: true,
            logY: highest > 10 * lowest,
          }),
        ],
        table: {
          caption: "Perplexity by position",
          head: ["Tokens", ...names],
          rows: ranges.map(({ begin, end, perplexity }) => [
            `${whole(begin)} to ${whole(isNumber(end) ? end - 1 : end)}`,
            ...names.map((_, setting) => decimal(perplexity?.[setting], 3)),
          ]),
        },
      }),
    ],
    version: report.treble ?? null,
  };
}
