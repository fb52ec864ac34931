/** Vectors and lengths that the server gave, so that only what is new is asked for. */
import type { Api, Info } from "./api";
import type { Text } from "./examples";
import type { Measured } from "./results";
import { asTrained, written, type Setting } from "./setting";
import type { Vector } from "./vectors";

const MAX_KEPT = 5_000;
/** Texts of a request: small, so that the next value of a slider does not wait for a large one. */
const BATCH = 32;

export class Vectors {
  private readonly vectors = new Map<string, Vector>();
  private readonly lengths = new Map<string, number>();

  constructor(private readonly api: Api) {}

  /** Asks for `texts` that are not in `kept`, a batch at a time. */
  private async fill<T>(
    kept: Map<string, T>,
    keyOf: (text: string) => string,
    texts: Text[],
    batch: number,
    ask: (texts: string[]) => Promise<T[]>,
  ): Promise<T[]> {
    if (kept.size > MAX_KEPT) kept.clear();
    const missing = [...new Set(texts.map(({ text }) => text))].filter((text) => !kept.has(keyOf(text)));
    for (let begin = 0; begin < missing.length; begin += batch) {
      const part = missing.slice(begin, begin + batch);
      (await ask(part)).forEach((value, index) => kept.set(keyOf(part[index] ?? ""), value));
    }
    return texts.map(({ text }) => kept.get(keyOf(text)) as T);
  }

  async of(texts: Text[], setting: Setting, model: Info, signal: AbortSignal): Promise<Measured> {
    const batch = Math.min(BATCH, model.max_client_batch_size ?? BATCH);
    const name = this.api.model ?? "";
    const prompt = model.default_prompt_name ?? undefined;
    const vectors = (at: Setting): Promise<Vector[]> =>
      this.fill(
        this.vectors,
        (text) => JSON.stringify([name, written(at), text]),
        texts,
        batch,
        async (part) => {
          return (await this.api.embed(part, at, signal)).vectors;
        },
      );
    const tokens = await this.fill(
      this.lengths,
      (text) => JSON.stringify([name, text]),
      texts,
      batch,
      (part) => this.api.countTokens(part, prompt, signal),
    );
    const before = await vectors(asTrained(setting.of));
    const after = await vectors(setting);
    return { texts, tokens, limit: model.max_input_length ?? Infinity, before, after, setting };
  }
}
