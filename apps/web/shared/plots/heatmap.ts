/** A table in colour, each cell with its number. */
import { svg } from "../dom";
import { decimal } from "../format";
import { isNumber, type Maybe } from "../report";
import { canvas, labelWidth, responsive, xAxis, type Area } from "./frame";
import { makeReachable, type Mark } from "./marks";

export interface HeatMap {
  label: string;
  /** Of the rows, and of the columns where those have none of their own. */
  names: string[];
  columns?: string[];
  axisTitle: string;
  cells: Maybe[][];
  /** Of the colours. */
  range: [number, number];
  describe: (row: number, column: number, value: number) => string;
  /** Values are changes: a colour for less, one for more, none for zero; `range` is symmetric. */
  diverging?: boolean;
  /** Rows and columns from this one on stand a little apart from those before. */
  split?: number | undefined;
  onSelect?: (row: number, column: number) => void;
  /** What a cell says; `narrow`: three characters fit. */
  format?: (value: number, narrow: boolean) => string;
}

/**
 * Up to these percentages of a colour, as they are drawn, the letters of a cell are black in the light scheme and white in the dark
 * one, above the other way round: so their contrast is 4.5 and more everywhere.
 */
const SWITCH = {
  cell: { light: 61, dark: 61 },
  "cell more": { light: 93, dark: 60 },
  "cell less": { light: 84, dark: 57 },
};
const GAP = 5;

/** Class and strength of a cell's colour. */
function colour(map: HeatMap, value: number): { kind: keyof typeof SWITCH; share: number } {
  const [min, max] = map.range;
  if (!map.diverging) return { kind: "cell", share: max > min ? (value - min) / (max - min) : 0.5 };
  const share = max > 0 ? Math.min(1, Math.abs(value) / max) : 0;
  return { kind: value < 0 ? "cell less" : "cell more", share };
}

function draw(map: HeatMap, width: number): SVGSVGElement {
  const columns = map.columns ?? map.names;
  const count = columns.length;
  const left = Math.max(...map.names.map(labelWidth)) + 12;
  const gap = map.split ? GAP : 0;
  const format = map.format ?? ((value, narrow) => decimal(value, narrow ? 2 : 3));
  const cell = Math.min(64, (width - left - 4 - gap) / count);
  const high = Math.min(cell, 40);
  const area: Area = {
    width,
    height: high * map.names.length + gap + 50,
    top: 4,
    right: 0,
    bottom: 46,
    left,
  };
  area.right = width - left - cell * count - gap;
  const apart = (index: number): number => (map.split && index >= map.split ? gap : 0);
  const root = canvas(area, `${map.label}. Arrow keys go from cell to cell.`);
  root.append(
    xAxis(
      area,
      columns.map((label, index) => ({ at: left + cell * (index + 0.5) + apart(index), label })),
      map.axisTitle,
    ),
  );
  const marks: Mark[] = [];
  const places = new Map<Mark, [number, number]>();
  map.names.forEach((name, row) => {
    const y = area.top + high * row + apart(row);
    root.append(svg("text", { x: left - 7, y: y + high / 2 + 4, "text-anchor": "end" }, name));
    for (let column = 0; column < count; ++column) {
      const value = map.cells[row]?.[column];
      if (!isNumber(value)) continue;
      const { kind, share } = colour(map, value);
      const x = left + cell * column + apart(column);
      const node = svg("rect", { class: kind, x: x + 1, y: y + 1, width: cell - 2, height: high - 2 });
      const heat = Math.round(100 * share);
      node.style.setProperty("--heat", `${heat}%`);
      root.append(node);
      if (cell >= 34) {
        const place = { x: x + cell / 2, y: y + high / 2 + 4, "text-anchor": "middle" };
        const text = svg("text", { class: "in-cell", ...place }, format(value, cell < 44));
        const { light, dark } = SWITCH[kind];
        text.style.setProperty(
          "fill",
          `light-dark(${heat > light ? "#fff" : "#000"}, ${heat > dark ? "#000" : "#fff"})`,
        );
        root.append(text);
      }
      const mark: Mark = {
        node,
        x: x + cell / 2,
        y: y + high / 2,
        text: map.describe(row, column, value),
        row,
      };
      marks.push(mark);
      places.set(mark, [row, column]);
    }
  });
  const { onSelect } = map;
  makeReachable(
    root,
    marks,
    onSelect ? { onSelect: (mark) => onSelect(...(places.get(mark) ?? [0, 0])) } : {},
  );
  return root;
}

export function heatMap(map: HeatMap): HTMLElement | undefined {
  return map.cells.some((row) => row.some(isNumber)) ? responsive((width) => draw(map, width)) : undefined;
}
