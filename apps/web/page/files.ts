/** Texts of a file, read as `treble inspect` reads it (docs/inputs.md). */
import Papa from "papaparse";

export class FileError extends Error {}

function lineError(line: number, what: string): FileError {
  return new FileError(`line ${line}: ${what}`);
}

function textOf(value: unknown, line: number): string {
  if (typeof value === "string") return value;
  const fields = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  if (typeof fields.text !== "string") {
    const names = Object.keys(fields).slice(0, 8).join(", ");
    throw lineError(
      line,
      `a plain string or an object with the string "text" is needed${names ? `; there are: ${names}` : ""}`,
    );
  }
  return typeof fields.title === "string" && fields.title !== ""
    ? `${fields.title} ${fields.text}`
    : fields.text;
}

function fromJson(text: string, line: number): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw lineError(line, String(error instanceof Error ? error.message : error));
  }
}

function fromJsonLines(content: string): string[] {
  return content
    .split(/\r?\n/)
    .map((line, index) => ({ line, number: index + 1 }))
    .filter(({ line }) => line.trim() !== "")
    .map(({ line, number }) => textOf(fromJson(line, number), number));
}

function fromTable(content: string): string[] {
  const { data, errors, meta } = Papa.parse<Record<string, string>>(content, {
    header: true,
    skipEmptyLines: "greedy",
    delimitersToGuess: [",", ";", "\t", "|"],
  });
  const fields = meta.fields ?? [];
  const column = fields.includes("text") ? "text" : fields.length === 1 ? fields[0] : undefined;
  if (column === undefined) {
    throw new FileError(`there is no column "text"; there are: ${fields.slice(0, 8).join(", ")}`);
  }
  // Of a single column no delimiter can be found, which is no fault.
  const fault = errors.find((error) => error.type !== "Delimiter");
  if (fault) throw lineError((fault.row ?? 0) + 2, fault.message);
  return data.map((row) => row[column] ?? "");
}

/** Those that say something, in the file's order. */
export function textsOf(name: string, content: string): string[] {
  const text = content.replace(/^\ufeff/, "");
  const extension = /\.([a-z]+)$/i.exec(name)?.[1]?.toLowerCase() ?? "";
  const read = (): string[] => {
    switch (extension) {
      case "txt":
      case "text":
        return text.split(/\r?\n|\r/);
      case "jsonl":
      case "ndjson":
        return fromJsonLines(text);
      case "csv":
      case "tsv":
        return fromTable(text);
      default:
        throw new FileError("only .txt, .jsonl and .csv are read here; the command line reads more kinds");
    }
  };
  return read().filter((one) => one.trim() !== "");
}

export async function readFile(file: File): Promise<string[]> {
  const bytes = await file.arrayBuffer();
  try {
    return textsOf(file.name, new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    if (error instanceof TypeError) throw new FileError("it is not UTF-8 text");
    throw error;
  }
}

/** Spread evenly over all, as many as `bytes` of a request hold, and `count` at most. */
export function fitting(texts: string[], bytes: number, count = Infinity): string[] {
  const encoder = new TextEncoder();
  const sizes = texts.map((text) => encoder.encode(JSON.stringify(text)).length + 1);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const first = Math.max(1, Math.ceil(total / bytes), Math.ceil(texts.length / count));
  for (let every = first; every <= texts.length; ++every) {
    const kept = texts.filter((_, index) => index % every === 0);
    const size = sizes.reduce((sum, one, index) => (index % every === 0 ? sum + one : sum), 0);
    if (size <= bytes) return kept;
  }
  return [];
}
