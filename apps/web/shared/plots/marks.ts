/**
 * The marks of a plot under pointer and keyboard. A plot is one stop of the tab key; arrow keys go from mark to mark.
 */
import { hideTip, showTip } from "../tooltip";

export interface Mark {
  node: SVGElement;
  x: number;
  y: number;
  /** What the mark says: its accessible name and its tooltip. */
  text: string;
  /** Marks of one line; left and right stay on it. Unset: the nearest mark in the direction of the key. */
  row?: number;
  setting?: number;
}

export interface MarkEvents {
  onFocus?: (mark: Mark) => void;
  onSelect?: (mark: Mark) => void;
}

/** How far from a mark, in pixels, a pointer still means it. */
const REACH = 32;
const STEPS: Record<string, [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** Legends hide a setting by hiding its group. */
function shown(mark: Mark): boolean {
  return !mark.node.closest(".off");
}

function nearest(marks: Mark[], cost: (mark: Mark) => number): Mark | undefined {
  let best: Mark | undefined;
  let min = Infinity;
  for (const mark of marks) {
    const price = cost(mark);
    if (price < min && shown(mark)) {
      best = mark;
      min = price;
    }
  }
  return best;
}

function alongRow(marks: Mark[], from: Mark, dx: number): Mark | undefined {
  return nearest(marks, (mark) => {
    const ahead = (mark.x - from.x) * dx;
    return mark.row === from.row && ahead > 0 ? ahead : Infinity;
  });
}

function inDirection(marks: Mark[], from: Mark, [dx, dy]: [number, number]): Mark | undefined {
  return nearest(marks, (mark) => {
    const ahead = (mark.x - from.x) * dx + (mark.y - from.y) * dy;
    const aside = Math.abs((mark.x - from.x) * dy) + Math.abs((mark.y - from.y) * dx);
    return mark !== from && ahead > 0 && mark.row !== (from.row ?? NaN) ? ahead + 3 * aside : Infinity;
  });
}

function step(marks: Mark[], from: Mark, key: string): Mark | undefined {
  if (key === "Home") return marks.find(shown);
  if (key === "End") return [...marks].reverse().find(shown);
  const by = STEPS[key];
  if (!by) return undefined;
  return from.row !== undefined && by[0] !== 0 ? alongRow(marks, from, by[0]) : inDirection(marks, from, by);
}

function underPointer(
  plot: SVGSVGElement,
  marks: Mark[],
  event: PointerEvent | MouseEvent,
): Mark | undefined {
  const box = plot.getBoundingClientRect();
  const scale = plot.viewBox.baseVal.width / box.width;
  const x = (event.clientX - box.left) * scale;
  const y = (event.clientY - box.top) * scale;
  const found = nearest(marks, (mark) => Math.hypot(mark.x - x, mark.y - y));
  return found && Math.hypot(found.x - x, found.y - y) <= REACH * scale ? found : undefined;
}

/** Makes `marks` of `plot` reachable by keyboard and pointer and reports to `events`. */
export function makeReachable(plot: SVGSVGElement, marks: Mark[], events: MarkEvents = {}): void {
  const byNode = new Map<EventTarget, Mark>();
  for (const mark of marks) {
    byNode.set(mark.node, mark);
    mark.node.setAttribute("role", events.onSelect ? "button" : "img");
    mark.node.setAttribute("aria-label", mark.text);
    mark.node.setAttribute("tabindex", "-1");
    mark.node.classList.add("mark");
  }
  marks[0]?.node.setAttribute("tabindex", "0");

  let hovered: Mark | undefined;
  const point = (mark: Mark | undefined): void => {
    if (hovered === mark) return;
    hovered?.node.classList.remove("hover");
    mark?.node.classList.add("hover");
    hovered = mark;
    plot.classList.toggle("pointing", mark !== undefined);
    if (!mark) return hideTip();
    showTip(mark.node, mark.text);
    events.onFocus?.(mark);
  };
  plot.addEventListener("pointermove", (event) => point(underPointer(plot, marks, event)));
  plot.addEventListener("pointerleave", () => point(undefined));
  plot.addEventListener("click", (event) => {
    const mark = underPointer(plot, marks, event);
    if (mark) events.onSelect?.(mark);
  });
  plot.addEventListener("focusin", (event) => {
    const mark = event.target && byNode.get(event.target);
    if (!mark) return;
    for (const other of marks)
      if (other.node.getAttribute("tabindex") === "0") other.node.setAttribute("tabindex", "-1");
    mark.node.setAttribute("tabindex", "0");
    showTip(mark.node, mark.text);
    events.onFocus?.(mark);
  });
  plot.addEventListener("focusout", hideTip);
  plot.addEventListener("keydown", (event) => {
    const mark = event.target && byNode.get(event.target);
    if (!mark) return;
    if (events.onSelect && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      events.onSelect(mark);
      return;
    }
    const next = step(marks, mark, event.key);
    if (!next && !(event.key in STEPS)) return;
    event.preventDefault();
    next?.node.focus();
  });
}
