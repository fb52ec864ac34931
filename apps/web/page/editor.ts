/** The texts: read, changed, added, removed. */
import { el, unseen, uniqueId } from "../shared/dom";
import { plural, whole } from "../shared/format";
import { examples, nameOf, newText, type Text } from "./examples";
import { colourOf, type Results } from "./results";

const PAUSE = 350;
export const MAX_TEXTS = 100;

interface Row {
  node: HTMLElement;
  number: HTMLElement;
  title: HTMLElement;
  tokens: HTMLElement;
  field: HTMLTextAreaElement;
  fault: HTMLElement;
}

export interface EditorEvents {
  onChange: (texts: Text[]) => void;
  onChoose: (id: number) => void;
}

function button(text: string, label: string, press: () => void): HTMLButtonElement {
  const node = el("button", { type: "button", class: "action", "aria-label": label }, text);
  node.addEventListener("click", press);
  return node;
}

export class Editor {
  readonly node: HTMLElement;
  private rows = new Map<number, Row>();
  private readonly list = el("ol", { class: "texts" });
  private readonly summary = el("span", { class: "count" });
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private texts: Text[],
    private readonly events: EditorEvents,
  ) {
    const heading = uniqueId("texts");
    const tools = el(
      "div",
      { class: "tools" },
      button("Add a text", "Add a text", () => this.add()),
      button("Examples", "Examples: put them back", () => this.replace(examples())),
      button("Clear", "Clear all texts", () => this.replace([newText(""), newText("")])),
    );
    // Open where there is room beside the results; a phone shows these first.
    const details = el(
      "details",
      { class: "editor", open: matchMedia("(min-width: 1080px)").matches },
      el("summary", {}, el("h2", { id: heading }, "Texts"), " ", this.summary),
      tools,
      this.list,
    );
    this.node = el("section", { class: "panel", "aria-labelledby": heading }, details);
    this.build();
  }

  replace(texts: Text[]): void {
    this.texts = texts;
    this.build();
    this.changed(0);
  }

  private add(): void {
    if (this.texts.length >= MAX_TEXTS) return;
    const text = newText("");
    this.texts = [...this.texts, text];
    this.build();
    this.rows.get(text.id)?.field.focus();
  }

  private remove(id: number): void {
    const at = this.texts.findIndex((text) => text.id === id);
    this.texts = this.texts.filter((text) => text.id !== id);
    this.build();
    const next = this.texts[Math.min(at, this.texts.length - 1)];
    if (next) this.rows.get(next.id)?.field.focus();
    this.changed(0);
  }

  private changed(wait: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.events.onChange(this.texts), wait);
  }

  private edit(id: number, value: string): void {
    // It is no longer the example that its name says.
    this.texts = this.texts.map((text) => (text.id === id ? { id, text: value } : text));
    this.number();
    this.changed(PAUSE);
  }

  private build(): void {
    this.rows = new Map(this.texts.map((text) => [text.id, this.row(text)]));
    this.list.replaceChildren(...[...this.rows.values()].map((row) => row.node));
    this.number();
  }

  private row({ id, text }: Text): Row {
    const field = el("textarea", { id: uniqueId("text"), rows: 3, spellcheck: "false" });
    field.value = text;
    const fault = el("p", { class: "fault", id: uniqueId("fault"), hidden: true });
    field.setAttribute("aria-describedby", fault.id);
    const number = el("span", { class: "number" });
    const title = el("span", { class: "title" });
    const tokens = el("span", { class: "tokens" });
    const remove = button("×", "", () => this.remove(id));
    const label = el("label", { for: field.id }, number, " ", title);
    const node = el(
      "li",
      { "data-id": id },
      el("div", { class: "head" }, label, tokens, remove),
      field,
      fault,
    );
    field.addEventListener("input", () => this.edit(id, field.value));
    field.addEventListener("focus", () => this.events.onChoose(id));
    return { node, number, title, tokens, field, fault };
  }

  /** Only texts that say something are numbered: the others are not sent. */
  private number(): void {
    let count = 0;
    for (const text of this.texts) {
      const row = this.rows.get(text.id);
      if (!row) continue;
      const full = text.text.trim() !== "";
      row.number.replaceChildren(unseen("Text "), full ? String(++count) : "–");
      row.title.textContent = full ? nameOf(text) : "nothing yet";
      row.node.querySelector("button")?.setAttribute("aria-label", `Remove text: ${nameOf(text)}`);
    }
    this.summary.textContent = `${whole(count)}, yours to change`;
  }

  /** Colours and lengths, once they are known. */
  show(results: Results): void {
    for (const row of this.rows.values()) row.tokens.textContent = "";
    results.texts.forEach((text, index) => {
      const row = this.rows.get(text.id);
      if (!row) return;
      row.number.className = `number q${colourOf(results, index)}`;
      const cut = results.cut[index] ?? 0;
      const used = results.tokens[index] ?? 0;
      row.tokens.replaceChildren(
        cut > 0 ? `${whole(used + cut)} tokens, ` : plural(used, "token"),
        cut > 0 ? el("b", { class: "cut" }, `${whole(cut)} cut`) : "",
      );
    });
  }

  choose(id: number | undefined): void {
    for (const [own, row] of this.rows) row.node.classList.toggle("chosen", own === id);
  }

  /** Says at the text what the server has against it; undefined takes it back. */
  fault(id?: number, message = ""): void {
    for (const [own, row] of this.rows) {
      const wrong = own === id;
      row.fault.hidden = !wrong;
      row.fault.textContent = wrong ? message : "";
      if (wrong) row.field.setAttribute("aria-invalid", "true");
      else row.field.removeAttribute("aria-invalid");
      if (wrong) row.node.closest("details")?.setAttribute("open", "");
    }
  }
}
