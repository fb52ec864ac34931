/**
 * What the page changes of a model: the temperature of its attention, or of a model with states, which has no attention, the
 * control of them. Nothing of a model that has neither.
 */
import { settingName } from "../shared/format";
import type { Info } from "./api";
import { NO_CONTROL, STATE_KINDS } from "./state";
import * as temperatures from "./temperature";
import { KINDS, type Temperature } from "./temperature";

export type Setting =
  { of: "attention"; temperature: Temperature } | { of: "states"; control: string } | { of: "nothing" };

export type Subject = Setting["of"];

/** Of a server that says nothing of it, attention is taken for granted. */
export function subjectOf(model: Info): Subject {
  if ((model.state_layers ?? 0) > 0) return "states";
  return model.tempered_layers === 0 ? "nothing" : "attention";
}

/** What the page begins with, so that there is something to see. */
export function startOf(subject: Subject): Setting {
  if (subject === "attention")
    return { of: subject, temperature: { kind: "constant", value: KINDS.constant.start } };
  return subject === "states" ? { of: subject, control: STATE_KINDS.rri.start } : { of: subject };
}

export function asTrained(subject: Subject): Setting {
  if (subject === "attention") return { of: subject, temperature: temperatures.UNTOUCHED };
  return subject === "states" ? { of: subject, control: NO_CONTROL } : { of: subject };
}

export function isUntouched(setting: Setting): boolean {
  if (setting.of === "attention") return temperatures.isUntouched(setting.temperature);
  return setting.of === "nothing" || setting.control === NO_CONTROL;
}

/** As the command line and the report's settings write it. */
export function written(setting: Setting): string {
  if (setting.of === "attention") return temperatures.written(setting.temperature);
  return setting.of === "states" ? setting.control : "";
}

/** As sentences and plots have it: "τ = 0.7", "window:64". */
export function named(setting: Setting): string {
  if (setting.of === "states" && isUntouched(setting)) return "no control";
  return setting.of === "nothing" ? "as trained" : settingName(written(setting));
}

/** What says it in a request that embeds. */
export function fields(setting: Setting): Record<string, number | string> {
  if (setting.of === "attention") return { temperature: temperatures.asJson(setting.temperature) };
  return setting.of === "states" ? { state: setting.control } : {};
}

/** The same of a request for a report, which measures the model as trained beside it. */
export function reportFields(setting: Setting): Record<string, unknown> {
  if (setting.of === "attention") {
    const value = temperatures.asJson(setting.temperature);
    return { temperatures: isUntouched(setting) ? [1] : [1, value] };
  }
  return isUntouched(setting) ? {} : fields(setting);
}

/** Of the program: its option, with a space before it. */
export function option(setting: Setting): string {
  if (isUntouched(setting)) return "";
  return ` --${setting.of === "states" ? "state" : "temperature"} ${written(setting)}`;
}

/** What is said while it is waited for. */
export function spoken(setting: Setting): string {
  return setting.of === "attention" ? temperatures.spoken(setting.temperature) : named(setting);
}

/** What is said of it where it is not a value: "the temperature". */
export function whatMoves(subject: Subject): string {
  return subject === "attention" ? "the temperature" : "the control of the state";
}
