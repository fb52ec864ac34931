/** The field of a state control, and the kinds that may stand in it. */
import { el, uniqueId } from "../shared/dom";
import { kindOf, NO_CONTROL, STATE_KIND_NAMES, STATE_KINDS, type StateKindName } from "./state";

export class StateControls {
  readonly node: HTMLElement;
  private readonly field: HTMLInputElement;
  private readonly meaning = el("p", { class: "meaning" });
  private readonly radios = new Map<StateKindName, HTMLInputElement>();
  /** What each kind's field was left with. */
  private readonly written = new Map<StateKindName, string>();

  constructor(
    private control: string,
    /** The id of what shows errors. */
    private readonly errors: string,
    private readonly onChange: (control: string) => void,
  ) {
    const id = uniqueId("state");
    this.field = el("input", { type: "text", id, autocomplete: "off", spellcheck: "false", maxlength: 200 });
    // Not while it is written: half a control is none.
    this.field.addEventListener("change", () => this.take(this.field.value));
    const apply = el("button", { type: "submit", class: "action" }, "Apply");
    this.node = el(
      "form",
      { class: "controls state", id: "state", "aria-label": "State control" },
      this.kinds(),
      el("div", { class: "slide" }, el("label", { for: id }, "State"), this.field, apply),
      this.meaning,
    );
    this.node.addEventListener("submit", (event) => {
      event.preventDefault();
      this.take(this.field.value);
    });
    this.show();
  }

  /** Without calling back: what the server begins with. */
  start(control: string): void {
    this.control = control;
    this.show();
  }

  /** Whether the server refused what stands in the field. */
  fault(refused: boolean): void {
    if (!refused) {
      this.field.removeAttribute("aria-invalid");
      this.field.removeAttribute("aria-describedby");
      return;
    }
    this.field.setAttribute("aria-invalid", "true");
    this.field.setAttribute("aria-describedby", this.errors);
  }

  private kinds(): HTMLElement {
    const group = el("fieldset", { class: "choice" }, el("legend", {}, "State control"));
    const name = uniqueId("kind");
    for (const kind of STATE_KIND_NAMES) {
      const input = el("input", { type: "radio", name, value: kind });
      input.addEventListener("change", () => this.set(this.written.get(kind) ?? STATE_KINDS[kind].start));
      this.radios.set(kind, input);
      group.append(el("label", {}, input, el("span", {}, STATE_KINDS[kind].name)));
    }
    return group;
  }

  private take(text: string): void {
    const control = text.trim() || NO_CONTROL;
    if (control !== this.control) this.set(control);
  }

  private set(control: string): void {
    this.control = control;
    this.show();
    this.onChange(control);
  }

  private show(): void {
    const kind = kindOf(this.control);
    if (kind) this.written.set(kind, this.control);
    for (const [name, radio] of this.radios) radio.checked = name === kind;
    this.field.value = this.control;
    this.fault(false);
    this.meaning.textContent = kind
      ? STATE_KINDS[kind].meaning
      : `A control is written ${STATE_KIND_NAMES.map((name) => STATE_KINDS[name].name).join(", ")}.`;
  }
}
