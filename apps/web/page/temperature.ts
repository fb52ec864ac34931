/** The temperatures that the page offers: a value, or a schedule that grows with the length of a text. */

export interface Kind {
  name: string;
  /** What it does, for who has never met it. */
  meaning: string;
  /** What the slider moves. */
  parameter: string;
  /** The positions of the slider. */
  values: number[];
  start: number;
}

const from = (first: number, last: number, step: number): number[] =>
  Array.from({ length: Math.round((last - first) / step) + 1 }, (_, i) =>
    Number((first + i * step).toFixed(3)),
  );
const LENGTHS = [4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512];

export const KINDS = {
  constant: {
    name: "one value",
    meaning:
      "Attention is divided by τ at every length: below 1 it is sharper, above 1 flatter; 1 is the model as trained.",
    parameter: "τ",
    values: from(0.4, 1.2, 0.05),
    start: 0.7,
  },
  log: {
    name: "log:N₀",
    meaning: "Texts of up to N₀ tokens stay as trained; beyond, τ = ln N₀ / ln n falls with the length n.",
    parameter: "N₀",
    values: LENGTHS,
    start: 32,
  },
  yarn: {
    name: "yarn:N₀",
    meaning: "As YaRN does: up to N₀ tokens as trained; beyond, τ = 1 / (0.1 ln(n/N₀) + 1)².",
    parameter: "N₀",
    values: LENGTHS,
    start: 32,
  },
  ssmax: {
    name: "ssmax:S",
    meaning: "Scalable softmax: τ = 1 / (S ln n), so very short texts are flattened and long ones sharpened.",
    parameter: "S",
    values: from(0.1, 0.6, 0.02),
    start: 0.3,
  },
} satisfies Record<string, Kind>;

export type KindName = keyof typeof KINDS;
export const KIND_NAMES = Object.keys(KINDS) as KindName[];

export interface Temperature {
  kind: KindName;
  value: number;
}

export const UNTOUCHED: Temperature = { kind: "constant", value: 1 };

/** As the command line and the report's settings write it. */
export function written({ kind, value }: Temperature): string {
  return kind === "constant" ? String(value) : `${kind}:${value}`;
}

/** As a request carries it. */
export function asJson(temperature: Temperature): number | string {
  return temperature.kind === "constant" ? temperature.value : written(temperature);
}

export function isUntouched({ kind, value }: Temperature): boolean {
  return kind === "constant" && value === 1;
}

/** Of the slider; the nearest one. */
export function position({ kind, value }: Temperature): number {
  const { values } = KINDS[kind];
  let best = 0;
  values.forEach((v, i) => {
    if (Math.abs(v - value) < Math.abs((values[best] ?? 0) - value)) best = i;
  });
  return best;
}

/** What the slider says to who does not see it. */
export function spoken(temperature: Temperature): string {
  const { parameter } = KINDS[temperature.kind];
  const plain = parameter === "τ" ? "temperature" : parameter.replace("₀", " zero");
  const end = isUntouched(temperature) ? ", the model as trained" : "";
  return `${plain} ${temperature.value}${end}`;
}

/** What a server was started with, if the page can show it. */
export function parsed(text: string): Temperature | undefined {
  const [, kind = "constant", number = ""] = /^(?:(log|yarn|ssmax):)?([0-9.]+)$/.exec(text.trim()) ?? [];
  const value = Number(number);
  return number !== "" && value > 0 ? { kind: kind as KindName, value } : undefined;
}
