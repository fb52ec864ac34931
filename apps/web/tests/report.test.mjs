/**
 * The page of reports in Chromium, as a reader gets it: from disk, offline. Environment: TREBLE (the program),
 * MAKE_PAGE (tests/browser/make_page.cc), MODEL (a model folder), TEXTS (prints texts as JSONL), CHROMIUM
 * (/usr/bin/chromium); REAL_ONLY=1 leaves the made-up reports out.
 */
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import {
  assertAccessible,
  assertDrawn,
  launch,
  minContrast,
  openTables,
  overflow,
  twoFrames,
} from "./browser.mjs";
import {
  classReport,
  collapseModelReport,
  passkeyReport,
  perplexityReport,
  HOSTILE,
  inspectReport,
  spoiled,
  stateReport,
  sweepReport,
  tokenReport,
} from "./fixtures.mjs";

const { TREBLE, MAKE_PAGE, MODEL, TEXTS, REAL_ONLY } = process.env;
const madeUp = { skip: REAL_ONLY ? "only real reports" : false };

let folder;
let browser;
/** Made while the first cases run. */
let reports;
async function real(name) {
  await reports;
  return path.join(folder, `${name}.html`);
}

/** One browser for all cases. The program writes its reports meanwhile; cases that need one wait for it. */
async function start() {
  folder = mkdtempSync(path.join(tmpdir(), "treble-report-"));
  reports = makeRealReports();
  // Reported to the cases that wait for it.
  reports.catch(() => {});
  browser = await launch();
}

async function stop() {
  await browser?.close();
  await reports?.catch(() => {});
  if (folder) rmSync(folder, { recursive: true, force: true });
}

const run = promisify(execFile);

/** `treble COMMAND TEXTS … --html NAME.html` */
async function writeReport(name, command, texts, ...options) {
  const html = path.join(folder, `${name}.html`);
  await run(TREBLE, [command, texts, ...options, "--model", MODEL, "--html", html, "--force"], {
    cwd: folder,
    timeout: 400_000,
    maxBuffer: 1 << 26,
  });
}

const QUICK = ["--bootstrap", "100", "--sample"];
const INSPECT = [...QUICK, "12", "--bucket-edges", "16,32,64", "--cut-lengths", "16,32,48", "-t", "0.8"];
const SWEEP = [...QUICK, "60", "--unlabelled", "--bucket-edges", "64", "-t", "0.8", "-t", "0.5"];

/** A file of numpy: rows of float64. */
function npy(rows) {
  const shape = `(${rows.length}, ${rows[0].length})`;
  const text = `{'descr': '<f8', 'fortran_order': False, 'shape': ${shape}, }`;
  const header = `${text.padEnd(117)}\n`;
  const start = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, header.length, 0]);
  return Buffer.concat([start, Buffer.from(header), Buffer.from(Float64Array.from(rows.flat()).buffer)]);
}

/** `treble collapse-model` on four classes of ten. */
async function writeCollapseModel() {
  const rows = Array.from({ length: 40 }, (_, b) =>
    Array.from(
      { length: 10 },
      (_, a) => Math.sin(0.7 * (a + 1) * (b + 1)) + (a === Math.floor(b / 10) ? 1 : 0),
    ),
  );
  writeFileSync(path.join(folder, "vectors.npy"), npy(rows));
  writeFileSync(path.join(folder, "classes.txt"), rows.map((_, b) => `${Math.floor(b / 10)}\n`).join(""));
  const asked = ["--beta", "0.1,1,10,100", "--flow", "1,10,100", "--lambda-w", "0.05", "--lambda-h", "0.01"];
  const html = path.join(folder, "collapse.html");
  await run(TREBLE, ["collapse-model", "vectors.npy", "--labels", "classes.txt", ...asked, "--html", html], {
    cwd: folder,
  });
}

/** `treble passkey` on the small trained model. */
async function writePasskey() {
  const model = path.resolve(import.meta.dirname, "../../../tests/data/state-passkey/model");
  const asked = ["--lengths", "128,512,1024", "--samples", "20", "--state", "window:256"];
  await run(TREBLE, ["passkey", "--model", model, ...asked, "--html", path.join(folder, "passkey.html")]);
}

/** What the program itself writes, of real texts. */
async function makeRealReports() {
  const { stdout } = await run("python3", [TEXTS, "--limit", "240"], { maxBuffer: 1 << 26 });
  const lines = stdout.trim().split("\n");
  const write = (name, text) => writeFileSync(path.join(folder, name), text);
  write("all.jsonl", stdout);
  // Classes by the first letter, some of long names; some texts have none. Those that say what a broken plot says are
  // left out.
  const harmless = lines.filter((line) => !/NaN|undefined|Infinity|null|\[object/.test(line));
  const labelled = harmless.slice(0, 160).map((line, i) => {
    const { text } = JSON.parse(line);
    const label =
      i % 20 === 7 ? null : `${"a class of a long name ".repeat(i % 3)}${text.charCodeAt(0) % 10}`;
    return JSON.stringify({ text, label });
  });
  write("labelled.jsonl", `${labelled.join("\n")}\n`);
  write("queries.txt", "open a file\nparse a date\nsend a message\n");
  for (const count of [0, 1, 2])
    write(`${count}.jsonl`, lines.slice(0, count).join("\n") + (count ? "\n" : ""));
  await Promise.all([
    writeReport("inspect", "inspect", "all.jsonl", ...INSPECT, "-t", "log:16", "--queries", "queries.txt"),
    writeReport("sweep", "sweep", "all.jsonl", ...SWEEP),
    writeReport("labels", "inspect", "labelled.jsonl", ...INSPECT, "--labels", "label"),
    writeCollapseModel(),
    writePasskey(),
    ...[0, 1, 2].map((count) => writeReport(`few${count}`, "inspect", `${count}.jsonl`, ...INSPECT)),
  ]);
}

let made = 0;
/** Files with the pages of `reports`. */
function pagesOf(reports) {
  const out = path.join(folder, `made-${++made}`);
  mkdirSync(out);
  execFileSync(MAKE_PAGE, [out], { input: reports.map((report) => `${JSON.stringify(report)}\n`).join("") });
  return reports.map((_, index) => path.join(out, `${index + 1}.html`));
}
const pageOf = (report) => pagesOf([report])[0];

/** Moves the pointer to a mark. Scrolling there comes first, as its event is late and hides the tip. */
async function point(page, mark) {
  await mark.scrollIntoViewIfNeeded();
  await twoFrames(page);
  await mark.hover({ force: true });
}

/** Opens `file` offline; `check` gets the page. Fails on any request but the file, message, error or dialog. */
async function open(file, { width = 1200, colorScheme = "light", reducedMotion = "reduce" }, check) {
  const context = await browser.newContext({
    viewport: { width, height: 900 },
    colorScheme,
    reducedMotion,
    offline: true,
  });
  const complaints = [];
  try {
    const page = await context.newPage();
    const url = pathToFileURL(file).href;
    page.on("request", (request) => {
      if (request.url() !== url && !request.url().startsWith("data:"))
        complaints.push(`request: ${request.url()}`);
    });
    page.on("console", (message) => complaints.push(`console: ${message.text()}`));
    page.on("pageerror", (error) => complaints.push(`error: ${error.stack}`));
    page.on("dialog", (dialog) => {
      complaints.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    await page.goto(url);
    await page.waitForSelector("main h1");
    // Plots are drawn when the boxes know their width.
    await twoFrames(page);
    await check(page);
  } finally {
    await context.close();
  }
  assert.deepEqual(complaints, [], file);
}

// Two at a time: each case has a browser context of its own.
describe("the page of reports", { concurrency: 2 }, () => {
  before(start);
  after(stop);

  // The longest come first, as they need no report of the program.
  /** In the page: puts another report in its place and runs its script anew, as a load of a file does but quicker. */
  const runAnew = (json) => {
    document.getElementById("report").textContent = json;
    const shown = document.getElementById("page");
    shown.replaceChildren();
    document.querySelector(".tip")?.remove();
    const script = document.createElement("script");
    script.type = "module";
    script.textContent = document.querySelector('script[type="module"]').textContent;
    return new Promise((done) => {
      new MutationObserver((_, observer) => {
        observer.disconnect();
        script.remove();
        done();
      }).observe(shown, { childList: true });
      document.body.append(script);
    });
  };

  /** In the page, once its plots are drawn, which is in the next frame: what no reader should see, or nothing. */
  const brokenPart = () => {
    const search = () => {
      const plots = [...document.querySelectorAll(".plot")].map((plot) => plot.innerHTML);
      const text = [document.querySelector("#page").textContent, ...plots].join(" ");
      if (!document.querySelector("#page h1")) return `no page: ${text}`;
      return /.{0,80}(NaN|undefined|Infinity|\[object|null|cannot be shown).{0,80}/.exec(text)?.[0];
    };
    return new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(search()))));
  };

  /** Shows small reports, one after another, and fails where a reader would see what none should. */
  async function assertStanding(reports) {
    const files = pagesOf(reports.map(([, report]) => report));
    const context = await browser.newContext({ offline: true, viewport: { width: 600, height: 100 } });
    const page = await context.newPage();
    const errors = [];
    page.on("pageerror", (error) => errors.push(error.stack));
    page.on("console", (message) => errors.push(message.text()));
    await page.goto(pathToFileURL(files[0]).href);
    for (const [index, [what]] of reports.entries()) {
      const [, json] = /<script type="application\/json" id="report">(.*?)<\/script>/s.exec(
        readFileSync(files[index], "utf8"),
      );
      await page.evaluate(runAnew, json);
      const broken = await page.evaluate(brokenPart);
      assert.deepEqual([what, broken, errors], [what, undefined, []]);
    }
    await context.close();
  }
  const SMALL = { count: 6, settings: ["1", "0.8"], layers: [0, 1] };

  const inspects = [...spoiled((change) => inspectReport({ ...SMALL, change }))];
  const lists = inspects.filter(([what]) => /empty|of nulls/.test(what));

  test("whatever is missing or null, the page of inspect stands", madeUp, async () => {
    const missing = inspects.filter((one) => !lists.includes(one));
    assert.ok(missing.length >= 40);
    await assertStanding(missing);
  });

  test("whatever is empty or a list of nulls, the page of inspect stands", madeUp, async () => {
    const oneBucket = (report) => (report.buckets = report.buckets.slice(0, 1));
    assert.ok(lists.length >= 20);
    await assertStanding([...lists, ["one bucket", inspectReport({ ...SMALL, change: oneBucket })]]);
  });

  test("whatever is missing, the page of sweep stands", madeUp, async () => {
    const reports = [...spoiled(sweepReport)];
    assert.ok(reports.length > 30);
    await assertStanding(reports);
  });

  test("whatever is missing of classes, or of the near-features model, the pages stand", madeUp, async () => {
    const withClasses = (classes) =>
      inspectReport({ ...SMALL, change: (report) => (report.classes = classes) });
    const reports = [];
    for (const [key, value] of Object.entries(classReport())) {
      const others = Array.isArray(value) ? [[], value.map(() => null)] : [];
      for (const other of [undefined, null, ...others]) {
        reports.push([`${key}: ${JSON.stringify(other)}`, withClasses({ ...classReport(), [key]: other })]);
      }
    }
    const unset = (estimate) => ({
      ...estimate,
      reason: "too few",
      nc1: null,
      nc1_traces: null,
      accuracy: null,
    });
    const nothing = { ...classReport(), estimates: classReport().estimates.map(unset) };
    const one = classReport({ settings: ["1"], labels: ["a"], count: 1 });
    reports.push(["nothing measured", withClasses(nothing)], ["one text", withClasses(one)]);
    assert.ok(reports.length >= 25);
    await assertStanding([...reports, ...spoiled(collapseModelReport)]);
  });

  test("whatever is missing of passkeys and perplexities, the pages stand", madeUp, async () => {
    await assertStanding([...spoiled(passkeyReport), ...spoiled(perplexityReport)]);
  });

  test("passkeys: a map for each control, a verdict, numbers", async () => {
    await open(await real("passkey"), {}, async (page) => {
      await assertDrawn(page, 2);
      const text = await page.innerText("main");
      assert.match(text, /As trained the model finds nine keys of ten in prompts of up to 128 tokens\./);
      assert.match(text, /the best control, window:256/);
      assert.doesNotMatch(text, /NaN|undefined|Infinity|\[object/);
      assert.equal(await page.locator("section").first().locator("rect.cell").count(), 30);
      await page.locator("details.numbers summary").first().click();
      await openTables(page);
      assert.match(await page.locator("details.numbers table").first().innerText(), /128 tokens.*from 0.%/s);
    });
  });

  /** A report of a model with states. */
  const withStates = (states, settings = ["none", "window:128"]) =>
    inspectReport({
      ...SMALL,
      settings,
      change: (report) =>
        Object.assign(report, { attention: [], num_temperatures: 0, num_states: settings.length, states }),
    });

  test("whatever is missing of states, the page stands", madeUp, async () => {
    const reports = [["no states", withStates(null)]];
    for (const [key, value] of Object.entries(stateReport())) {
      const others = Array.isArray(value) ? [[], value.map(() => null)] : [];
      for (const other of [undefined, null, ...others]) {
        reports.push([`${key}: ${JSON.stringify(other)}`, withStates({ ...stateReport(), [key]: other })]);
      }
    }
    const bare = ({ setting, layer, head }) => ({ setting, layer, head, growth: null });
    reports.push(["curves gone", withStates({ ...stateReport(), heads: stateReport().heads.map(bare) })]);
    assert.ok(reports.length >= 25);
    await assertStanding(reports);
  });

  test("states over position: growth by layer, the training length, one head at a time", madeUp, async () => {
    const many = withStates(stateReport({ layers: 24, heads: 4 }));
    const [few, large] = pagesOf([withStates(stateReport()), many]);
    await open(few, {}, async (page) => {
      await assertDrawn(page, 10);
      const text = await page.innerText("main");
      assert.match(
        text,
        /none: collapse from token 448 on, up to 225 times; window:128: no collapse, at most 1.25 times/,
      );
      assert.match(text, /Training length\s+128 tokens \(asked for\)/);
      assert.doesNotMatch(
        text,
        /What attention lets through|How widely attention spreads|NaN|undefined|Infinity/,
      );
      const growth = page.locator("section", {
        has: page.getByText("Do states grow beyond the training length?"),
      });
      assert.equal(await growth.locator("figure").count(), 2, "a panel a setting");
      assert.equal(await growth.locator("svg .line:not(.swatch .line)").count(), 2 * 3, "a line a layer");
      assert.equal(await growth.locator("figure line.reference").count(), 2, "the training length in both");
      const places = await growth
        .locator("figure line.reference")
        .evaluateAll((all) =>
          all.map((line) => [
            line.getAttribute("x1") === line.getAttribute("x2"),
            Number(line.getAttribute("x1")),
          ]),
        );
      assert.ok(places.every(([upright, x]) => upright && x > 40));
      await point(page, growth.locator("figure").first().locator(".mark").last());
      assert.match(
        await page.textContent(".tip"),
        /none, layer \d, head 0, [\d,]+ tokens: variance .*times its maximum within/,
      );
      const one = page.locator("section", { has: page.getByText("The state of one head") });
      assert.equal(await one.locator("figure").count(), 4, "variance, rms, mean, retention");
      assert.match(
        await one.locator("svg[role=group]").first().getAttribute("aria-label"),
        /layer 0, head 0/,
      );
      await one.locator("select").selectOption({ label: "layer 2, head 1" });
      await twoFrames(page);
      assert.match(
        await one.locator("svg[role=group]").first().getAttribute("aria-label"),
        /layer 2, head 1/,
      );
      await assertDrawn(page, 10);
      await assertAccessible(page);
      await openTables(page);
      assert.equal(await growth.locator("tbody tr").count(), 2 * 3);
      assert.match(await growth.locator("tbody").innerText(), /448/);
      assert.ok((await minContrast(page)).ratio >= 4.5);
    });
    await open(large, { width: 360, colorScheme: "dark" }, async (page) => {
      await assertDrawn(page, 10);
      assert.ok((await overflow(page)) <= 0);
      assert.equal(await page.locator(".picker option").count(), 24, "the worst head of each layer");
    });
  });

  /** A report of a model that gives a vector for each token: nothing of dense vectors. */
  const withTokens = (token_vectors, settings = ["1", "0.8"]) =>
    inspectReport({
      ...SMALL,
      settings,
      change: (report) =>
        Object.assign(report, {
          token_vectors,
          bucket_cosine: [],
          bucket_matrix: [],
          cut_cosine: [],
          geometry: [],
          hubness: { k: 10, buckets: [] },
          query_length_slope: null,
          map: { explained: [], texts: [] },
        }),
    });

  test("whatever is missing of token vectors, the page stands", madeUp, async () => {
    const reports = [];
    for (const [key, value] of Object.entries(tokenReport())) {
      const others = Array.isArray(value) ? [[], value.map(() => null), value.map(() => [null])] : [];
      for (const other of [undefined, null, ...others]) {
        reports.push([`${key}: ${JSON.stringify(other)}`, withTokens({ ...tokenReport(), [key]: other })]);
      }
    }
    assert.ok(reports.length >= 25);
    await assertStanding(reports);
  });

  test("token vectors: within texts, as MaxSim sees them, cut, and their spread", madeUp, async () => {
    await open(pageOf(withTokens(tokenReport())), {}, async (page) => {
      await assertDrawn(page, 5);
      const text = await page.innerText("main");
      assert.match(text, /Mean cosine within short texts\s+0\.300/);
      assert.match(text, /one for each token, 128 dimensions, of texts read as documents/);
      assert.match(text, /How alike are the token vectors of a text\?/);
      assert.match(text, /τ\s=\s1: 0\.300 → 0\.450 \(\+0\.150\)/);
      assert.match(text, /the query for 32 others of its length at most, drawn at random \(seed 1\)/);
      assert.doesNotMatch(text, /How alike are texts of one length|Short against long|found too often/);
      assert.doesNotMatch(text, /NaN|undefined|Infinity|\[object/);
      const spread = page.locator("section", { has: page.getByText("carry the token vectors?") });
      await spread.locator("summary").click();
      await openTables(page);
      assert.match(await spread.locator("tbody").innerText(), /60\.0, 0\.240\s+61\.0, 0\.240\s+3,200/);
      await assertAccessible(page);
      assert.ok((await minContrast(page)).ratio >= 4.5);
    });
  });

  test("a real report is whole: nothing is fetched, every plot is drawn, explained and given as a table", async () => {
    await open(await real("inspect"), { reducedMotion: "no-preference" }, async (page) => {
      await assertDrawn(page, 18);
      assert.match(await page.textContent(".verdict"), /tokens|texts/);
      assert.match(await page.textContent(".facts"), /Truncated texts.*Sample.*seed 1/s);
      const sections = await page.locator("section").count();
      assert.equal(sections, 11);
      assert.equal(await page.locator("section .how p").count(), sections);
      assert.equal(await page.locator("section details.numbers").count(), sections);
      for (const summary of await page.locator("details.numbers summary").all()) await summary.click();
      // A table is made when its summary is opened, which the browser tells the page a moment later.
      await openTables(page);
      const rows = await page.$$eval("details.numbers", (all) =>
        all.map((d) => d.querySelectorAll("tbody tr").length),
      );
      assert.ok(
        rows.every((count) => count > 0),
        `rows: ${rows}`,
      );
      assert.doesNotMatch(await page.innerText("main"), /NaN|undefined|Infinity|\[object/);
      const headings = await page.$$eval("h1, h2, h3, h4", (all) => all.map((h) => Number(h.tagName[1])));
      assert.ok(
        headings.every((level, i) => i === 0 || level <= headings[i - 1] + 1),
        `headings: ${headings}`,
      );
    });
  });

  test("labelled texts: classes by layer, temperature and length, and a map of them", async () => {
    await open(await real("labels"), {}, async (page) => {
      await assertDrawn(page, 30);
      const text = await page.innerText("main");
      assert.match(
        text,
        /How far have classes drawn together, layer by layer\?\s+Classes: \d+ labelled texts of/,
      );
      assert.match(text, /What temperature does to classes/);
      assert.match(text, /Classes by length/);
      assert.match(text, /8 texts without one \(labelled\.jsonl:8, /);
      assert.doesNotMatch(text, /NaN|undefined|Infinity|\[object/);
      const map = page.locator(".classmap");
      assert.equal(await map.locator(".legend .key").count(), 9, "eight classes and the others");
      assert.match(
        await map.locator(".legend").innerText(),
        /grey: \d+ other classes?; the 8 largest have colours/,
      );
      const places = () =>
        page.$$eval(".classmap .map .mark", (all) => all.map((one) => one.getAttribute("transform")).join());
      const untouched = await places();
      await map.locator(".choice input").nth(1).check({ force: true });
      assert.notEqual(await places(), untouched);
      await point(page, map.locator(".map .mark").last());
      assert.match(await page.textContent(".tip"), /\d: .*, \d+ tokens$/s);
      await openTables(page);
      const rows = await page.$$eval("table", (all) =>
        all
          .filter((table) => table.caption.textContent.startsWith("Classes by layer"))
          .map((table) => table.tBodies[0].rows.length),
      );
      assert.equal(rows.length, 1);
      assert.ok(rows[0] >= 2 * 4, "two temperatures, two layers at least, embeddings and final vectors");
    });
  });

  test("the near-features model: minimisers, flow and first order", async () => {
    await open(await real("collapse"), {}, async (page) => {
      await assertDrawn(page, 8);
      const text = await page.innerText("main");
      assert.match(text, /With β = 0\.1 classes are 1\.76 times as tight as given/);
      assert.match(text, /ÑC1, given\s+5\.7279/);
      assert.doesNotMatch(text, /NaN|undefined|Infinity|\[object/);
      assert.equal(await page.locator("section").count(), 3);
      await openTables(page);
      const rows = await page.$$eval("table tbody tr", (all) =>
        all.map((row) => [...row.cells].map((cell) => cell.textContent).join("|")),
      );
      assert.ok(
        rows.some((row) => row.startsWith("β = 1|") && row.includes("|4.916972|")),
        rows.join("\n"),
      );
      assert.ok(
        rows.some((row) => row.startsWith("t = 100|") && row.includes("|0.364305|")),
        rows.join("\n"),
      );
    });
  });

  test("the policy forbids everything from outside", async () => {
    const html = readFileSync(await real("inspect"), "utf8");
    const policy = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(html)?.[1] ?? "";
    assert.match(policy, /default-src 'none'/);
    assert.doesNotMatch(policy, /unsafe|\*|https?:/);
    assert.doesNotMatch(
      html.replace(/<script type="application\/json"[\s\S]*/, ""),
      /<(link|script|img)[^>]+(src|href)="(?!data:)/,
    );
  });

  test("points speak under the pointer, and the map reads a text", async () => {
    await open(await real("inspect"), {}, async (page) => {
      await point(page, page.locator(".plot svg .mark").first());
      const pointed = await page.locator(".mark.hover").getAttribute("aria-label");
      assert.match(pointed, /^τ\s=\s.* tokens: mean cosine 0\.\d+ \[/);
      assert.equal(await page.textContent(".tip"), pointed);
      assert.ok(await page.isVisible(".tip"));
      await page.keyboard.press("Escape");
      assert.ok(!(await page.isVisible(".tip")));
      await point(page, page.locator(".map .mark").nth(5));
      assert.match(await page.textContent(".tip"), /tokens: /);
      assert.match(await page.textContent(".reading"), /\d tokens/);
    });
  });

  test("a click and the keyboard choose a text and list its neighbours at each setting", async () => {
    await open(await real("inspect"), {}, async (page) => {
      await page.locator(".map .mark").nth(7).click({ force: true });
      assert.equal(await page.locator(".lists-of .list").count(), 3);
      const counts = await page.$$eval(".lists-of ol", (all) => all.map((list) => list.children.length));
      assert.deepEqual(counts, [10, 10, 10]);
      const clicked = await page.textContent(".lists h3");

      await page.locator('.map .mark[tabindex="0"]').focus();
      const before = await page.evaluate(() => document.activeElement.getAttribute("aria-label"));
      for (const key of ["ArrowRight", "ArrowUp", "ArrowLeft", "ArrowDown", "ArrowRight"])
        await page.keyboard.press(key);
      const moved = await page.evaluate(() => document.activeElement.getAttribute("aria-label"));
      assert.notEqual(moved, before);
      assert.equal(await page.textContent(".tip"), moved);
      await page.keyboard.press("Enter");
      assert.notEqual(await page.textContent(".lists h3"), clicked);
      assert.equal(await page.locator(".map .rings .chosen").count(), 1);
      assert.equal(await page.locator('.map .mark[aria-pressed="true"]').count(), 1);

      await page.locator(".lists-of .neighbor").first().press("Enter");
      await page.fill(".finder input", "file");
      assert.ok((await page.locator(".matches .neighbor").count()) > 0);
      await page.locator(".matches .neighbor").first().click();
      assert.equal(await page.locator(".lists-of .list").count(), 3);
    });
  });

  test("arrow keys walk a line, focus is visible, a plot is one stop of the tab key", async () => {
    await open(await real("inspect"), {}, async (page) => {
      const plot = page.locator(".plot svg").first();
      assert.equal(await plot.locator('.mark[tabindex="0"]').count(), 1);
      await plot.locator('.mark[tabindex="0"]').focus();
      const label = () => page.evaluate(() => document.activeElement.getAttribute("aria-label"));
      const first = await label();
      await page.keyboard.press("ArrowRight");
      const second = await label();
      assert.notEqual(first, second);
      assert.equal(first.split(",")[0], second.split(",")[0], "left and right stay on a line");
      const stroke = await page.evaluate(() => getComputedStyle(document.activeElement).strokeWidth);
      assert.equal(stroke, "3px");
      assert.equal(
        await page.evaluate(() => getComputedStyle(document.documentElement).scrollBehavior),
        "auto",
      );
    });
  });

  test("the legend hides a setting in all plots, and the map changes its setting", async () => {
    await open(await real("inspect"), {}, async (page) => {
      const shown = () =>
        page.$$eval(".plot .s1", (all) => all.filter((g) => g.getClientRects().length > 0).length);
      assert.ok((await shown()) > 0);
      await page.locator('.legend button[data-setting="1"]').first().click();
      assert.equal(await shown(), 0);
      assert.equal(await page.locator('.legend button[data-setting="1"][aria-pressed="true"]').count(), 0);
      await page.setViewportSize({ width: 700, height: 900 });
      await page.waitForTimeout(100);
      assert.equal(await shown(), 0, "hidden after it was drawn anew");
      const at = () => page.$$eval(".map .mark", (all) => all.map((c) => c.getAttribute("cx")).join());
      const untouched = await at();
      await page.locator(".choice input").nth(1).check({ force: true });
      assert.notEqual(await at(), untouched);
    });
  });

  const ground = (page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);

  for (const colorScheme of ["light", "dark"]) {
    test(`${colorScheme} can be read, by eye and by program`, async () => {
      for (const name of ["inspect", "sweep", "labels", "collapse", "passkey"]) {
        await open(await real(name), { colorScheme }, async (page) => {
          if (name === "inspect") await page.locator(".map .mark").first().click({ force: true });
          await openTables(page);
          const min = await minContrast(page);
          assert.ok(min.ratio >= 4.5, `${colorScheme}: ${JSON.stringify(min)}`);
          await assertAccessible(page);
        });
      }
    });
  }

  test("letters on a heat map can be read at every strength of its colour", madeUp, async () => {
    const settings = ["1", "0.95", "0.9", "0.85", "0.8", "0.7", "0.6"]; // 16 cells each: all percentages on one scale
    const change = (report) => {
      report.bucket_matrix = settings.map((_, s) =>
        report.buckets.map((_, a) => report.buckets.map((_, b) => (16 * s + 4 * a + b) / 111)),
      );
    };
    for (const colorScheme of ["light", "dark"]) {
      await open(pageOf(inspectReport({ settings, change })), { colorScheme }, async (page) => {
        assert.equal(await page.locator("text.in-cell").count(), 16 * settings.length);
        const min = await minContrast(page);
        assert.ok(min.ratio >= 4.5, `${colorScheme}: ${JSON.stringify(min)}`);
      });
    }
  });

  test("light and dark differ, by the system and by the switch", async () => {
    const grounds = {};
    for (const colorScheme of ["light", "dark"]) {
      await open(
        await real("inspect"),
        { colorScheme },
        async (page) => (grounds[colorScheme] = await ground(page)),
      );
    }
    assert.notEqual(grounds.light, grounds.dark);
    await open(await real("inspect"), { colorScheme: "light" }, async (page) => {
      await page.locator('.scheme input[value="dark"]').check({ force: true });
      assert.equal(await ground(page), grounds.dark);
      await page.locator('.scheme input[value="light"]').check({ force: true });
      assert.equal(await ground(page), grounds.light);
    });
  });

  test("a phone of 360 px shows everything without sideways scrolling", async () => {
    for (const name of ["inspect", "sweep", "labels", "collapse", "passkey"]) {
      await open(await real(name), { width: 360 }, async (page) => {
        assert.ok((await overflow(page)) <= 0);
        if (name === "inspect") await page.locator(".map .mark").first().click({ force: true });
        await openTables(page);
        assert.ok((await overflow(page)) <= 0, "with everything open");
        await assertDrawn(page, 1);
        if (name === "inspect") await assertAccessible(page);
      });
    }
  });

  test("no text, one text and two texts get sentences in place of empty plots", async () => {
    for (const count of [0, 1, 2]) {
      await open(await real(`few${count}`), {}, async (page) => {
        await assertDrawn(page, 0);
        const missing = await page.locator(".missing").count();
        // No text shows nothing. One alone has its place on the map and its layers, and lacks what takes two.
        assert.equal(
          missing,
          [10, 5, 0][count],
          `${count} texts: ${missing} sections say why they are empty`,
        );
        assert.doesNotMatch(await page.innerText("main"), /NaN|undefined|Infinity|\[object/);
      });
    }
  });

  test("a real sweep", async () => {
    await open(await real("sweep"), {}, async (page) => {
      assert.match(await page.textContent(".claim"), /, by a proxy: .* points of nDCG@10/);
      assert.match(await page.textContent(".verdict"), /A proxy without labels .*so no proof\./);
      // Gains on all data, and at each length with items enough: one of them at least.
      await assertDrawn(page, 2);
      assert.equal(await page.locator("section").count(), 5);
      assert.match(
        await page.textContent(".run pre"),
        /^treble embed --model \S+ texts\.jsonl -o texts\.npy$/,
      );
      assert.ok((await page.locator(".gauge").count()) >= 3);
    });
  });

  test("a sweep of settings that are no temperatures", madeUp, async () => {
    await open(pageOf(sweepReport()), {}, async (page) => {
      await assertDrawn(page, 3);
      const text = await page.innerText("main");
      assert.match(text, /τ\s=\s0\.9(?! \+)/);
      assert.match(text, /τ\s=\slog:128/);
      assert.match(text, /centring/);
      assert.doesNotMatch(text, /τ\s=\s(centring|0\.9 \+)/);
      const marks = await page.$$eval(".plot svg", (all) =>
        all.map((plot) => plot.querySelectorAll(".mark").length),
      );
      assert.deepEqual(
        marks,
        [5, 6, 4, 4],
        "held out and four settings; all together and five answers of three ways; four settings at each length with items enough",
      );
      assert.match(text, /1 length has fewer than 10 items and no plot/);
      assert.match(text, /A clear gain: τ\s=\s0\.9 at 65–130 and 129–258 tokens; centring at/);
    });
  });

  test("a sweep says how it compared and what its data lacks", madeUp, async () => {
    await open(pageOf(sweepReport()), {}, async (page) => {
      const text = await page.innerText("main");
      assert.match(text, /Similarity\s+dot/);
      assert.match(
        text,
        /Computed\s+weights 53aa51172d14, int8 on AVX2, up to 2,048 tokens, positions by recur/,
      );
      assert.match(text, /2, dealt once, seed 1; 1,000 resamples for the intervals/);
      assert.match(text, /Query prompt\s+“query: ” \(query\)/);
      assert.doesNotMatch(text, /Document prompt/);
      assert.match(text, /300; .*; 7 more with nothing to find stand apart/);
      assert.match(text, /On the data\s+7 of 307 judged queries/);
      assert.match(text, /2 judged documents are not in the corpus/);
    });
  });

  test("a sweep says what is never read, what to run and what each way is worth", madeUp, async () => {
    await open(pageOf(sweepReport()), {}, async (page) => {
      const text = await page.innerText("main");
      assert.match(text, /300; 4 of them look for what is not in the corpus; 7 more/);
      assert.match(text, /Documents cut\s+2,100 of 5,183; 20\s%\s*of all their tokens are never read/);
      assert.doesNotMatch(text, /Queries cut/);
      assert.match(
        await page.textContent(".run"),
        /never read by the untouched model: try --post chunk-mean:256\./,
      );
      assert.match(
        await page.textContent(".run pre"),
        /^treble embed .* corpus\.npy\ntreble embed .* queries\.npy$/,
      );
      assert.match(text, /Which of the ways is it\?/);
      await openTables(page);
      const rows = await page.$$eval("table tbody tr", (all) =>
        all.map((row) => [...row.cells].map((cell) => cell.textContent).join("|")),
      );
      assert.ok(
        rows.some((row) => /^τ\s=\s0\.9\|0\.8100\|.*\|\+1\.3\s%\|101 \/ 80\|20\s%$/.test(row)),
        rows.join("\n"),
      );
      assert.ok(
        rows.some((row) => /^reading further\|1\|.*\|never chosen$/.test(row)),
        rows.join("\n"),
      );
      assert.ok(
        rows.some((row) => row.startsWith("pieces and fitted steps|0|–|")),
        rows.join("\n"),
      );
    });
  });

  test("long names of settings stay whole and apart on a phone", madeUp, async () => {
    const names = [
      "1",
      ...["0.9", "0.8"].flatMap((t) => ["256", "512"].map((n) => `${t} + chunk-mean:256 + max-length:${n}`)),
    ];
    const change = (report) => names.forEach((name, s) => (report.settings[s].name = name));
    for (const width of [360, 1280]) {
      await open(pageOf(sweepReport(change)), { width }, async (page) => {
        await assertDrawn(page, 4);
        assert.ok((await overflow(page)) <= 0);
        const plots = await page.$$eval(".plot svg", (all) =>
          all.map((plot) => [...plot.querySelectorAll("text.name")].map((text) => text.textContent)),
        );
        for (const name of names.slice(1)) {
          const found = plots.filter((of) => of.includes(name)).length;
          assert.equal(found, 3, `${name} at ${width} px: ${JSON.stringify(plots)}`);
        }
        const outside = await page.$$eval(
          ".plot svg text.name",
          (all) =>
            all.filter((text) => {
              const [inner, outer] = [text, text.ownerSVGElement].map((node) => node.getBoundingClientRect());
              return inner.left < outer.left - 1 || inner.right > outer.right + 1;
            }).length,
        );
        assert.equal(outside, 0, `names that reach out of the plot at ${width} px`);
      });
    }
  });

  test("gains without variance are said to be so", madeUp, async () => {
    const still = { value: 0, low: 0, high: 0, no_variance: true };
    const change = (report) => {
      report.held_out_gain = still;
      for (const setting of report.settings) setting.gain = still;
      for (const bucket of report.buckets) bucket.gains = bucket.gains.map((gain) => gain && still);
    };
    await open(pageOf(sweepReport(change)), {}, async (page) => {
      const text = await page.innerText("main");
      assert.match(text, /Held out: 0\.00 \[no variance\] points/);
      assert.match(text, /points, no variance/);
      assert.doesNotMatch(text, /NaN|undefined|Infinity/);
    });
  });

  test("a setting far off does not press the others together", madeUp, async () => {
    const change = (report) => (report.settings[2].gain = { value: -0.5, low: -0.55, high: -0.45 });
    await open(pageOf(sweepReport(change)), {}, async (page) => {
      await assertDrawn(page, 3);
      const axis = await page.textContent(".plot svg .axis");
      assert.doesNotMatch(axis, /−[1-5]0/);
      const label = await page
        .locator(".plot svg")
        .first()
        .locator(".mark")
        .nth(2)
        .getAttribute("aria-label");
      assert.match(label, /centring: −50\.00 \[−55\.00, −45\.00\]/);
    });
  });

  test("settings without attention, cuts or a map", madeUp, async () => {
    const settings = ["1", "0.9 + whitening", "chunk-mean"];
    const change = (report) => {
      for (const key of ["attention", "tokens"]) report[key] = report[key].filter((row) => row.setting === 0);
      report.cut_cosine = [report.cut_cosine[0], null, []];
      report.hubness.buckets[2] = null;
      report.geometry[2] = null;
      report.query_length_slope[1] = null;
      for (const text of report.map.texts) {
        text.at[2] = null;
        text.neighbors[2] = null;
      }
    };
    await open(pageOf(inspectReport({ settings, change })), {}, async (page) => {
      await assertDrawn(page, 15);
      assert.doesNotMatch(await page.innerText("main"), /τ\s=\s(0\.9|chunk)|NaN|undefined/);
      await page.locator(".choice input").nth(2).check({ force: true });
      assert.match(await page.textContent(".textmap"), /chunk-mean has no map/);
      await page.locator(".choice input").nth(0).check({ force: true });
      await page.locator(".map .mark").first().click({ force: true });
      assert.match(await page.textContent(".lists-of"), /No neighbours at this setting/);
    });
  });

  test("lengths without texts and shares of nothing but rounding take no room", madeUp, async () => {
    const change = (report) => {
      report.buckets[0].texts_seen = 0;
      for (const geometry of report.geometry) geometry.spectrum[383] = 1e-12;
    };
    await open(pageOf(inspectReport({ change })), {}, async (page) => {
      await assertDrawn(page, 18);
      const axes = await page.$$eval(".plot svg", (all) =>
        all.map((plot) => [...plot.querySelectorAll(".axis text")].map((text) => text.textContent).join(" ")),
      );
      assert.ok(!axes.some((labels) => labels.includes("1–32")), axes.join("\n"));
      assert.match(axes[0], /33–64 65–128 129–256/);
      assert.match(await page.textContent(".cards"), /0\.190.*129–256 tokens/s);
      const spectrum = axes.find((labels) => labels.includes("principal axis"));
      assert.match(spectrum, /0\.1\u00a0%.*1\u00a0%.*10\u00a0%/);
      assert.doesNotMatch(spectrum, /0\.0001/);
    });
  });

  test(
    "violations of the bound are marked, and only they; the advice stands below the verdict",
    madeUp,
    async () => {
      await open(pageOf(inspectReport()), {}, async (page) => {
        const flagged = await page.$$eval(".mark.flagged[aria-label]", (all) =>
          all.map((m) => m.getAttribute("aria-label")),
        );
        assert.equal(flagged.length, 3 * 3 * 5);
        assert.ok(flagged.every((label) => !label.includes("layer 2:")));
        assert.match(await page.innerText("main"), /above the paper's bound in 45 of 54/);
        assert.match(await page.innerText(".advice"), /in pieces \(post step chunk-mean:256\)\.$/);
      });
    },
  );

  test("many classes, of long and hostile names", madeUp, async () => {
    const labels = [
      ...HOSTILE,
      ...Array.from({ length: 20 }, (_, k) => `class_${"of_one_long_word_".repeat(6)}${k}`),
    ];
    const change = (report) => (report.classes = classReport({ count: 200, labels }));
    for (const width of [360, 1200]) {
      await open(pageOf(inspectReport({ settings: ["1", "0.8"], change })), { width }, async (page) => {
        assert.ok((await overflow(page)) <= 0);
        const named = await page.locator(".classmap .legend .key").allInnerTexts();
        assert.equal(named.length, 9);
        assert.match(named[8], /grey: 19 other classes/);
        for (const name of named) assert.ok(name.trim().length > 5, `a name that has collapsed: “${name}”`);
        const narrow = await page.$$eval(
          ".classmap .legend .key",
          (all) => all.filter((entry) => entry.getBoundingClientRect().height > 90).length,
        );
        assert.equal(narrow, 0, `names a letter wide at ${width} px`);
        const colours = await page.$$eval(
          ".classmap .map .mark",
          (all) => new Set(all.map((m) => getComputedStyle(m).fill)).size,
        );
        assert.equal(colours, 9);
        await openTables(page);
        assert.ok((await overflow(page)) <= 0, "with everything open");
        assert.equal(await page.evaluate(() => window.hacked), undefined);
      });
    }
  });

  test("hostile texts stay text", madeUp, async () => {
    const text = (i) => HOSTILE[i % HOSTILE.length];
    const change = (report) => {
      report.model = HOSTILE[0];
      report.verdict = HOSTILE.join(" ");
      report.settings = ["1", HOSTILE[1], HOSTILE[0]];
      report.map.texts.forEach((t, i) => (t.id = HOSTILE[(i + 1) % HOSTILE.length]));
    };
    const clean = {};
    const tags = (page) =>
      page.evaluate(() => ({
        script: document.scripts.length,
        img: document.images.length,
        iframe: document.querySelectorAll("iframe, object, embed, [onerror]").length,
      }));
    await open(pageOf(inspectReport({ count: 21 })), {}, async (page) =>
      Object.assign(clean, await tags(page)),
    );
    await open(pageOf(inspectReport({ count: 21, text, change })), {}, async (page) => {
      await page.locator(".map .mark").first().click({ force: true });
      await openTables(page);
      await page.fill(".finder input", "<");
      assert.deepEqual(await tags(page), clean);
      assert.equal(await page.evaluate(() => window.hacked), undefined);
      assert.equal(await page.textContent("h1"), HOSTILE[0]);
      const shown = await page.evaluate(() => document.querySelector("#page").textContent);
      for (const hostile of HOSTILE) assert.ok(shown.includes(hostile), hostile);
    });
  });

  test("2,000 texts at five settings stay below 3 MB", madeUp, async () => {
    const settings = ["1", "0.9", "0.8", "log:128", "centring"];
    const file = pageOf(
      inspectReport({ count: 2000, settings, text: (i) => `${i} `.padEnd(240, "long words of a text ") }),
    );
    assert.ok(statSync(file).size < 3e6, `${statSync(file).size} bytes`);
    await open(file, {}, async (page) => {
      assert.equal(await page.locator(".map .mark").count(), 2000);
      await page.locator(".map .mark").nth(1000).click({ force: true });
      assert.equal(await page.locator(".lists-of .list").count(), 5);
    });
  });
});
