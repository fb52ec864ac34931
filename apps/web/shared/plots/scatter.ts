/** Texts as points of a plane. */
import { scaleLinear } from "d3-scale";
import { svg } from "../dom";
import { canvas, type Area } from "./frame";
import { makeReachable, type Mark, type MarkEvents } from "./marks";
import { shapePath } from "./shapes";

export interface Dot {
  index: number;
  x: number;
  y: number;
  /** Class of style.css that gives it its colour: of the sequential ones "q0" to "q6". */
  colour: string;
  /** As of settings; unset: a circle. */
  shape?: number;
  text: string;
  /** Where it comes from: a line leads from there. */
  from?: { x: number; y: number } | undefined;
  /** Written beside it. */
  label?: string;
}

export interface Scatter {
  root: SVGSVGElement;
  /** Rings around the dot of this text and around its neighbours. */
  select(index: number, neighbors: number[]): void;
}

export function scatter(
  label: string,
  dots: Dot[],
  width: number,
  height: number,
  events: {
    onFocus(index: number): void;
    /** Unset: there is nothing to choose. */
    onSelect?: (index: number) => void;
  },
): Scatter {
  const area: Area = { width, height, top: 10, right: 10, bottom: 10, left: 10 };
  const choosing = events.onSelect ? ", Enter chooses one" : "";
  const root = canvas(area, `${label}. Arrow keys go from text to text${choosing}.`);
  root.classList.add("map");
  // One unit is as long across as it is up: distances mean something here.
  const places = dots.flatMap((dot) => (dot.from ? [dot, dot.from] : [dot]));
  const xs = places.map((place) => place.x);
  const ys = places.map((place) => place.y);
  const middle = (values: number[]): number => (Math.min(...values) + Math.max(...values)) / 2;
  const extent = (values: number[]): number => Math.max(...values) - Math.min(...values);
  const unit = Math.min((width - 28) / (extent(xs) || 1), (height - 28) / (extent(ys) || 1));
  const x = scaleLinear()
    .domain([0, 1])
    .range([width / 2 - unit * middle(xs), width / 2 + unit * (1 - middle(xs))]);
  const y = scaleLinear()
    .domain([0, 1])
    .range([height / 2 + unit * middle(ys), height / 2 - unit * (1 - middle(ys))]);
  const byMark = new Map<Mark, number>();
  const marks = new Map<number, Mark>();
  const layer = svg("g");
  const ways = svg("g", { class: "ways", "aria-hidden": true });
  for (const dot of dots) {
    const at = { x: x(dot.x), y: y(dot.y) };
    if (dot.from) {
      const from = { x: x(dot.from.x), y: y(dot.from.y) };
      ways.append(
        svg("line", { class: dot.colour, x1: from.x, y1: from.y, x2: at.x, y2: at.y }),
        svg("circle", { class: dot.colour, cx: from.x, cy: from.y, r: 3 }),
      );
    }
    if (dot.label) {
      const side = at.x > width - 34 ? { x: at.x - 11, "text-anchor": "end" } : { x: at.x + 11 };
      ways.append(svg("text", { ...side, y: at.y + 4 }, dot.label));
    }
    const r = dots.length > 600 ? 3.2 : 4.5;
    const node =
      dot.shape === undefined
        ? svg("circle", { class: dot.colour, cx: at.x, cy: at.y, r })
        : svg("path", {
            class: dot.colour,
            d: shapePath(dot.shape, Math.PI * r * r),
            transform: `translate(${at.x},${at.y})`,
          });
    layer.append(node);
    const mark: Mark = { node, ...at, text: dot.text };
    byMark.set(mark, dot.index);
    marks.set(dot.index, mark);
  }
  const rings = svg("g", { class: "rings", "aria-hidden": true });
  root.append(ways, layer, rings);
  const markEvents: MarkEvents = {
    onFocus: (mark) => events.onFocus(byMark.get(mark) ?? 0),
  };
  const { onSelect } = events;
  if (onSelect) markEvents.onSelect = (mark) => onSelect(byMark.get(mark) ?? 0);
  makeReachable(root, [...marks.values()], markEvents);

  const ring = (index: number, kind: string, r: number): void => {
    const mark = marks.get(index);
    if (mark) rings.append(svg("circle", { class: kind, cx: mark.x, cy: mark.y, r }));
  };
  return {
    root,
    select(index, neighbors) {
      rings.replaceChildren();
      const own = marks.get(index);
      for (const neighbor of neighbors) {
        const other = marks.get(neighbor);
        if (own && other) rings.append(svg("line", { x1: own.x, y1: own.y, x2: other.x, y2: other.y }));
        ring(neighbor, "neighbor", 6.5);
      }
      ring(index, "chosen", 8.5);
      for (const [at, mark] of marks) mark.node.setAttribute("aria-pressed", String(at === index));
    },
  };
}
