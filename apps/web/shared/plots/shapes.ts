/** A shape for each setting, so that colour is not alone in telling them apart. */
import {
  symbol,
  symbolCircle,
  symbolCross,
  symbolDiamond2,
  symbolSquare,
  symbolStar,
  symbolTriangle,
  symbolWye,
} from "d3-shape";

const SHAPES = [
  symbolCircle,
  symbolSquare,
  symbolTriangle,
  symbolDiamond2,
  symbolStar,
  symbolCross,
  symbolWye,
];
const COLOURS = 8;

/** The path of a setting's mark around 0, 0; `size` in square pixels. */
export function shapePath(setting: number, size: number): string {
  return symbol(SHAPES[setting % SHAPES.length], size)() ?? "";
}

/** Colour of style.css, and what the legend hides it by. */
export function settingClass(setting: number): string {
  return `c${setting % COLOURS} s${setting}`;
}
