/** Which colour and shape is which setting; a press hides a setting in every plot of the page. */
import { el, svg } from "./dom";
import { settingName } from "./format";
import { shapePath } from "./plots/shapes";

const hidden = new Set<number>();

/** Hides what is hidden in a part of the page that was drawn anew. */
export function applyHidden(root: ParentNode): void {
  for (const node of root.querySelectorAll('[class*=" s"]')) {
    const setting = /(?:^| )s(\d+)(?: |$)/.exec(node.getAttribute("class") ?? "")?.[1];
    if (setting !== undefined) node.classList.toggle("off", hidden.has(Number(setting)));
  }
}

function toggle(setting: number): void {
  if (!hidden.delete(setting)) hidden.add(setting);
  for (const button of document.querySelectorAll(`.legend button[data-setting="${setting}"]`)) {
    button.setAttribute("aria-pressed", String(!hidden.has(setting)));
  }
  applyHidden(document);
}

export function swatch(setting: number): SVGSVGElement {
  const shape = shapePath(setting, 52);
  const colour = svg(
    "g",
    { class: `c${setting % 8}` },
    svg("line", { class: "line", x1: 1, x2: 25, y1: 8, y2: 8 }),
    svg("path", { class: "mark", d: shape, transform: "translate(13,8)" }),
  );
  return svg("svg", { class: "swatch", width: 26, height: 16, "aria-hidden": true }, colour);
}

/** Nothing for a single setting. */
export function legend(settings: string[], note?: Node): HTMLElement | undefined {
  if (settings.length < 2 && !note) return undefined;
  const box = el("div", { class: "legend", role: "group", "aria-label": "Settings shown" });
  settings.forEach((name, setting) => {
    const button = el("button", { type: "button", "aria-pressed": true, "data-setting": setting });
    button.setAttribute("aria-pressed", String(!hidden.has(setting)));
    button.append(swatch(setting), settingName(name));
    button.addEventListener("click", () => toggle(setting));
    box.append(button);
  });
  if (note) box.append(note);
  return box;
}

/** What a dotted line across a plot means. */
export function referenceNote(text: string): HTMLElement {
  const line = svg("line", { class: "reference", x1: 1, x2: 25, y1: 8, y2: 8 });
  return el(
    "span",
    { class: "key" },
    svg("svg", { class: "swatch", width: 26, height: 16, "aria-hidden": true }, line),
    text,
  );
}

/** What a dashed line means. */
export function dashedNote(text: string): HTMLElement {
  const line = svg("line", { class: "line dashed", x1: 1, x2: 25, y1: 8, y2: 8 });
  const picture = svg("svg", { class: "swatch ink", width: 26, height: 16, "aria-hidden": true }, line);
  return el("span", { class: "key" }, picture, text);
}

/** What a ringed mark means. */
export function flaggedNote(text: string): HTMLElement {
  const ring = svg("circle", { class: "flagged mark", cx: 8, cy: 8, r: 4 });
  return el(
    "span",
    { class: "key" },
    svg("svg", { class: "swatch ink", width: 16, height: 16, "aria-hidden": true }, ring),
    text,
  );
}
