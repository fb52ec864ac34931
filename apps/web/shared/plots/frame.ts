/** A plot that is drawn anew for the width that it gets, so that its letters keep their size on a phone. */
import { el, svg } from "../dom";
import { applyHidden } from "../legend";

export interface Area {
  width: number;
  height: number;
  top: number;
  right: number;
  bottom: number;
  left: number;
}

const redraws = new WeakMap<Element, (width: number) => void>();
/** One for all plots, and it asks no box for its width: the page is laid out once, not once a plot. */
const observer = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) redraws.get(target)?.(Math.floor(contentRect.width));
});

/** Calls `draw` with the width of the returned box now and whenever it changes. */
export function responsive(draw: (width: number) => Element): HTMLElement {
  const box = el("div", { class: "plot" });
  let drawn = 0;
  redraws.set(box, (width) => {
    if (width === 0 || width === drawn) return;
    drawn = width;
    box.replaceChildren(draw(width));
    applyHidden(box);
  });
  observer.observe(box);
  return box;
}

export function canvas(area: Area, label: string): SVGSVGElement {
  return svg("svg", {
    viewBox: `0 0 ${area.width} ${area.height}`,
    width: area.width,
    height: area.height,
    role: "group",
    "aria-label": label,
  });
}

export interface Tick {
  at: number;
  label: string;
}

const ruler = document.createElement("canvas").getContext("2d");
const widths = new Map<string, number>();

/** How wide a label of the axes is, in pixels; style.css gives these 12 px. */
export function labelWidth(text: string): number {
  const known = widths.get(text);
  if (known !== undefined) return known;
  if (ruler) ruler.font = `12px ${getComputedStyle(document.body).fontFamily}`;
  const width = ruler?.measureText(text).width ?? 7.5 * [...text].length;
  widths.set(text, width);
  return width;
}

/** Every `n`th tick, so that no two labels touch. */
function thinned(ticks: Tick[], width: number): Tick[] {
  const widest = Math.max(0, ...ticks.map((tick) => labelWidth(tick.label))) + 8;
  const every = Math.max(1, Math.ceil((widest * ticks.length) / Math.max(1, width)));
  return ticks.filter((_, index) => index % every === 0);
}

/** The horizontal axis below the area: `ticks` are at pixels. */
export function xAxis(area: Area, ticks: Tick[], title: string): SVGGElement {
  const bottom = area.height - area.bottom;
  const group = svg("g", { class: "axis", "aria-hidden": true });
  group.append(svg("line", { x1: area.left, x2: area.width - area.right, y1: bottom, y2: bottom }));
  for (const tick of thinned(ticks, area.width - area.left - area.right)) {
    group.append(
      svg("line", { x1: tick.at, x2: tick.at, y1: bottom, y2: bottom + 4 }),
      svg("text", { x: tick.at, y: bottom + 17, "text-anchor": "middle" }, tick.label),
    );
  }
  const middle = (area.left + area.width - area.right) / 2;
  group.append(
    svg("text", { class: "title", x: middle, y: area.height - 4, "text-anchor": "middle" }, title),
  );
  return group;
}

/** Grid lines with labels on the left, and the title above them, upright. */
export function yAxis(area: Area, ticks: Tick[], title: string): SVGGElement {
  const group = svg("g", { class: "axis", "aria-hidden": true });
  for (const tick of ticks) {
    group.append(
      svg("line", { class: "grid", x1: area.left, x2: area.width - area.right, y1: tick.at, y2: tick.at }),
      svg("text", { x: area.left - 7, y: tick.at + 4, "text-anchor": "end" }, tick.label),
    );
  }
  if (title) group.append(svg("text", { class: "title", x: 2, y: 12 }, title));
  return group;
}
