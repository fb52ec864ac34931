/** What the page computes of vectors. All are of length 1, as the server normalises them. Nothing here knows of the page. */

export type Vector = Float32Array;
type Point = [number, number];

export function dot(a: Vector, b: Vector): number {
  let sum = 0;
  for (let i = 0; i < a.length; ++i) sum += (a[i] ?? 0) * (b[i] ?? 0);
  return sum;
}

export function cosines(vectors: Vector[]): number[][] {
  return vectors.map((a) => vectors.map((b) => dot(a, b)));
}

/** Of `similarity` over all pairs of different texts of `rows` and `columns`; undefined if there is none. */
export function meanCosine(similarity: number[][], rows: number[], columns = rows): number | undefined {
  let sum = 0;
  let pairs = 0;
  for (const row of rows) {
    for (const column of columns) {
      if (row === column) continue;
      sum += similarity[row]?.[column] ?? 0;
      ++pairs;
    }
  }
  return pairs === 0 ? undefined : sum / pairs;
}

/** The others of a text, nearest first; of equal ones the first. */
export function neighbors(similarity: number[][], text: number): [number, number][] {
  const row = similarity[text] ?? [];
  return row
    .map((cosine, other): [number, number] => [other, cosine])
    .filter(([other]) => other !== text)
    .sort((a, b) => b[1] - a[1] || a[0] - b[0]);
}

/** Slope and intercept of the least-squares line; undefined where all x are the same. */
export function trend(x: number[], y: number[]): { slope: number; at: (x: number) => number } | undefined {
  const mean = (values: number[]): number => values.reduce((sum, v) => sum + v, 0) / values.length;
  const [mx, my] = [mean(x), mean(y)];
  let above = 0;
  let below = 0;
  x.forEach((value, i) => {
    above += (value - mx) * ((y[i] ?? 0) - my);
    below += (value - mx) ** 2;
  });
  if (!(below > 1e-12)) return undefined;
  const slope = above / below;
  return { slope, at: (value) => my + slope * (value - mx) };
}

/**
 * Where short texts end: in the middle of the widest gap between lengths, on a logarithmic scale. Undefined where that gap is
 * less than half of the shorter length: texts of one length, so to speak.
 */
export function lengthSplit(tokens: number[]): number | undefined {
  const sorted = [...tokens].sort((a, b) => a - b);
  let widest = 1.5;
  let split: number | undefined;
  for (let i = 1; i < sorted.length; ++i) {
    const [low, high] = [Math.max(1, sorted[i - 1] ?? 1), sorted[i] ?? 1];
    if (high / low < widest) continue;
    widest = high / low;
    split = Math.sqrt(low * high);
  }
  return split;
}

export interface Plane {
  place: (vector: Vector) => Point;
  /** Shares of the variance that the two axes carry. */
  explained: Point;
}

const STEPS = 200;

/** The leading eigenvector of a symmetric positive semidefinite matrix, by power iteration, and its eigenvalue. */
function leading(matrix: number[][]): { value: number; vector: number[] } {
  const count = matrix.length;
  // Begins at the row of the largest diagonal, which is never orthogonal to what it leads to.
  const begin = matrix.reduce((best, row, i) => ((row[i] ?? 0) > (matrix[best]?.[best] ?? 0) ? i : best), 0);
  let vector = [...(matrix[begin] ?? [])];
  let value = 0;
  for (let step = 0; step < STEPS; ++step) {
    const length = Math.hypot(...vector);
    if (length < 1e-12) return { value: 0, vector: new Array<number>(count).fill(0) };
    const unit = vector.map((v) => v / length);
    vector = matrix.map((row) => row.reduce((sum, v, i) => sum + v * (unit[i] ?? 0), 0));
    value = Math.hypot(...vector);
  }
  return { value, vector: value < 1e-12 ? vector : vector.map((v) => v / value) };
}

/**
 * The two principal axes of `vectors`. Vectors of the same model at other temperatures are placed on these same axes, so
 * that what changes place has moved: nothing turns or flips.
 */
export function principalPlane(vectors: Vector[]): Plane {
  const count = vectors.length;
  const size = vectors[0]?.length ?? 0;
  const mean = new Float64Array(size);
  for (const vector of vectors) for (let d = 0; d < size; ++d) mean[d]! += (vector[d] ?? 0) / count;
  const centred = vectors.map((vector) => Float64Array.from(vector, (v, d) => v - (mean[d] ?? 0)));
  // Few texts, many dimensions: the eigenvectors of the texts' products give the axes.
  let gram = centred.map((a) => centred.map((b) => a.reduce((sum, v, d) => sum + v * (b[d] ?? 0), 0)));
  const total = gram.reduce((sum, row, i) => sum + (row[i] ?? 0), 0);
  const axes: Float64Array[] = [];
  const explained: number[] = [];
  for (let axis = 0; axis < 2; ++axis) {
    const { value, vector } = leading(gram);
    const direction = new Float64Array(size);
    centred.forEach((row, i) => row.forEach((v, d) => (direction[d]! += v * (vector[i] ?? 0))));
    const length = Math.hypot(...direction);
    axes.push(length > 1e-9 ? direction.map((v) => v / length) : direction.fill(0));
    explained.push(total > 0 ? value / total : 0);
    gram = gram.map((row, i) => row.map((v, j) => v - value * (vector[i] ?? 0) * (vector[j] ?? 0)));
  }
  const along = (vector: Vector, axis: Float64Array | undefined): number =>
    vector.reduce((sum, v, d) => sum + (v - (mean[d] ?? 0)) * (axis?.[d] ?? 0), 0);
  return {
    place: (vector) => [along(vector, axes[0]), along(vector, axes[1])],
    explained: [explained[0] ?? 0, explained[1] ?? 0],
  };
}
