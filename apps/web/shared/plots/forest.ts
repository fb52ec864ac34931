/** Values with intervals, one a row, beside a line of no effect. */
import { scaleLinear } from "d3-scale";
import { svg } from "../dom";
import { isNumber, numbers, type Maybe } from "../report";
import { canvas, labelWidth, responsive, xAxis, type Area } from "./frame";
import { makeReachable, type Mark } from "./marks";
import { settingClass, shapePath } from "./shapes";
import { shortened } from "../format";

export interface Row {
  name: string;
  value: Maybe;
  low?: Maybe;
  high?: Maybe;
  /** Undefined: no setting's own, drawn in ink. */
  setting?: number;
  text: string;
  numbers: string;
}

export interface ForestPlot {
  label: string;
  xTitle: string;
  rows: Row[];
  /** The value of no effect. */
  zero: number;
  /** Shared by several plots; that of the rows otherwise. */
  range?: [number, number];
  /** Narrow rows, and no numbers beside them: one of several plots side by side. */
  dense?: boolean;
}

/** A row whose value is this many times further from no effect than rows are in the middle is off the scale. */
const OFF_SCALE = 5;

/** From the minimum to the maximum, but for the rows that would press all others together. */
export function rangeOfRows(rows: Row[], zero: number): [number, number] {
  const reach = (values: Maybe[]): number => Math.max(0, ...numbers(values).map((v) => Math.abs(v - zero)));
  const known = rows.filter((row) => isNumber(row.value));
  const reaches = known.map((row) => reach([row.value, row.low, row.high])).sort((a, b) => a - b);
  const limit = OFF_SCALE * (reaches[Math.floor(reaches.length / 2)] ?? 0);
  const kept = known.filter((row) => limit === 0 || reach([row.value]) <= limit);
  const all = [zero, ...kept.flatMap((row) => numbers([row.value, row.low, row.high]))];
  return [Math.min(...all), Math.max(...all)];
}

const ROW = 30;
const DENSE_ROW = 21;
/** Of a name above its row. */
const NAME_LINE = 16;
/** More of the width is not for names. */
const NAMES_SHARE = 0.42;

/** Which end of the scale a value lies beyond. */
function offScale(value: number, [min = value, max = value]: number[]): -1 | 1 | undefined {
  return value < min ? -1 : value > max ? 1 : undefined;
}

/** A tip at the end of the scale, its point on it. */
function arrow(towards: -1 | 1): string {
  return `M0,0L${-9 * towards},-5V5Z`;
}

/** As much of a name as there is room for. */
function fitted(name: string, room: number): string {
  let length = [...name].length;
  while (length > 1 && labelWidth(shortened(name, length)) > room) length -= 1;
  return shortened(name, length);
}

function draw(plot: ForestPlot, width: number): SVGSVGElement {
  const rows = plot.rows.filter((row) => isNumber(row.value));
  const wide = width >= 560 && !plot.dense;
  const widest = Math.max(...rows.map((row) => labelWidth(row.name)));
  // Cut short, the names of several settings would be the same one: without room beside, each has a line of its own.
  const beside = widest + 16 <= NAMES_SHARE * width;
  const line = plot.dense ? DENSE_ROW : ROW;
  const high = line + (beside ? 0 : NAME_LINE);
  const names = rows.map((row) => (beside ? row.name : fitted(row.name, width - 8)));
  const area: Area = {
    width,
    height: high * rows.length + 56,
    top: 8,
    right: wide ? Math.max(...rows.map((row) => labelWidth(row.numbers))) + 14 : 12,
    bottom: 42,
    left: beside ? widest + 16 : 14,
  };
  const [min, max] = plot.range ?? rangeOfRows(rows, plot.zero);
  const room = (max - min || 1) * 0.06;
  const x = scaleLinear()
    .domain([min - room, max + room])
    .range([area.left, width - area.right])
    .clamp(true);
  const root = canvas(area, `${plot.label}. Arrow keys go from row to row.`);
  const format = x.tickFormat(5);
  root.append(
    xAxis(
      area,
      x.ticks(5).map((value) => ({ at: x(value), label: format(value) })),
      plot.xTitle,
    ),
  );
  const zero = x(plot.zero);
  root.append(
    svg("line", { class: "reference", x1: zero, x2: zero, y1: area.top, y2: area.height - area.bottom }),
  );
  const marks: Mark[] = rows.map((row, index) => {
    const y = area.top + high * (index + 1) - line / 2;
    const at = x(row.value as number);
    const colour = row.setting === undefined ? "ink" : settingClass(row.setting);
    const shape = shapePath(row.setting ?? 3, row.setting === undefined ? 120 : plot.dense ? 46 : 70);
    const group = svg("g", { class: colour });
    const place = beside
      ? { x: area.left - 10, y: y + 4, "text-anchor": "end" }
      : { x: 4, y: area.top + high * index + NAME_LINE - 4 };
    group.append(svg("text", { class: "name", ...place }, names[index]));
    const off = offScale(row.value as number, x.domain());
    if (isNumber(row.low) && isNumber(row.high) && !off) {
      group.append(svg("line", { class: "whisker", x1: x(row.low), x2: x(row.high), y1: y, y2: y }));
    }
    const node = svg("path", { d: off ? arrow(off) : shape, transform: `translate(${at},${y})` });
    if (off && !wide) {
      const beside = { x: at - 10 * off, y: y + 4, "text-anchor": off < 0 ? "start" : "end" };
      group.append(svg("text", beside, row.numbers.split(" ")[0]));
    }
    group.append(node);
    if (wide) group.append(svg("text", { x: width - area.right + 10, y: y + 4 }, row.numbers));
    root.append(group);
    return { node, x: at, y, text: row.text };
  });
  makeReachable(root, marks);
  return root;
}

export function forestPlot(plot: ForestPlot): HTMLElement | undefined {
  return plot.rows.some((row) => isNumber(row.value)) ? responsive((width) => draw(plot, width)) : undefined;
}
