/** The slider, and which kind of temperature it moves. */
import { el, uniqueId } from "../shared/dom";
import { settingName } from "../shared/format";
import {
  isUntouched,
  KIND_NAMES,
  KINDS,
  position,
  spoken,
  UNTOUCHED,
  written,
  type Kind,
  type KindName,
  type Temperature,
} from "./temperature";

export class Controls {
  readonly node: HTMLElement;
  private readonly slider: HTMLInputElement;
  private readonly parameter = el("label");
  private readonly shown = el("output", { class: "value" });
  private readonly meaning = el("p", { class: "meaning" });
  private readonly ends = el("div", { class: "ends", "aria-hidden": true });
  private readonly radios = new Map<KindName, HTMLInputElement>();
  /** Where each kind's slider was left. */
  private readonly values = new Map<KindName, number>();

  constructor(
    private temperature: Temperature,
    private readonly onChange: (temperature: Temperature) => void,
  ) {
    const id = uniqueId("temperature");
    this.slider = el("input", { type: "range", id, step: 1, min: 0 });
    this.slider.addEventListener("input", () => {
      const kind = this.temperature.kind;
      this.set({ kind, value: KINDS[kind].values[Number(this.slider.value)] ?? 1 });
    });
    this.parameter.htmlFor = id;
    this.shown.htmlFor.add(id);
    const reset = el(
      "button",
      { type: "button", class: "action reset", "aria-label": "τ = 1, as trained" },
      "τ\u00a0=\u00a01",
    );
    reset.addEventListener("click", () => this.set(UNTOUCHED));
    const track = el("div", { class: "track" }, this.slider, this.ends);
    this.node = el(
      "form",
      { class: "controls", id: "temperature", "aria-label": "Temperature" },
      this.kinds(),
      el("div", { class: "slide" }, this.parameter, track, this.shown, reset),
      this.meaning,
    );
    this.node.addEventListener("submit", (event) => event.preventDefault());
    this.show();
  }

  /** Without calling back: what the server begins with. */
  start(temperature: Temperature): void {
    this.temperature = temperature;
    this.show();
  }

  private kinds(): HTMLElement {
    const group = el("fieldset", { class: "choice" }, el("legend", {}, "Temperature"));
    const name = uniqueId("kind");
    for (const kind of KIND_NAMES) {
      const input = el("input", { type: "radio", name, value: kind });
      input.addEventListener("change", () => {
        this.set({ kind, value: this.values.get(kind) ?? KINDS[kind].start });
      });
      this.radios.set(kind, input);
      group.append(el("label", {}, input, el("span", {}, KINDS[kind].name)));
    }
    return group;
  }

  private set(temperature: Temperature): void {
    this.temperature = temperature;
    this.show();
    this.onChange(temperature);
  }

  private show(): void {
    const { kind, value } = this.temperature;
    const about: Kind = KINDS[kind];
    this.values.set(kind, value);
    for (const [name, radio] of this.radios) radio.checked = name === kind;
    const { values } = about;
    this.slider.max = String(values.length - 1);
    this.slider.value = String(position(this.temperature));
    this.slider.setAttribute("aria-valuetext", spoken(this.temperature));
    this.parameter.textContent = about.parameter;
    this.shown.value = settingName(written(this.temperature));
    this.meaning.textContent = about.meaning;
    const first = String(values[0]);
    const last = String(values[values.length - 1]);
    this.ends.replaceChildren(el("span", {}, first), el("span", {}, last));
    this.node.classList.toggle("untouched", isUntouched(this.temperature));
  }
}
