/** What the server's page computes, without a browser. */
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";

const source = path.join(path.dirname(fileURLToPath(import.meta.url)), "../page");
async function load(name) {
  const built = buildSync({
    entryPoints: [path.join(source, name)],
    bundle: true,
    format: "esm",
    write: false,
  });
  return import(`data:text/javascript;base64,${Buffer.from(built.outputFiles[0].text).toString("base64")}`);
}
const { cosines, lengthSplit, meanCosine, neighbors, principalPlane, trend } = await load("vectors.ts");
const { asJson, KINDS, parsed, position, spoken, written } = await load("temperature.ts");
const { fitting, textsOf } = await load("files.ts");

function random(seed) {
  let state = seed;
  return () => (state = (state * 1664525 + 1013904223) % 4294967296) / 4294967296 - 0.5;
}
const close = (a, b, tolerance) => assert.ok(Math.abs(a - b) <= tolerance, `${a} is not ${b}`);

test("the plane is that of the two axes of most variance, whatever the count of texts", () => {
  const next = random(3);
  // Variances 9, 4 and 0.01 along known directions, turned away from the coordinate axes.
  const size = 40;
  const basis = [0, 1, 2].map(() => Float64Array.from({ length: size }, next));
  for (const [i, axis] of basis.entries()) {
    for (const other of basis.slice(0, i)) {
      const along = axis.reduce((sum, v, d) => sum + v * other[d], 0);
      axis.forEach((v, d) => (axis[d] = v - along * other[d]));
    }
    const length = Math.hypot(...axis);
    axis.forEach((v, d) => (axis[d] = v / length));
  }
  for (const count of [3, 8, 100]) {
    const weights = Array.from({ length: count }, () => [6 * next(), 2 * next(), 0.05 * next()]);
    const vectors = weights.map((w) =>
      Float32Array.from(
        { length: size },
        (_, d) => 0.7 + basis.reduce((sum, axis, i) => sum + w[i] * axis[d], 0),
      ),
    );
    const plane = principalPlane(vectors);
    const placed = vectors.map(plane.place);
    // Distances on the plane are those in all dimensions, up to the third axis.
    for (let i = 1; i < count; ++i) {
      const all = Math.hypot(...vectors[0].map((v, d) => v - vectors[i][d]));
      close(Math.hypot(placed[0][0] - placed[i][0], placed[0][1] - placed[i][1]), all, 0.06);
    }
    const variance = (axis) => placed.reduce((sum, p) => sum + p[axis] ** 2, 0);
    const covariance = placed.reduce((sum, p) => sum + p[0] * p[1], 0);
    assert.ok(variance(0) >= variance(1));
    close(covariance / variance(0), 0, 1e-4);
    close(plane.explained[0] + plane.explained[1], 1, 0.01);
    close(
      plane.explained[0] / plane.explained[1],
      variance(0) / variance(1),
      1e-3 * (variance(0) / variance(1)),
    );
  }
});

test("another temperature lies on the same axes: what does not move keeps its place", () => {
  const next = random(5);
  const before = Array.from({ length: 10 }, () => Float32Array.from({ length: 24 }, next));
  const plane = principalPlane(before);
  const after = before.map((vector, i) => (i === 4 ? vector.map((v) => v + 0.3) : vector.slice()));
  after.forEach((vector, i) => {
    const [x, y] = plane.place(vector);
    const [a, b] = plane.place(before[i]);
    if (i !== 4) assert.deepEqual([x, y], [a, b]);
  });
  assert.notDeepEqual(plane.place(after[4]), plane.place(before[4]));
});

test("one text, equal texts and no texts have a plane without NaN", () => {
  const one = Float32Array.of(0.6, 0.8);
  for (const vectors of [[one], [one, one, one], []]) {
    const plane = principalPlane(vectors);
    assert.deepEqual(plane.explained, [0, 0]);
    assert.deepEqual(
      plane.place(one).map((v) => v || 0),
      [0, 0],
    );
  }
});

test("mean cosine, neighbours, trend", () => {
  const vectors = [
    [1, 0],
    [0.6, 0.8],
    [0, 1],
    [0.6, 0.8],
  ].map((v) => Float32Array.from(v));
  const similarity = cosines(vectors);
  close(meanCosine(similarity, [0, 1, 2]), (0.6 + 0 + 0.8) / 3, 1e-6);
  close(meanCosine(similarity, [0], [0, 1, 2]), 0.3, 1e-6);
  assert.equal(meanCosine(similarity, [2]), undefined);
  assert.deepEqual(
    neighbors(similarity, 0).map(([other]) => other),
    [1, 3, 2],
  );
  const line = trend([1, 2, 3], [2, 4, 6.3]);
  close(line.slope, 2.15, 1e-9);
  close(line.at(2), 4.1, 1e-9);
  assert.equal(trend([2, 2], [1, 5]), undefined);
});

test("short and long part at the widest gap, or not at all", () => {
  close(lengthSplit([12, 250, 14, 240]), Math.sqrt(14 * 240), 1e-9);
  assert.equal(lengthSplit([100, 120, 140]), undefined);
  assert.equal(lengthSplit([5]), undefined);
  assert.equal(lengthSplit([]), undefined);
});

test("temperatures are written as the command line reads them", () => {
  assert.equal(written({ kind: "yarn", value: 64 }), "yarn:64");
  assert.equal(asJson({ kind: "constant", value: 0.8 }), 0.8);
  for (const text of ["0.8", "1", "log:32", "ssmax:0.43"]) assert.equal(written(parsed(text)), text);
  for (const text of ["match:x", "", "0", "log:", "-1"]) assert.equal(parsed(text), undefined, text);
  for (const [kind, { values, start }] of Object.entries(KINDS)) {
    assert.ok(values.includes(start), kind);
    values.forEach((value, i) => assert.equal(position({ kind, value }), i));
  }
  assert.ok(KINDS.constant.values.includes(1));
  assert.equal(spoken({ kind: "constant", value: 1 }), "temperature 1, the model as trained");
});

test("files are read as the program reads them", () => {
  assert.deepEqual(textsOf("a.TXT", "\ufeffone\r\ntwo\n\n"), ["one", "two"]);
  assert.deepEqual(textsOf("a.txt", "one\rtwo"), ["one", "two"]);
  assert.deepEqual(textsOf("a.jsonl", '{"title": "T", "text": "x"}\n\n"y"\n'), ["T x", "y"]);
  assert.deepEqual(textsOf("a.csv", 'text\n"a ""b"", c"\nd\n'), ['a "b", c', "d"]);
  assert.deepEqual(textsOf("a.tsv", "id\ttext\n1\tx y\n"), ["x y"]);
  assert.throws(() => textsOf("a.csv", "a,b\n1,2\n"), /no column "text"; there are: a, b/);
  assert.throws(() => textsOf("a.csv", "id,text\n1,x,too many\n"), /line 2/);
  assert.throws(() => textsOf("a.jsonl", '{"text": 7}'), /line 1: .*there are: text/);
});

test("a part that fits is spread over the whole file", () => {
  const texts = Array.from({ length: 100 }, (_, i) => `text ${i}`.padEnd(97, "é"));
  const kept = fitting(texts, 4_000);
  const bytes = new TextEncoder().encode(JSON.stringify(kept)).length;
  assert.ok(bytes <= 4_000 && bytes > 2_000, `${bytes}`);
  assert.ok(kept[kept.length - 1].startsWith("text 9"));
  assert.deepEqual(fitting(texts, 1e9), texts);
  assert.deepEqual(
    fitting(texts, 1e9, 30),
    texts.filter((_, i) => i % 4 === 0),
  );
  assert.deepEqual(fitting(["x".repeat(100)], 50), []);
});
