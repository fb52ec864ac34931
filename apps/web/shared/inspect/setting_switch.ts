/** A choice of one of the settings, for what can show one at a time. */
import { el, uniqueId } from "../dom";
import { settingName } from "../format";

/** Nothing for a single setting; the first is chosen. */
export function settingSwitch(settings: string[], choose: (setting: number) => void): HTMLElement | null {
  if (settings.length < 2) return null;
  const group = el("fieldset", { class: "choice" }, el("legend", {}, "Setting"));
  const name = uniqueId("map-setting");
  settings.forEach((setting, index) => {
    const input = el("input", { type: "radio", name, value: index, checked: index === 0 });
    input.addEventListener("change", () => choose(index));
    group.append(el("label", {}, input, el("span", {}, settingName(setting))));
  });
  return group;
}
