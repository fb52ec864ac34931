/** Lines over an axis, with bands around them where there are intervals. */
import { scaleLinear, scaleLog } from "d3-scale";
import { area as areaShape, line as lineShape } from "d3-shape";
import { svg } from "../dom";
import { isNumber, numbers, type Maybe } from "../report";
import { canvas, labelWidth, responsive, xAxis, yAxis, type Area, type Tick } from "./frame";
import { makeReachable, type Mark } from "./marks";
import { settingClass, shapePath } from "./shapes";

export interface Point {
  x: number;
  y: Maybe;
  low?: Maybe;
  high?: Maybe;
  /** Its description in the tooltip and for screen readers. */
  text: string;
  /** Drawn as a ring: where a bound is broken. */
  flagged?: boolean;
}

export interface Line {
  /** Which colour and shape; hidden by the legend with everything of that setting. */
  setting: number;
  points: Point[];
  /** A reference beside the measurement: dashed, without marks. */
  dashed?: boolean;
  /** Marks without a line between them. */
  loose?: boolean;
  /** A class in place of the setting's: the line is none that the legend hides. */
  colour?: string;
}

export interface LinePlot {
  label: string;
  xTitle: string;
  yTitle: string;
  lines: Line[];
  xTicks?: Tick[];
  logX?: boolean;
  logY?: boolean;
  /** A value that the vertical axis must show, such as zero. */
  include?: number[];
  /** A value to compare with: a dotted line. */
  reference?: number;
  /** The same of the horizontal axis, upright. */
  referenceX?: number;
  height?: number;
  /** Values are shares: an axis from 0 to 1. */
  share?: boolean;
  /** What the ticks of the vertical axis say. */
  yFormat?: (value: number) => string;
  /** Vertical range shared by several plots; of a logarithmic axis both ends are above 0. */
  range?: [number, number];
  /** No marks at the points, for lines of hundreds; each `every`th one can still be reached. */
  markEvery?: number;
}

const MARK_SIZE = 52;

interface Scale {
  (value: number): number;
  ticks(count: number): number[];
  tickFormat(count: number): (value: number) => string;
}

/** Lowest and highest of everything that the plots show. */
export function rangeOf(lines: Line[], include: number[] = []): [number, number] {
  const values = [...include];
  for (const { points } of lines) {
    for (const { y, low, high } of points)
      for (const value of [y, low, high]) if (isNumber(value)) values.push(value);
  }
  return values.length === 0 ? [0, 1] : [Math.min(...values), Math.max(...values)];
}

/** A logarithmic axis has no place for 0. */
function drawable(plot: LinePlot, point: Point): boolean {
  return isNumber(point.y) && (!plot.logY || point.y > 0);
}

function padded([low, high]: [number, number], share: number): [number, number] {
  const extra = (high - low || Math.abs(high) || 1) * share;
  return [low - extra, high + extra];
}

function xScale(plot: LinePlot, area: Area): Scale {
  const all = plot.lines.flatMap((line) => line.points.map((point) => point.x));
  if (plot.referenceX !== undefined) all.push(plot.referenceX);
  const ends: [number, number] = [Math.min(...all), Math.max(...all)];
  const inset = plot.xTicks && !plot.markEvery ? 22 : 6;
  const pixels = [area.left + inset, area.width - area.right - inset];
  if (plot.logX && ends[0] > 0) {
    return scaleLog()
      .base(2)
      .domain(ends[0] === ends[1] ? [ends[0] / 2, ends[1] * 2] : ends)
      .range(pixels);
  }
  return scaleLinear()
    .domain(ends[0] === ends[1] ? [ends[0] - 1, ends[1] + 1] : ends)
    .range(pixels);
}

function yScale(plot: LinePlot, area: Area): Scale {
  const include = [...(plot.include ?? []), ...(plot.reference === undefined ? [] : [plot.reference])];
  const range = plot.range ?? rangeOf(plot.lines, include);
  const pixels = [area.height - area.bottom, area.top];
  if (plot.logY) {
    const values = numbers(plot.lines.flatMap((line) => line.points.map((point) => point.y))).filter(
      (v) => v > 0,
    );
    const [low, high] = plot.range ?? [Math.min(...values), Math.max(...values)];
    return scaleLog()
      .domain([low / 1.2, high * 1.2])
      .range(pixels);
  }
  if (plot.share && range[0] >= 0 && range[1] <= 1) return scaleLinear().domain([0, 1]).range(pixels);
  const [low, high] = padded(range, 0.04);
  const domain = [include.includes(0) && range[0] >= 0 ? 0 : low, high];
  return scaleLinear().domain(domain).range(pixels).nice(5);
}

/** Of a logarithmic axis the powers of ten; where it has fewer than two of them, twice and five times these besides. */
function yTicks(plot: LinePlot, scale: Scale): Tick[] {
  const format = plot.yFormat ?? scale.tickFormat(5);
  const all = scale.ticks(5);
  const isOneOf = (value: number, leading: number[]): boolean =>
    leading.some(
      (digit) => Math.abs(Math.log10(value / digit) - Math.round(Math.log10(value / digit))) < 1e-9,
    );
  const powers = all.filter((value) => isOneOf(value, [1]));
  const shown = powers.length > 1 ? powers : all.filter((value) => isOneOf(value, [1, 2, 5]));
  return (plot.logY ? shown : all).map((value) => ({ at: scale(value), label: format(value) }));
}

/** One setting's line, band and marks. */
function drawLine(line: Line, row: number, plot: LinePlot, x: Scale, y: Scale, marks: Mark[]): SVGGElement {
  const group = svg("g", { class: line.colour ?? settingClass(line.setting) });
  const known = line.points.filter((point) => drawable(plot, point));
  const path = lineShape<Point>(
    (point) => x(point.x),
    (point) => y(point.y as number),
  ).defined((point) => drawable(plot, point));
  const band = areaShape<Point>(
    (point) => x(point.x),
    (point) => y(point.low as number),
    (point) => y(point.high as number),
  ).defined((point) => isNumber(point.low) && isNumber(point.high));
  if (known.some((point) => isNumber(point.low))) {
    group.append(svg("path", { class: "band", d: band(line.points) ?? "" }));
  }
  if (!line.loose) {
    group.append(svg("path", { class: line.dashed ? "line dashed" : "line", d: path(line.points) ?? "" }));
  }
  if (line.dashed) return group;
  const shape = shapePath(line.setting, MARK_SIZE);
  const every = plot.markEvery ?? 1;
  known.forEach((point, index) => {
    if (index % every !== 0) return;
    const at = { x: x(point.x), y: y(point.y as number) };
    const kind = every > 1 ? "faint" : point.flagged ? "flagged" : "";
    const node = svg("path", { class: kind, d: shape, transform: `translate(${at.x},${at.y})` });
    group.append(node);
    marks.push({ node, ...at, text: point.text, row, setting: line.setting });
  });
  return group;
}

function draw(plot: LinePlot, width: number): SVGSVGElement {
  const area: Area = { width, height: plot.height ?? 280, top: 24, right: 8, bottom: 42, left: 40 };
  const ticks = yTicks(plot, yScale(plot, area));
  area.left = Math.max(...ticks.map((tick) => labelWidth(tick.label)), 16) + 12;
  const x = xScale(plot, area);
  const y = yScale(plot, area);
  const root = canvas(area, `${plot.label}. Arrow keys go from point to point.`);
  const xTicks = plot.xTicks ?? x.ticks(5).map((value) => ({ at: value, label: String(value) }));
  root.append(
    yAxis(area, yTicks(plot, y), plot.yTitle),
    xAxis(
      area,
      xTicks.map((tick) => ({ at: x(tick.at), label: tick.label })),
      plot.xTitle,
    ),
  );
  if (plot.reference !== undefined) {
    const at = y(plot.reference);
    root.append(svg("line", { class: "reference", x1: area.left, x2: width - area.right, y1: at, y2: at }));
  }
  if (plot.referenceX !== undefined) {
    const at = x(plot.referenceX);
    const [top, bottom] = [area.top, area.height - area.bottom];
    root.append(svg("line", { class: "reference", x1: at, x2: at, y1: top, y2: bottom }));
  }
  const marks: Mark[] = [];
  // The untouched model lies on top.
  const order = plot.lines.map((line, index) => ({ line, index })).reverse();
  const groups = order.map(({ line, index }) => drawLine(line, index, plot, x, y, marks));
  root.append(...groups);
  marks.sort((a, b) => (a.row ?? 0) - (b.row ?? 0) || a.x - b.x);
  makeReachable(root, marks);
  return root;
}

/** Undefined when there is nothing to draw. */
export function linePlot(plot: LinePlot): HTMLElement | undefined {
  const any = plot.lines.some((line) => !line.dashed && line.points.some((point) => drawable(plot, point)));
  return any ? responsive((width) => draw(plot, width)) : undefined;
}
