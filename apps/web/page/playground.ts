/** The page: texts and a setting of the model in, everything that follows from them drawn. */
import { el, uniqueId } from "../shared/dom";
import { plural, whole } from "../shared/format";
import { inspectPage } from "../shared/inspect/page";
import { schemeSwitch, showPage } from "../shared/page";
import { arrangeReport } from "../shared/read";
import { hideTip } from "../shared/tooltip";
import { Api, ApiError, type Info } from "./api";
import { commands } from "./commands";
import { Controls } from "./controls";
import { Editor } from "./editor";
import { examples, type Text } from "./examples";
import { lengthPlot } from "./lengths";
import { textMap } from "./map";
import { matrices } from "./matrices";
import { Measure, type Measurement } from "./measure";
import { neighborhoods } from "./neighbors";
import { analyse, type Results } from "./results";
import { isUntouched, spoken, startOf, subjectOf, type Setting, type Subject } from "./setting";
import { NO_CONTROL, requestable } from "./state";
import { StateControls } from "./state_controls";
import { Vectors } from "./store";
import { parsed, UNTOUCHED, type Temperature } from "./temperature";
import { verdictNodes } from "./verdict";

/** So that a slider on the move does not ask for every value that it passes. */
const PAUSE = 90;

function describe(error: unknown): string {
  if (!(error instanceof ApiError)) return error instanceof Error ? error.message : String(error);
  return error.status === 0 ? error.message : `${error.message} (status ${error.status})`;
}

function temperatureOf(setting: Setting): Temperature {
  return setting.of === "attention" ? setting.temperature : UNTOUCHED;
}

function controlOf(setting: Setting): string {
  return setting.of === "states" ? setting.control : NO_CONTROL;
}

/** What the server was started with, if the page can show it and it is not the model as trained. */
function servedSetting(subject: Subject, model: Info): Setting {
  if (subject === "attention") {
    const temperature = parsed(String(model.temperature ?? ""));
    const served = temperature && ({ of: subject, temperature } as const);
    return served && !isUntouched(served) ? served : startOf(subject);
  }
  const control = model.state ?? NO_CONTROL;
  if (subject === "states" && control !== NO_CONTROL && requestable(control)) return { of: subject, control };
  return startOf(subject);
}

/** What the page is about, by what it moves. */
const ABOUT: Record<Subject, { title: string; lead: string; skip: string }> = {
  attention: {
    title: "What temperature does to these texts",
    lead: "Embedding models tend to draw long texts together, whatever they say, so that search confuses them. A temperature τ below 1 sharpens attention against it. Move the slider and watch. The texts are examples: change them, put in your own, or drop a file anywhere for a full report.",
    skip: "Skip the texts: to the temperature",
  },
  states: {
    title: "What a state control does to these texts",
    lead: "This model reads a text into states of a fixed size and has no attention. On texts longer than those it was trained on the states may grow until nothing new is heard; a control holds them. Choose one and watch. The texts are examples: change them, put in your own, or drop a file anywhere for a full report.",
    skip: "Skip the texts: to the state control",
  },
  nothing: {
    title: "How alike these texts are",
    lead: "This model has neither attention for a temperature to act on nor states to control. The texts are examples: change them, put in your own, or drop a file anywhere for a full report.",
    skip: "Skip the texts: to the results",
  },
};

export class Playground {
  private texts = examples();
  private setting: Setting = startOf("attention");
  private chosen: number | undefined;
  private info: Info = {};
  private needsKey = false;
  private results: Results | undefined;
  /** What the controls are of, once the server has said it. */
  private taken: Subject | undefined;
  private running: AbortController | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private chosenParts: ((text: number) => void)[] = [];

  private readonly api = new Api((seconds) => this.say(`The server is busy; trying again in ${seconds} s.`));
  private readonly vectors = new Vectors(this.api);
  private readonly editor: Editor;
  private readonly controls: Controls;
  private readonly stateControls: StateControls;
  /** Where the controls of the model stand that is asked. */
  private shownControls: HTMLElement;
  private readonly title = el("h1", { tabindex: -1 });
  private readonly lead = el("p", { class: "lead" });
  private readonly skip = el("a", { class: "skip" });
  private readonly measure: Measure;
  private readonly alert = el("div", { role: "alert", id: uniqueId("alert") });
  private readonly status = el("p", { class: "working", role: "status" });
  private readonly model = el("div", { class: "model" });
  private readonly top = el("div", { class: "found-here" });
  private readonly sections = el("div", { class: "sections" });
  private readonly elsewhere = el("div");
  private readonly main: HTMLElement;
  private readonly footer: HTMLElement;

  constructor(private readonly place: HTMLElement) {
    this.editor = new Editor(this.texts, {
      onChange: (texts) => {
        this.texts = texts;
        this.schedule(0);
      },
      onChoose: (id) => this.chooseId(id),
    });
    const move = (setting: Setting): void => {
      this.setting = setting;
      this.schedule(PAUSE);
    };
    this.controls = new Controls(temperatureOf(startOf("attention")), (temperature) =>
      move({ of: "attention", temperature }),
    );
    this.stateControls = new StateControls(controlOf(startOf("states")), this.alert.id, (control) =>
      move({ of: "states", control }),
    );
    this.shownControls = this.controls.node;
    this.measure = new Measure({
      api: this.api,
      limits: () => ({
        bytes: this.info.payload_limit || undefined,
        texts: this.info.max_client_batch_size ?? undefined,
      }),
      setting: () => this.setting,
      describe,
      onReport: (measurement) => this.showReport(measurement),
    });
    this.main = this.frame();
    this.footer = el("footer", {}, el("p", {}, "This page talks to this server alone and keeps nothing."));
  }

  private frame(): HTMLElement {
    const id = uniqueId("page");
    this.title.id = id;
    const links = el("nav", { "aria-label": "Server" }, el("a", { href: "docs" }, "API"));
    const header = el(
      "header",
      {},
      el(
        "div",
        { class: "bar" },
        el("p", { class: "brand" }, el("b", {}, "Treble"), " ", this.model),
        links,
        schemeSwitch(),
      ),
      this.title,
      this.lead,
      this.skip,
    );
    this.sayAbout("attention");
    const results = el(
      "div",
      { class: "results" },
      this.shownControls,
      this.alert,
      this.status,
      this.top,
      this.sections,
      this.measure.node,
      this.elsewhere,
    );
    return el(
      "main",
      { class: "try", "aria-labelledby": id },
      header,
      el("div", { class: "halves" }, this.editor.node, results),
    );
  }

  start(): void {
    this.show();
    void this.begin();
  }

  private show(): void {
    hideTip();
    this.sayTitle();
    this.place.replaceChildren(this.main, this.footer);
  }

  private async begin(): Promise<void> {
    this.status.textContent = "Asking the server for its model…";
    try {
      this.info = await this.api.info(new AbortController().signal);
      this.alert.replaceChildren();
    } catch (error) {
      this.fail(error, () => void this.begin());
      return;
    }
    this.showModel();
    this.takeSubject();
    await this.update();
  }

  /** The controls of the model that is asked, as the server was started; those of another model of its kind stay. */
  private takeSubject(): void {
    const model = this.current();
    const subject = subjectOf(model);
    if (subject === this.taken) return;
    this.taken = subject;
    this.setting = servedSetting(subject, { temperature: this.info.temperature, ...model });
    if (this.setting.of === "attention") this.controls.start(this.setting.temperature);
    if (this.setting.of === "states") this.stateControls.start(this.setting.control);
    const controls =
      subject === "attention"
        ? this.controls.node
        : subject === "states"
          ? this.stateControls.node
          : el("p", { class: "meaning", id: "results" }, ABOUT.nothing.lead.split(". ")[0] ?? "");
    this.shownControls.replaceWith(controls);
    this.shownControls = controls;
    this.sayAbout(subject);
  }

  private sayAbout(subject: Subject): void {
    this.title.textContent = ABOUT[subject].title;
    this.lead.textContent = ABOUT[subject].lead;
    this.skip.textContent = ABOUT[subject].skip;
    this.skip.href = `#${this.shownControls.id}`;
    this.sayTitle();
  }

  private sayTitle(): void {
    const title = this.title.textContent ?? "";
    document.title = `Treble · ${title.charAt(0).toLowerCase()}${title.slice(1)}`;
  }

  /** Of several models one is chosen here. */
  private showModel(): void {
    const { models, version } = this.info;
    const one = this.current();
    const name = one.served_model_name ?? one.model_id ?? "";
    const limit = one.max_input_length ? `, reads ${whole(one.max_input_length)} tokens` : "";
    if (!models || models.length < 2) {
      this.model.replaceChildren(`${name}${limit}`);
    } else {
      const select = el("select", { "aria-label": "Model" });
      for (const each of models) {
        const value = each.served_model_name ?? each.model_id ?? "";
        select.append(el("option", { value, selected: value === name }, value));
      }
      select.addEventListener("change", () => {
        this.api.model = select.value;
        this.showModel();
        this.takeSubject();
        this.schedule(0);
      });
      this.model.replaceChildren(select, limit);
    }
    if (version)
      this.footer.replaceChildren(
        el("p", {}, `Treble ${version}. This page talks to this server alone and keeps nothing.`),
      );
  }

  /** What the server says of the model that is asked. */
  private current(): Info {
    const named = this.info.models?.find((one) => (one.served_model_name ?? one.model_id) === this.api.model);
    return named ?? this.info.models?.[0] ?? this.info;
  }

  private schedule(wait: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.update(), wait);
  }

  private say(text: string): void {
    this.status.textContent = text;
  }

  private async update(): Promise<void> {
    this.running?.abort();
    const running = new AbortController();
    this.running = running;
    const texts = this.texts.filter(({ text }) => text.trim() !== "");
    const setting = this.setting;
    if (texts.length === 0) {
      this.clear("Write a text to begin.");
      return;
    }
    this.top.setAttribute("aria-busy", "true");
    // Only a wait that is noticed is announced.
    const slow = setTimeout(
      () =>
        this.say(
          `Embedding ${plural(texts.length, "text")}${setting.of === "nothing" ? "" : ` at ${spoken(setting)}`}…`,
        ),
      400,
    );
    try {
      const measured = await this.vectors.of(texts, setting, this.current(), running.signal);
      if (running.signal.aborted) return;
      this.alert.replaceChildren();
      this.editor.fault();
      this.stateControls.fault(false);
      this.say("");
      this.render(analyse(measured));
    } catch (error) {
      if (!running.signal.aborted) this.fail(error, () => void this.update(), texts);
    } finally {
      clearTimeout(slow);
      if (this.running === running) this.top.removeAttribute("aria-busy");
    }
  }

  private clear(text: string): void {
    this.results = undefined;
    this.alert.replaceChildren();
    this.say(text);
    this.top.replaceChildren();
    this.sections.replaceChildren();
    this.elsewhere.replaceChildren();
  }

  private fail(error: unknown, again: () => void, texts: Text[] = []): void {
    this.say("");
    const status = error instanceof ApiError ? error.status : undefined;
    if (status === 401) {
      this.askKey(again);
      return;
    }
    const text = error instanceof ApiError && error.index !== undefined ? texts[error.index] : undefined;
    this.editor.fault(text?.id, describe(error));
    const refused = status !== undefined && status >= 400 && status < 500 && status !== 429;
    this.stateControls.fault(refused && text === undefined && this.setting.of === "states");
    const old = this.results ? `; what is shown is still ${this.results.setting}.` : "";
    const retry = el("button", { type: "button", class: "action" }, "Try again");
    retry.addEventListener("click", again);
    this.alert.replaceChildren(el("div", { class: "error" }, el("p", {}, `${describe(error)}${old}`), retry));
  }

  /** Of a server that has keys. The key stays in this page. */
  private askKey(again: () => void): void {
    this.needsKey = true;
    const id = uniqueId("key");
    const input = el("input", { type: "password", id, autocomplete: "off" });
    const form = el(
      "form",
      { class: "error" },
      el(
        "label",
        { for: id },
        this.api.key ? "The server refused this key. Another one:" : "This server asks for an API key:",
      ),
      input,
      el("button", { class: "action" }, "Use it"),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.api.key = input.value;
      this.alert.replaceChildren();
      again();
    });
    this.alert.replaceChildren(form);
    if (this.api.key) input.focus();
  }

  /** The text that lists and rings are about: the one that was chosen, else one whose nearest moved. */
  private chosenIndex(results: Results): number {
    const at = results.texts.findIndex(({ id }) => id === this.chosen);
    if (at >= 0) return at;
    const longest = [...results.order].sort((a, b) => (results.tokens[b] ?? 0) - (results.tokens[a] ?? 0));
    return longest.find((text) => results.moved.includes(text)) ?? longest[0] ?? 0;
  }

  private render(results: Results): void {
    hideTip();
    this.results = results;
    const chosen = this.chosenIndex(results);
    const choose = (text: number): void => this.choose(text);
    const map = textMap(results, chosen, choose);
    const near = neighborhoods(results, chosen, choose);
    this.chosenParts = [map.choose, near.choose];
    this.editor.show(results);
    this.editor.choose(results.texts[chosen]?.id);
    this.hold(() => {
      this.top.replaceChildren(...verdictNodes(results).filter((node) => node !== undefined));
      this.sections.replaceChildren(matrices(results, choose), near.node, lengthPlot(results), map.node);
      this.elsewhere.replaceChildren(commands(this.equivalent(results)));
    });
  }

  private equivalent(results: Results) {
    const one = this.current();
    return {
      texts: results.texts,
      setting: this.setting,
      model: one.model_id ?? one.served_model_name ?? "MODEL",
      dtype: one.model_dtype ?? "float32",
      promptName: one.default_prompt_name ?? "",
      prompt: one.default_prompt ?? undefined,
      field: this.api.model,
      key: this.needsKey,
    };
  }

  /** Draws anew without a jump of the page, and with the tables open that were open. */
  private hold(draw: () => void): void {
    const titles = (only: string): Map<string, HTMLDetailsElement> =>
      new Map(
        [...this.sections.querySelectorAll<HTMLDetailsElement>(`details.numbers${only}`)].map((one) => [
          one.querySelector("summary")?.textContent ?? "",
          one,
        ]),
      );
    const open = titles("[open]");
    this.sections.style.minHeight = `${this.sections.offsetHeight}px`;
    draw();
    for (const [title, one] of titles("")) if (open.has(title)) one.open = true;
    // Plots know their width, and so their height, in the next frame.
    requestAnimationFrame(() => requestAnimationFrame(() => (this.sections.style.minHeight = "")));
  }

  private chooseId(id: number): void {
    const at = this.results?.texts.findIndex((text) => text.id === id) ?? -1;
    if (at >= 0) this.choose(at);
  }

  private choose(text: number): void {
    this.chosen = this.results?.texts[text]?.id;
    this.editor.choose(this.chosen);
    for (const part of this.chosenParts) part(text);
  }

  private showReport({ file, report, note }: Measurement): void {
    hideTip();
    const back = el("button", { type: "button", class: "action" }, "← Back to the texts");
    back.addEventListener("click", () => this.backToTexts());
    const json = JSON.stringify(report);
    const save = el("button", { type: "button", class: "action" }, "Save as JSON");
    save.addEventListener("click", () => {
      const link = el("a", { href: URL.createObjectURL(new Blob([json], { type: "application/json" })) });
      link.download = `${file}.report.json`;
      link.click();
      URL.revokeObjectURL(link.href);
    });
    const page = inspectPage(arrangeReport(report) as typeof report);
    if (note) page.top = [el("p", { class: "part" }, note), ...page.top];
    showPage(
      page,
      el("div", { class: "way" }, back, save, el("span", { class: "kind" }, `${page.kind}: ${file}`)),
      "Shown by the server that measured it.",
    );
    const heading = this.place.querySelector("h1");
    heading?.setAttribute("tabindex", "-1");
    heading?.focus({ preventScroll: true });
    scrollTo({ top: 0, behavior: "instant" });
  }

  private backToTexts(): void {
    this.show();
    this.measure.node.scrollIntoView({ block: "center" });
    this.measure.node.querySelector("input")?.focus();
  }
}
