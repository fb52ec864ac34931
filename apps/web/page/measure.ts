/** A file of texts, measured by the server and shown as the report of `treble inspect`. */
import { el, uniqueId } from "../shared/dom";
import { plural, whole } from "../shared/format";
import { section } from "../shared/section";
import type { InspectReport } from "../shared/report";
import type { Api } from "./api";
import { fitting, readFile } from "./files";
import type { Setting } from "./setting";

/** What a request may hold where the server does not say: TEI's own limit. */
const PAYLOAD = 2_000_000;
/** For what a request holds besides texts. */
const REST = 2_000;

export interface Measurement {
  file: string;
  report: InspectReport;
  /** Said above the report. */
  note: string;
}

interface Options {
  api: Api;
  /** Of a request, as far as the server says. */
  limits: () => { bytes?: number | undefined; texts?: number | undefined };
  setting: () => Setting;
  describe: (error: unknown) => string;
  onReport: (measurement: Measurement) => void;
}

function hasFiles(event: DragEvent): boolean {
  return event.dataTransfer?.types.includes("Files") ?? false;
}

export class Measure {
  readonly node: HTMLElement;
  private readonly status = el("div", { class: "progress", role: "status" });
  private readonly fault = el("div", { role: "alert" });
  private running: AbortController | undefined;

  constructor(private readonly options: Options) {
    const id = uniqueId("file");
    const input = el("input", { type: "file", id, accept: ".txt,.text,.jsonl,.ndjson,.csv,.tsv" });
    input.addEventListener("change", () => {
      const file = input.files?.[0];
      input.value = "";
      if (file) void this.measure(file);
    });
    const zone = el(
      "div",
      { class: "dropzone" },
      el("label", { for: id }, "Drop a file here, or choose one"),
      input,
      el(
        "p",
        {},
        ".txt: a text a line · .jsonl: a “text” a line · .csv: a column “text”. It goes to this server alone.",
      ),
    );
    this.listen();
    this.node = section({
      title: "Measure a whole file",
      aside: "What you get",
      how: [
        "A few texts illustrate, a corpus measures. The report of ",
        el("code", {}, "treble inspect"),
        " as trained and with what is set above: cosine by length with intervals, the same texts cut, hubness, and what attention or states do layer by layer.",
      ],
      body: [zone, this.fault, this.status],
    });
  }

  /** A file may be dropped anywhere. */
  private listen(): void {
    const over = (on: boolean): void => void document.body.classList.toggle("dropping", on);
    addEventListener("dragover", (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      over(true);
    });
    addEventListener("dragleave", (event) => {
      if (event.relatedTarget === null) over(false);
    });
    addEventListener("drop", (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      over(false);
      const file = event.dataTransfer?.files[0];
      if (file) void this.measure(file);
    });
  }

  private async measure(file: File): Promise<void> {
    this.running?.abort();
    const running = new AbortController();
    this.running = running;
    this.fault.replaceChildren();
    this.node.scrollIntoView({ block: "nearest" });
    try {
      const all = await readFile(file);
      const limits = this.options.limits();
      const texts = fitting(all, (limits.bytes ?? PAYLOAD) - REST, limits.texts);
      if (texts.length < 2)
        throw new Error(`it holds ${plural(all.length, "text")}; a report needs two that fit`);
      const part = texts.length === all.length ? "" : this.partNote(texts.length, all.length, file.name);
      this.progress(`Measuring ${plural(texts.length, "text")} of ${file.name}…`, running);
      const report = await this.options.api.inspect(texts, this.options.setting(), running.signal);
      this.status.replaceChildren();
      this.options.onReport({ file: file.name, report, note: part });
    } catch (error) {
      if (running.signal.aborted) return;
      this.status.replaceChildren();
      const text = `${file.name} was not measured: ${this.options.describe(error)}`;
      this.fault.replaceChildren(el("p", { class: "error" }, text));
    }
  }

  private partNote(kept: number, all: number, name: string): string {
    return `Measured: ${whole(kept)} of the ${whole(all)} texts of ${name}, spread evenly, as more do not fit into one request. All of them: treble inspect ${name}`;
  }

  private progress(text: string, running: AbortController): void {
    const seconds = el("span", { "aria-hidden": true });
    const begin = performance.now();
    const timer = setInterval(() => {
      if (this.running !== running || !seconds.isConnected) return clearInterval(timer);
      seconds.textContent = ` ${Math.round((performance.now() - begin) / 1000)} s`;
    }, 1000);
    const cancel = el("button", { type: "button", class: "action" }, "Cancel");
    cancel.addEventListener("click", () => {
      running.abort();
      this.status.replaceChildren("Cancelled.");
    });
    this.status.replaceChildren(
      el("progress", { "aria-label": text }),
      el("span", {}, text),
      seconds,
      cancel,
    );
  }
}
