/** This server's routes, as the page uses them; relative, so that the page works below any path of a proxy. */
import type { InspectReport } from "../shared/report";
import { fields as fieldsOf, reportFields, type Setting } from "./setting";
import type { Vector } from "./vectors";

/** GET /info; a server may leave out what it does not know. */
export interface Info {
  model_id?: string | null;
  served_model_name?: string | null;
  max_input_length?: number | null;
  max_client_batch_size?: number | null;
  payload_limit?: number | null;
  model_dtype?: string | null;
  default_prompt_name?: string | null;
  default_prompt?: string | null;
  version?: string | null;
  temperature?: string | number | null;
  /** 0: no attention that a temperature acts on. */
  tempered_layers?: number | null;
  state?: string | null;
  /** 0: no states that a control acts on. */
  state_layers?: number | null;
  models?: Info[] | null;
}

export class ApiError extends Error {
  constructor(
    message: string,
    /** 0: no answer at all. */
    readonly status: number,
    /** Of the input that is at fault. */
    readonly index?: number,
    /** Seconds after which to try again. */
    readonly retryAfter?: number,
  ) {
    super(message);
  }
}

export interface Embedded {
  vectors: Vector[];
  truncatedTexts: number;
  truncatedTokens: number;
}

/** How often a request is made again that the server was too busy for. */
const TRIES = 4;
const MAX_WAIT = 10;

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** Of the two forms of errors, and of whatever a proxy puts in their place. */
async function errorOf(response: Response): Promise<ApiError> {
  const body: unknown = await response.json().catch(() => undefined);
  const inner = isObject(body) && isObject(body.error) ? body.error : body;
  const said = isObject(inner) ? (inner.message ?? inner.error) : undefined;
  const message =
    typeof said === "string" && said !== "" ? said : `${response.status} ${response.statusText}`;
  const index = isObject(inner) && typeof inner.index === "number" ? inner.index : undefined;
  const after = Number(response.headers.get("retry-after"));
  return new ApiError(message, response.status, index, after > 0 ? after : undefined);
}

function pause(seconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((done, failed) => {
    const timer = setTimeout(done, 1000 * seconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      failed(new DOMException("left", "AbortError"));
    });
  });
}

export class Api {
  /** Which of several models; undefined: the server's only or first one. */
  model: string | undefined;
  /** Kept in this page alone. */
  key = "";

  constructor(private readonly onBusy: (seconds: number) => void) {}

  private async send(route: string, signal: AbortSignal, body?: unknown): Promise<Response> {
    const headers: Record<string, string> = body === undefined ? {} : { "content-type": "application/json" };
    if (this.key) headers.authorization = `Bearer ${this.key}`;
    const init: RequestInit = { headers, signal, cache: "no-store" };
    if (body !== undefined) Object.assign(init, { method: "POST", body: JSON.stringify(body) });
    const response = await fetch(new URL(route, document.baseURI), init).catch((error: unknown) => {
      if (signal.aborted) throw error;
      throw new ApiError("The server does not answer. Is it still running?", 0);
    });
    if (!response.ok) throw await errorOf(response);
    return response;
  }

  /** Waits and tries again where the server is busy. */
  private async request(route: string, signal: AbortSignal, body?: unknown): Promise<Response> {
    for (let attempt = 1; ; ++attempt) {
      try {
        return await this.send(route, signal, body);
      } catch (error) {
        if (!(error instanceof ApiError) || error.status !== 429 || attempt === TRIES) throw error;
        const seconds = Math.min(error.retryAfter ?? attempt, MAX_WAIT);
        this.onBusy(seconds);
        await pause(seconds, signal);
      }
    }
  }

  private body(fields: Record<string, unknown>): Record<string, unknown> {
    return this.model === undefined ? fields : { ...fields, model: this.model };
  }

  async info(signal: AbortSignal): Promise<Info> {
    return (await (await this.request("info", signal)).json()) as Info;
  }

  async embed(texts: string[], setting: Setting, signal: AbortSignal): Promise<Embedded> {
    const fields = { inputs: texts, ...fieldsOf(setting), normalize: true, truncate: true };
    const response = await this.request("embed", signal, this.body(fields));
    const rows = (await response.json()) as number[][];
    if (!Array.isArray(rows) || rows.length !== texts.length) {
      throw new ApiError(
        `The server gave ${rows.length} vectors for ${texts.length} texts.`,
        response.status,
      );
    }
    const count = (name: string): number => Number(response.headers.get(name)) || 0;
    return {
      vectors: rows.map((row) => Float32Array.from(row)),
      truncatedTexts: count("x-truncated-texts"),
      truncatedTokens: count("x-truncated-tokens"),
    };
  }

  /** How many tokens each text has, with special ones and those of the model's own prompt, before anything is cut. */
  async countTokens(texts: string[], prompt: string | undefined, signal: AbortSignal): Promise<number[]> {
    const fields = prompt ? { inputs: texts, prompt_name: prompt } : { inputs: texts };
    const response = await this.request("tokenize", signal, this.body(fields));
    const rows = (await response.json()) as unknown[][];
    return rows.map((row) => row.length);
  }

  async inspect(texts: string[], setting: Setting, signal: AbortSignal): Promise<InspectReport> {
    const fields = { inputs: texts, ...reportFields(setting) };
    const response = await this.request("inspect", signal, this.body(fields));
    return (await response.json()) as InspectReport;
  }
}
