/**
 * The page of `treble serve` in Chromium, against the made-up answers of page_server.mjs and, with TREBLE (the program) and MODEL
 * (a model folder) in the environment, against `treble serve` itself. PAGE: the folder of the built page; CHROMIUM
 * (/usr/bin/chromium); REAL_ONLY=1 leaves the made-up answers out.
 */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import {
  assertAccessible,
  assertDrawn,
  launch,
  minContrast,
  openTables,
  overflow,
  twoFrames,
} from "./browser.mjs";
import { HOSTILE, inspectReport } from "./fixtures.mjs";
import { CONTENT_SECURITY_POLICY, LIMIT, startServer, vectorOf } from "./page_server.mjs";

const { PAGE, TREBLE, MODEL, REAL_ONLY } = process.env;

let folder;
let browser;
before(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "treble-page-"));
  browser = await launch();
});
after(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A file of the test's folder. */
function file(name, content) {
  const where = path.join(folder, name);
  writeFileSync(where, content);
  return where;
}

/** Requests of the page to the API: [route, body]. */
function recorder() {
  const seen = [];
  return {
    seen,
    before: (route, body) => void seen.push([route, body]),
    of: (route) => seen.filter(([r]) => r === route).map(([, body]) => body),
  };
}

/**
 * Opens the page on a server with `changes`; `check` gets it. Fails on any request to elsewhere, and on any message of the
 * console and error of a script but those that `expected` matches (the browser names each status that is an error).
 */
async function open({ changes = {}, width = 1300, colorScheme = "light", expected, ready = true }, check) {
  const server = await (changes.start ?? startServer)(PAGE, changes);
  const context = await browser.newContext({
    viewport: { width, height: 900 },
    colorScheme,
    reducedMotion: "reduce",
    permissions: ["clipboard-read", "clipboard-write"],
  });
  const complaints = [];
  const complain = (text) => expected?.test(text) || complaints.push(text);
  try {
    const page = await context.newPage();
    page.on("request", (request) => {
      if (!request.url().startsWith(server.url) && !request.url().startsWith("blob:"))
        complain(`request: ${request.url()}`);
    });
    page.on("console", (message) => complain(`console: ${message.text()}`));
    page.on("pageerror", (error) => complain(`error: ${error.stack}`));
    page.on("dialog", (dialog) => {
      complain(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    await page.goto(server.url);
    if (ready) await settled(page);
    await check(page, server);
  } finally {
    await context.close();
    await server.close();
  }
  assert.deepEqual(complaints, []);
}

/** Waits until results are shown and nothing is under way. */
async function settled(page) {
  await page.waitForSelector(".sections section");
  await page.waitForFunction(() => !document.querySelector(".found-here[aria-busy]"));
  await twoFrames(page);
}

/** Waits until the verdict is about a setting: "τ = 0.7". */
async function shows(page, setting) {
  await page.waitForFunction(
    (wanted) => document.querySelector(".claim")?.textContent.replaceAll("\u00a0", " ").includes(wanted),
    setting,
  );
  await settled(page);
}

const verdict = async (page) => (await page.textContent(".verdict")).replaceAll("\u00a0", " ");
const slider = (page) => page.locator(".controls input[type=range]");
const fields = (page) => page.$$eval("textarea", (all) => all.map((field) => field.value));
const dot = (a, b) => a.reduce((sum, v, i) => sum + v * b[i], 0);

/** The others of `texts[index]`, nearest first. */
function nearest(texts, index, temperature) {
  const vectors = texts.map((text) => vectorOf(text, temperature));
  return [...texts.keys()]
    .filter((other) => other !== index)
    .sort((a, b) => dot(vectors[index], vectors[b]) - dot(vectors[index], vectors[a]));
}

function meanCosine(texts, temperature) {
  const vectors = texts.map((text) => vectorOf(text, temperature));
  const all = vectors.flatMap((a, i) => vectors.slice(i + 1).map((b) => dot(a, b)));
  return (all.reduce((sum, v) => sum + v, 0) / all.length).toFixed(3);
}

/** Makes `texts` the page's own. */
async function write(page, texts) {
  await page.getByRole("button", { name: "Clear all texts" }).click();
  for (let i = 2; i < texts.length; ++i) await page.getByRole("button", { name: "Add a text" }).click();
  for (const [index, text] of texts.entries()) await page.locator("textarea").nth(index).fill(text);
}

const madeUp = { concurrency: 2, skip: REAL_ONLY ? "only the program" : false };

describe("the page of the server", madeUp, () => {
  test("at first sight: the examples, what the temperature does to them, and every plot", async () => {
    const requests = recorder();
    await open({ changes: requests }, async (page) => {
      assert.match(await page.textContent(".model"), /made-up, reads 128 tokens/);
      const texts = await fields(page);
      assert.equal(texts.length, 12);
      const long = texts.slice(6);
      const said = await verdict(page);
      assert.match(said, /^At τ = 0\.7 the long texts (move apart|draw closer together|hardly move)\./);
      assert.ok(said.includes(`Mean cosine ${meanCosine(long, 1)} → ${meanCosine(long, 0.7)}`), said);
      const moved = [...texts.keys()].filter((i) => nearest(texts, i, 1)[0] !== nearest(texts, i, 0.7)[0]);
      assert.equal(await page.locator("tr.changed").count(), moved.length);
      assert.ok(said.includes(moved.length === 0 ? "Every text keeps" : `${moved.length} of 12 text`), said);
      // Three tables of pairs, lengths, map.
      await assertDrawn(page, 5);
      assert.equal(await page.locator("section h2").count(), 7);
      for (const summary of await page.locator("details.numbers summary").all()) await summary.click();
      // A table is made when its summary is opened, which the browser tells the page a moment later.
      await page.locator("details.numbers table").nth(2).waitFor();
      assert.equal(await page.locator("details.numbers table").count(), 3);
      assert.doesNotMatch(await page.innerText("main"), /NaN|undefined|Infinity|\[object/);
      const routes = [...new Set(requests.seen.map(([route]) => route))].sort();
      assert.deepEqual(routes, ["/embed", "/info", "/tokenize"]);
    });
  });

  test("the policy allows nothing inline and nowhere else, and the page keeps to it", async () => {
    assert.match(
      CONTENT_SECURITY_POLICY,
      /^default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'/,
    );
    assert.doesNotMatch(CONTENT_SECURITY_POLICY, /unsafe|\*|https?:/);
    await open({ expected: /Content.Security.Policy/i }, async (page) => {
      const blocked = await page.evaluate(() => {
        const script = document.createElement("script");
        script.textContent = "window.hacked = 1";
        document.body.append(script);
        return window.hacked;
      });
      assert.equal(blocked, undefined, "the policy is in force");
      assert.equal(await page.locator("[style*=':']:not(.plot *, .tip, .sections)").count(), 0);
    });
  });

  test("the slider by keyboard: value, words and request; a value is asked for once", async () => {
    const requests = recorder();
    await open({ changes: requests }, async (page) => {
      await slider(page).focus();
      await page.keyboard.press("ArrowRight");
      await shows(page, "τ = 0.75");
      assert.equal(
        (await page.textContent("output")).replace("\u00a0", " ").replace("\u00a0", " "),
        "τ = 0.75",
      );
      assert.equal(await slider(page).getAttribute("aria-valuetext"), "temperature 0.75");
      const before = requests.of("/embed");
      assert.deepEqual([...new Set(before.map((body) => body.temperature))], [1, 0.7, 0.75]);
      await page.keyboard.press("ArrowLeft");
      await shows(page, "τ = 0.7 ");
      assert.equal(requests.of("/embed").length, before.length, "known values are not asked for again");
      await page.getByRole("button", { name: "τ = 1, as trained" }).click();
      await shows(page, "As trained");
      assert.match(await slider(page).getAttribute("aria-valuetext"), /the model as trained/);
      assert.equal(await page.locator(".badge").count(), 0, "nothing moved at τ = 1");
      await assertDrawn(page, 3);
    });
  });

  test("schedules are sent as they are written, and each keeps its slider", async () => {
    const requests = recorder();
    await open({ changes: requests }, async (page) => {
      await page.locator('.choice input[value="log"]').check({ force: true });
      await shows(page, "τ = log:32");
      await slider(page).focus();
      await page.keyboard.press("Home");
      await shows(page, "τ = log:4");
      await page.locator('.choice input[value="ssmax"]').check({ force: true });
      await shows(page, "τ = ssmax:0.3");
      await page.locator('.choice input[value="yarn"]').check({ force: true });
      await shows(page, "τ = yarn:32");
      await page.locator('.choice input[value="log"]').check({ force: true });
      await shows(page, "τ = log:4");
      const sent = [...new Set(requests.of("/embed").map((body) => body.temperature))];
      assert.deepEqual(sent, [1, 0.7, "log:32", "log:4", "ssmax:0.3", "yarn:32"]);
      assert.match(await page.textContent(".meaning"), /up to N₀ tokens stay as trained/);
    });
  });

  test("a slow answer to an old value never replaces a newer one", async () => {
    const left = [];
    let arrives;
    const arrived = new Promise((done) => (arrives = done));
    const before = async (route, body, request) => {
      if (route !== "/embed" || body.temperature !== 0.75) return;
      request.socket.on("close", () => left.push(body.temperature));
      arrives();
      await new Promise((done) => setTimeout(done, 700));
    };
    await open({ changes: { before } }, async (page) => {
      await slider(page).focus();
      await page.keyboard.press("ArrowRight");
      await arrived;
      await page.keyboard.press("ArrowRight");
      await shows(page, "τ = 0.8");
      for (let waited = 0; left.length === 0 && waited < 500; waited += 20) await page.waitForTimeout(20);
      assert.deepEqual(left, [0.75], "the page left: the server need not go on");
      await page.waitForTimeout(800);
      assert.match(await verdict(page), /^At τ = 0\.8/);
    });
  });

  test("neighbours side by side, with what moved", async () => {
    await open({}, async (page) => {
      const texts = await fields(page);
      for (const chosen of [0, 7, 11]) {
        await page.locator(".overview .pick").nth(chosen).click();
        const before = nearest(texts, chosen, 1).slice(0, 5);
        const after = nearest(texts, chosen, 0.7).slice(0, 5);
        const lists = await page.$$eval(".lists-of .list", (all) =>
          all.map((list) =>
            [...list.querySelectorAll("li")].map((item) => [
              Number(item.querySelector("b").textContent.split(" ")[0]) - 1,
              item.querySelector(".badge")?.firstChild.textContent ?? "",
            ]),
          ),
        );
        const move = (other, now) => {
          const was = before.indexOf(other);
          if (was < 0) return "new";
          return was === now ? "" : `${was > now ? "▲" : "▼"} ${Math.abs(was - now)}`;
        };
        assert.deepEqual(
          lists[0],
          before.map((other) => [other, after.includes(other) ? "" : "left"]),
        );
        assert.deepEqual(
          lists[1],
          after.map((other, now) => [other, move(other, now)]),
        );
        assert.equal(await page.locator(".texts li.chosen").count(), 1);
        assert.equal(await page.locator(".map .rings .chosen").count(), 1);
      }
      await page.locator("section select").selectOption("3");
      assert.equal(await page.locator('tr.chosen[data-text="3"]').count(), 1);
      await page.locator(".map .mark").nth(9).focus();
      await page.keyboard.press("Enter");
      assert.equal(await page.locator("section select").inputValue(), "9");
      await page.locator(".lists-of .neighbor").first().focus();
      await page.keyboard.press("Enter");
      assert.equal(
        await page.evaluate(() => document.activeElement.tagName),
        "SELECT",
        "the focus is not lost",
      );
    });
  });

  test("texts of one's own: added, changed, removed; only what is new is sent; what is cut is said", async () => {
    const requests = recorder();
    await open({ changes: requests }, async (page) => {
      const long = Array.from({ length: 200 }, (_, i) => `word${i}`).join(" ");
      await write(page, ["first text of my own", "second of them", long]);
      await page.waitForFunction(() => document.querySelectorAll(".overview tbody tr").length === 3);
      await settled(page);
      assert.match(
        await verdict(page),
        new RegExp(`1 text is longer than the ${LIMIT} tokens .* ${202 - LIMIT} tokens cut`),
      );
      assert.match(await page.locator(".texts .head").nth(2).textContent(), /202 tokens, 74 cut/);
      const sent = requests.of("/embed").length;
      await page.locator("textarea").nth(1).fill("another second one");
      await page.waitForFunction(() =>
        document.querySelector(".overview")?.textContent.includes("another second"),
      );
      await settled(page);
      const added = requests.of("/embed").slice(sent);
      assert.deepEqual(
        added.map((body) => body.inputs),
        [["another second one"], ["another second one"]],
      );
      await page.getByRole("button", { name: "Remove text: first text" }).click();
      await page.waitForFunction(
        () => document.querySelector(".verdict") && !document.querySelector(".overview"),
      );
      assert.match(await page.innerText(".sections"), /Neighbours can only move among three texts or more/);
      await page.getByRole("button", { name: "Examples: put them back" }).click();
      await page.waitForFunction(() => document.querySelectorAll(".overview tbody tr").length === 12);
    });
  });

  test("no text, one text, two and equal texts get sentences in place of empty plots", async () => {
    await open({}, async (page) => {
      const clean = async () =>
        assert.doesNotMatch(await page.innerText("main"), /NaN|undefined|Infinity|\[object/);
      await page.getByRole("button", { name: "Clear all texts" }).click();
      await page.waitForFunction(
        () => document.querySelector(".working").textContent === "Write a text to begin.",
      );
      await page.locator("textarea").first().fill("one text alone");
      await page.waitForSelector(".missing");
      await clean();
      await page.locator("textarea").nth(1).fill("one text alone");
      await page.waitForSelector(".map .mark");
      await settled(page);
      await clean();
      await assertDrawn(page, 3);
    });
  });

  test("hostile texts stay text, on the page and in the commands", async () => {
    await open({}, async (page) => {
      const hostile = [...HOSTILE, "it's `id` $(id) \\ !\nEND_OF_TEXTS\nmore", "'; exit 3; '"];
      await write(page, hostile);
      await page.waitForFunction(
        (n) => document.querySelectorAll(".overview tbody tr").length === n,
        hostile.length,
      );
      await settled(page);
      assert.equal(await page.evaluate(() => window.hacked), undefined);
      assert.equal(await page.locator("img, iframe, object, [onerror]").count(), 0);
      const typed = await fields(page);
      const [request, embed, inspect] = await page.$$eval(".copyable pre", (all) =>
        all.map((pre) => pre.textContent),
      );
      const sh = (script) => execFileSync("sh", ["-c", script], { encoding: "utf8" });
      const given = sh(`curl() { printf '%s\\0' "$@"; }\n${request}`).split("\0");
      assert.match(given[0], /^http:\/\/127\.0\.0\.1:\d+\/embed$/);
      assert.deepEqual(JSON.parse(given[given.indexOf("-d") + 1]), { inputs: typed, temperature: 0.7 });
      for (const [command, name] of [
        [embed, "embed"],
        [inspect, "inspect"],
      ]) {
        const out = sh(`treble() { printf '%s\\n' "$*"; cat; }\n${command}`).trim().split("\n");
        const more = name === "embed" ? " --normalize" : "";
        assert.equal(out[0], `${name} - --format jsonl --model models/made-up --temperature 0.7${more}`);
        assert.deepEqual(
          out.slice(1).map((line) => JSON.parse(line).text),
          typed,
        );
      }
    });
  });

  test("the commands are copied as they stand", async () => {
    await open({}, async (page) => {
      for (const index of [0, 1, 2]) {
        await page.locator(".copyable button").nth(index).click();
        await page.waitForFunction(
          (i) => document.querySelectorAll(".said")[i].textContent === "Copied",
          index,
        );
        const shown = await page.locator(".copyable pre").nth(index).textContent();
        assert.equal(await page.evaluate(() => navigator.clipboard.readText()), shown);
      }
    });
  });

  const REPORT = () => inspectReport({ settings: ["1", "0.7"], count: 20 });

  for (const [name, content] of [
    ["corpus.txt", "\ufefffirst line\r\n\nsecond line\n"],
    ["corpus.jsonl", '{"text": "first line", "_id": 7}\n"second line"\n'],
    ["corpus.csv", 'id;text\n1;"first\nline; ""quoted"""\n2;second line\n'],
  ]) {
    test(`a dropped ${name} becomes the report, drawn by the report's own code`, async () => {
      const requests = recorder();
      const changes = { ...requests, inspect: () => ({ status: 200, body: REPORT() }) };
      await open({ changes }, async (page) => {
        const transfer = await page.evaluateHandle(
          ([name, content]) => {
            const data = new DataTransfer();
            data.items.add(new File([content], name));
            return data;
          },
          [name, content],
        );
        await page.dispatchEvent("body", "dragover", { dataTransfer: transfer });
        assert.ok(await page.evaluate(() => document.body.classList.contains("dropping")));
        await page.dispatchEvent("body", "drop", { dataTransfer: transfer });
        await page.waitForSelector(".way");
        const first = name.endsWith("csv") ? 'first\nline; "quoted"' : "first line";
        assert.deepEqual(requests.of("/inspect"), [
          { inputs: [first, "second line"], temperatures: [1, 0.7] },
        ]);
        await twoFrames(page);
        await assertDrawn(page, 15);
        assert.match(await page.textContent(".claim"), /Length collapse is visible/);
        assert.equal(await page.evaluate(() => document.activeElement.tagName), "H1");
        await page.getByRole("button", { name: "Back to the texts" }).click();
        await shows(page, "τ = 0.7");
        assert.equal((await fields(page)).length, 12);
      });
    });
  }

  test("files that cannot be read or measured are said to be so, with the line", async () => {
    const changes = {
      inspect: () => ({
        status: 422,
        body: { error: "too few texts of one length", error_type: "Validation" },
      }),
    };
    await open({ changes, expected: /status of 422/ }, async (page) => {
      const cases = [
        [file("a.csv", "a,b\n1,2\n"), /a\.csv was not measured: there is no column "text"; there are: a, b/],
        [file("b.jsonl", '{"text": "x"}\n{"txt": 1}\n'), /line 2: .* there are: txt/],
        [file("c.jsonl", '{"text": "x"}\n{'), /c\.jsonl was not measured: line 2: /],
        [file("d.txt", Buffer.from([0x66, 0xff, 0x0a])), /it is not UTF-8 text/],
        [file("e.pdf", "x"), /only \.txt, \.jsonl and \.csv/],
        [file("f.txt", "alone\n"), /it holds 1 text; a report needs two/],
        [file("g.txt", "one\ntwo\n"), /g\.txt was not measured: too few texts of one length \(status 422\)/],
      ];
      for (const [path, said] of cases) {
        await page.setInputFiles("input[type=file]", path);
        await page.waitForFunction(
          (name) => document.querySelector(".error")?.textContent.startsWith(name),
          path.split("/").pop(),
        );
        assert.match(await page.textContent(".error"), said);
      }
    });
  });

  test("of a file that is too large a part is measured, evenly spread, and that is said", async () => {
    const requests = recorder();
    const info = () => ({ model_id: "m", max_input_length: LIMIT, payload_limit: 12_000 });
    const changes = { ...requests, info, inspect: () => ({ status: 200, body: REPORT() }) };
    await open({ changes }, async (page) => {
      const lines = Array.from({ length: 400 }, (_, i) => `line ${i} `.padEnd(90, "x"));
      await page.setInputFiles("input[type=file]", file("large.txt", lines.join("\n")));
      await page.waitForSelector(".part");
      const [{ inputs }] = requests.of("/inspect");
      assert.ok(JSON.stringify(requests.of("/inspect")[0]).length <= 12_000);
      assert.ok(inputs.length >= 80, `${inputs.length}`);
      assert.match(
        await page.textContent(".part"),
        new RegExp(`Measured: ${inputs.length} of the 400 texts of large.txt`),
      );
      assert.match(inputs[inputs.length - 1], /^line 39\d/);
    });
  });

  test("a measurement can be cancelled, and the server sees it", async () => {
    let gone = false;
    const before = (route, _body, request) => {
      if (route !== "/inspect") return undefined;
      return new Promise((done) => {
        request.socket.on("close", () => {
          gone = true;
          done({ status: 200, body: {} });
        });
      });
    };
    await open({ changes: { before } }, async (page) => {
      await page.setInputFiles("input[type=file]", file("two.txt", "one\ntwo\n"));
      await page.getByRole("button", { name: "Cancel" }).click();
      assert.match(await page.textContent(".progress"), /Cancelled/);
      for (let i = 0; i < 50 && !gone; ++i) await page.waitForTimeout(20);
      assert.ok(gone);
    });
  });

  test("an error names what is at fault and what is still shown, and can be tried again", async () => {
    let broken = true;
    const before = (route, body) => {
      if (!broken || route !== "/embed" || body.temperature !== 0.75) return undefined;
      return {
        status: 422,
        body: { error: "input 3: 900 tokens, limit 128", error_type: "Validation", index: 3 },
      };
    };
    await open({ changes: { before }, expected: /status of 422/ }, async (page) => {
      await slider(page).focus();
      await page.keyboard.press("ArrowRight");
      await page.waitForSelector(".error");
      const said = (await page.textContent(".error")).replaceAll("\u00a0", " ");
      assert.match(said, /input 3: 900 tokens, limit 128 \(status 422\); what is shown is still τ = 0\.7\./);
      assert.equal(await page.locator("textarea[aria-invalid]").count(), 1);
      assert.match(await page.locator(".texts li").nth(3).textContent(), /input 3: 900 tokens/);
      await assertAccessible(page);
      broken = false;
      await page.getByRole("button", { name: "Try again" }).click();
      await shows(page, "τ = 0.75");
      assert.equal(await page.locator("textarea[aria-invalid], .error").count(), 0);
    });
  });

  test("a busy server is waited for as long as it says", async () => {
    const times = [];
    const before = (route) => {
      if (route !== "/tokenize") return undefined;
      times.push(performance.now());
      return times.length < 3
        ? {
            status: 429,
            headers: { "retry-after": "1" },
            body: { error: "overloaded", error_type: "Overloaded" },
          }
        : undefined;
    };
    await open({ changes: { before }, expected: /status of 429/ }, async () => {
      assert.equal(times.length, 3);
      assert.ok(times[1] - times[0] >= 990, `${times[1] - times[0]} ms`);
    });
  });

  test("a server with keys is asked with one, which stays out of the commands", async () => {
    await open({ changes: { key: "secret-key" }, expected: /status of 401/, ready: false }, async (page) => {
      await page.waitForSelector(".error input");
      await page.fill(".error input", "wrong");
      await page.keyboard.press("Enter");
      await page.waitForFunction(() =>
        document.querySelector(".error")?.textContent.includes("refused this key"),
      );
      await assertAccessible(page);
      await page.fill(".error input", "secret-key");
      await page.keyboard.press("Enter");
      await settled(page);
      assert.match(
        await page.locator(".copyable pre").first().textContent(),
        /-H "Authorization: Bearer \$API_KEY"/,
      );
      assert.doesNotMatch(await page.content(), /secret-key/);
    });
  });

  test("a server that is gone, and answers of a proxy that are no JSON", async () => {
    await open({ expected: /ERR_|status of 502/ }, async (page, server) => {
      await page.route("**/embed", (route) =>
        route.fulfill({ status: 502, contentType: "text/html", body: "<h1>Bad gateway</h1>" }),
      );
      await slider(page).focus();
      await page.keyboard.press("ArrowRight");
      await page.waitForSelector(".error");
      assert.match(await page.textContent(".error"), /502 Bad Gateway/);
      await page.unroute("**/embed");
      await server.close();
      await page.keyboard.press("ArrowRight");
      await page.waitForFunction(() =>
        document.querySelector(".error")?.textContent.includes("does not answer"),
      );
    });
  });

  test("of several models one is chosen, and named in requests and commands", async () => {
    const requests = recorder();
    const models = ["small", "large"].map((name, i) => ({
      model_id: `models/${name}`,
      served_model_name: name,
      max_input_length: 64 << i,
      default_prompt_name: i ? "query" : "",
    }));
    await open(
      { changes: { ...requests, info: () => ({ ...models[0], models, temperature: "log:64" }) } },
      async (page) => {
        await shows(page, "τ = log:64");
        await page.getByLabel("Model", { exact: true }).selectOption("large");
        await page.waitForFunction(() =>
          document.querySelector(".copyable pre").textContent.includes('"model": "large"'),
        );
        assert.match(await page.textContent(".model"), /reads 128 tokens/);
        assert.match(
          await page.locator(".copyable pre").nth(1).textContent(),
          /--model 'models\/large' --temperature log:64 --prompt-name 'query' --normalize <<'END/,
        );
        const counted = requests.of("/tokenize").map((body) => [body.model, body.prompt_name]);
        assert.deepEqual(counted, [
          [undefined, undefined],
          ["large", "query"],
        ]);
        const asked = requests.of("/embed").filter((body) => body.model === "large");
        assert.deepEqual(
          asked.map((body) => body.temperature),
          [1, "log:64"],
        );
      },
    );
  });

  const WITH_STATES = {
    ...{ model_id: "models/mamba2", served_model_name: "mamba2", max_input_length: LIMIT },
    ...{ tempered_layers: 0, state_layers: 2, state: "none", temperature: "1" },
  };

  test("a model with states gets their control in place of the temperature, as a field of the request", async () => {
    const requests = recorder();
    const changes = { ...requests, info: () => WITH_STATES };
    await open({ changes }, async (page) => {
      await shows(page, "At rri:0.9999,0.75");
      assert.equal(await page.locator("h1").textContent(), "What a state control does to these texts");
      assert.equal(await slider(page).count(), 0, "no temperature without attention");
      assert.doesNotMatch(await page.innerText("main"), /τ|emperature|NaN|undefined/);
      await page.locator('.choice input[value="window"]').check({ force: true });
      await shows(page, "At window:64");
      const field = page.getByLabel("State", { exact: true });
      await field.fill("window:8");
      await page.keyboard.press("Enter");
      await shows(page, "At window:8");
      const texts = await fields(page);
      const [a, b] = [texts[6], texts[7]].map((text) => vectorOf(text, 1, "window:8"));
      await page.locator("details.numbers summary").first().click();
      await page.locator("details.numbers table").first().waitFor();
      const rows = await page.$$eval("details.numbers tbody tr", (all) =>
        all.map((row) => Number(row.children[3].textContent.replace("−", "-"))),
      );
      assert.ok(rows.includes(Number(dot(a, b).toFixed(3))), "the long texts' cosine under the control");
      const sent = requests.of("/embed");
      assert.deepEqual(
        [...new Set(sent.map((body) => body.state))],
        ["none", "rri:0.9999,0.75", "window:64", "window:8"],
      );
      assert.ok(sent.every((body) => !("temperature" in body)));
      await page.locator('.choice input[value="none"]').check({ force: true });
      await shows(page, "As trained");
      await page.locator('.choice input[value="window"]').check({ force: true });
      await shows(page, "At window:8");
      const commands = await page.$$eval(".copyable pre", (all) => all.map((pre) => pre.textContent));
      assert.match(commands[0], /"state": "window:8"/);
      assert.match(commands[1], /^treble embed - .* --state window:8 --normalize/);
      assert.match(commands[2], /^treble inspect - .* --state window:8 <</);
      await assertDrawn(page, 5);
      await assertAccessible(page);
      assert.ok((await minContrast(page)).ratio >= 4.5);
    });
  });

  test("a control that the server refuses is said in its words, and the field is marked", async () => {
    const changes = { info: () => WITH_STATES };
    await open({ changes, expected: /status of 422/ }, async (page) => {
      const field = page.getByLabel("State", { exact: true });
      for (const wrong of ["windows:64", "window:", "norm:norms.json", "<b>"]) {
        await field.fill(wrong);
        await page.getByRole("button", { name: "Apply" }).click();
        await page.waitForFunction(
          (text) => document.querySelector(".error")?.textContent.includes(`not "${text}"`),
          wrong,
        );
        assert.match(await page.textContent(".error"), /`state` must be one of .* \(status 422\)/);
        assert.equal(await field.getAttribute("aria-invalid"), "true");
        const described = await field.getAttribute("aria-describedby");
        assert.match(await page.locator(`#${described}`).textContent(), /must be one of/);
      }
      await assertAccessible(page);
      await field.fill("");
      await page.keyboard.press("Enter");
      await shows(page, "As trained");
      assert.equal(await field.inputValue(), "none");
      assert.equal(await page.locator("[aria-invalid], .error").count(), 0);
    });
  });

  test("the control that a server was started with; a file is measured under it", async () => {
    const requests = recorder();
    const changes = {
      ...requests,
      info: () => ({ ...WITH_STATES, state: "norm:4" }),
      inspect: () => ({ status: 200, body: inspectReport({ settings: ["none", "norm:4"], count: 20 }) }),
    };
    await open({ changes }, async (page) => {
      await shows(page, "At norm:4");
      assert.ok(await page.locator('.choice input[value="norm"]').isChecked());
      await page.setInputFiles("input[type=file]", file("states.txt", "one\ntwo\n"));
      await page.waitForSelector(".way");
      assert.deepEqual(requests.of("/inspect"), [{ inputs: ["one", "two"], state: "norm:4" }]);
    });
  });

  test("controls follow the model: attention, states, neither", async () => {
    const models = [
      { served_model_name: "bert", tempered_layers: 6, state_layers: 0, temperature: "1" },
      { ...WITH_STATES, state: "norm:norms.json" },
      { served_model_name: "static", tempered_layers: 0, state_layers: 0, max_input_length: LIMIT },
    ];
    const requests = recorder();
    await open({ changes: { ...requests, info: () => ({ ...models[0], models }) } }, async (page) => {
      await shows(page, "At τ = 0.7");
      const choose = (name) => page.getByLabel("Model", { exact: true }).selectOption(name);
      await choose("mamba2");
      await shows(page, "At rri:0.9999,0.75");
      await choose("static");
      await shows(page, "As trained");
      assert.equal(await page.locator(".controls").count(), 0);
      assert.doesNotMatch(await page.innerText("main"), /NaN|undefined|τ =/);
      const asked = requests.of("/embed").filter((body) => body.model === "static");
      assert.ok(asked.length > 0 && asked.every((body) => !("state" in body || "temperature" in body)));
      await assertAccessible(page);
      await choose("bert");
      await shows(page, "At τ = 0.7");
      assert.equal(await page.locator("h1").textContent(), "What temperature does to these texts");
    });
  });

  test("the field of a state control on a phone", async () => {
    await open({ changes: { info: () => WITH_STATES }, width: 360 }, async (page) => {
      assert.ok((await overflow(page)) <= 0);
      const box = await page.locator(".controls").boundingBox();
      assert.ok(box.height < 130, `the control takes ${box.height} of 900 px`);
    });
  });

  for (const colorScheme of ["light", "dark"]) {
    test(`${colorScheme} can be read, by eye and by program`, async () => {
      await open({ colorScheme }, async (page) => {
        await openTables(page);
        const min = await minContrast(page);
        assert.ok(min.ratio >= 4.5, `${colorScheme}: ${JSON.stringify(min)}`);
        await assertAccessible(page);
      });
    });
  }

  test("a phone of 360 px shows everything without sideways scrolling, the texts behind one press", async () => {
    await open({ width: 360 }, async (page) => {
      assert.ok((await overflow(page)) <= 0);
      assert.ok(!(await page.locator("textarea").first().isVisible()));
      await page.locator(".editor summary").click();
      assert.ok(await page.locator("textarea").first().isVisible());
      await openTables(page);
      assert.ok((await overflow(page)) <= 0, "with everything open");
      await assertDrawn(page, 5);
      await assertAccessible(page);
      const box = await page.locator(".controls").boundingBox();
      assert.ok(box.height < 130, `the temperature takes ${box.height} of 900 px`);
    });
  });

  test("everything is reached by the tab key, in the order that is seen, and the temperature stays in view", async () => {
    await open({}, async (page) => {
      await page.locator("h1").focus();
      const seen = [];
      for (let i = 0; i < 45 && !seen.includes("radio"); ++i) {
        await page.keyboard.press("Tab");
        seen.push(await page.evaluate(() => document.activeElement.type || document.activeElement.tagName));
      }
      assert.deepEqual(seen.slice(0, 6), ["A", "SUMMARY", "button", "button", "button", "button"]);
      assert.equal(seen.filter((type) => type === "textarea").length, 12);
      await page.locator(".skip").focus();
      assert.ok(await page.locator(".skip").isVisible());
      await page.keyboard.press("Enter");
      await page.keyboard.press("Tab");
      assert.equal(await page.evaluate(() => document.activeElement.type), "radio", "past all texts");
      await page.keyboard.press("Tab");
      assert.equal(await page.evaluate(() => document.activeElement.type), "range");
      await page.evaluate(() => scrollTo({ top: 1500, behavior: "instant" }));
      await twoFrames(page);
      const box = await slider(page).boundingBox();
      assert.ok(box.y >= 0 && box.y < 120, `${box.y}`);
      await page.keyboard.press("ArrowRight");
      await shows(page, "τ = 0.75");
      assert.ok(Math.abs((await page.evaluate(() => scrollY)) - 1500) < 60, "the page does not jump");
    });
  });
});

/** `treble serve` on a free port, as startServer() gives a server. */
function startWith(model) {
  const serve = spawn(TREBLE, [
    ...["serve", "--model", model, "--hostname", "127.0.0.1", "--port", "0"],
    ...["--payload-limit", "20000"],
  ]);
  const ended = new Promise((done) => serve.on("exit", done));
  const close = async () => {
    serve.kill("SIGTERM");
    assert.equal(await ended, 0, "treble serve drains and ends");
  };
  return new Promise((done, failed) => {
    let said = "";
    serve.on("exit", (code) => failed(new Error(`treble serve ended with ${code}: ${said}`)));
    serve.stderr.on("data", (data) => {
      said += data;
      const url = /listening on (http:\S+)/.exec(said)?.[1];
      if (url) done({ url: `${url}/`, close });
    });
  });
}

const startTreble = () => startWith(MODEL);

const program = { skip: TREBLE && MODEL ? false : "needs TREBLE and MODEL" };

describe("the page with treble serve", program, () => {
  test("what the page shows is what the program's own vectors give", async () => {
    await open({ changes: { start: startTreble } }, async (page, server) => {
      const texts = await fields(page);
      const ask = async (temperature) => {
        const body = JSON.stringify({ inputs: texts, temperature });
        const headers = { "content-type": "application/json" };
        return (await fetch(`${server.url}embed`, { method: "POST", headers, body })).json();
      };
      const vectors = [await ask(1), await ask(0.7)];
      const names = await page.$$eval("section select option", (all) =>
        all.map((option) => option.textContent.replace(/^\d+ /, "")),
      );
      await page.locator("details.numbers summary").first().click();
      // A table is made when its summary is opened, which the browser tells the page a moment later.
      await page.locator("details.numbers table").first().waitFor();
      const rows = await page.$$eval("details.numbers tbody tr", (all) =>
        all.map((row) => [...row.children].map((cell) => cell.textContent.replace("−", "-"))),
      );
      assert.equal(rows.length, 66);
      for (const [one, other, ...shown] of rows) {
        vectors.forEach((all, i) => {
          const cosine = dot(all[names.indexOf(one)], all[names.indexOf(other)]);
          assert.ok(
            Math.abs(cosine - Number(shown[i])) < 6e-4,
            `${one}, ${other}: ${shown[i]}, not ${cosine}`,
          );
        });
      }
      await assertDrawn(page, 5);
      await slider(page).focus();
      await page.keyboard.press("ArrowRight");
      await shows(page, "τ = 0.75");
      await page.locator('.choice input[value="log"]').check({ force: true });
      await shows(page, "τ = log:32");
    });
  });

  test("a model with states: its control, and what the server says of one that it does not know", async () => {
    const model = path.resolve(import.meta.dirname, "../../../tests/data/state-passkey/model");
    await open(
      { changes: { start: () => startWith(model) }, expected: /status of 4\d\d/ },
      async (page, server) => {
        await shows(page, "At rri:0.9999,0.75");
        await page.locator('.choice input[value="window"]').check({ force: true });
        await page.getByLabel("State", { exact: true }).fill("window:4");
        await page.keyboard.press("Enter");
        await shows(page, "At window:4");
        const texts = await fields(page);
        const ask = async (fields) => {
          const body = JSON.stringify({ inputs: texts, ...fields });
          const headers = { "content-type": "application/json" };
          return (await fetch(`${server.url}embed`, { method: "POST", headers, body })).json();
        };
        const mean = (vectors) => {
          const all = vectors.flatMap((a, i) => vectors.slice(i + 1).map((b) => dot(a, b)));
          return all.reduce((sum, v) => sum + v, 0) / all.length;
        };
        const long = [await ask({ state: "none" }), await ask({ state: "window:4" })].map((all) =>
          mean(all.slice(6)),
        );
        assert.notEqual(long[0].toFixed(3), long[1].toFixed(3));
        assert.ok(
          (await verdict(page)).includes(long.map((v) => v.toFixed(3).replace("-", "−")).join(" → ")),
          await verdict(page),
        );
        await page.getByLabel("State", { exact: true }).fill("window:0");
        await page.keyboard.press("Enter");
        await page.waitForSelector(".error");
        const refused = await ask({ state: "window:0" });
        assert.ok((await page.textContent(".error")).includes(refused.error), refused.error);
      },
    );
  });

  test("the command lines that it copies run as they are, and give the server's vectors", async () => {
    await open({ changes: { start: startTreble } }, async (page, server) => {
      const run = async (index) => {
        const command = await page.locator(".copyable pre").nth(index).textContent();
        const shell = `treble() { "$TREBLE" "$@"; }\n${command}`;
        return execFileSync("sh", ["-c", shell], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
      };
      const body = JSON.stringify({ inputs: await fields(page), temperature: 0.7 });
      const headers = { "content-type": "application/json" };
      const vectors = await (await fetch(`${server.url}embed`, { method: "POST", headers, body })).json();
      const lines = (await run(1)).trim().split("\n").slice(1);
      const printed = lines.map((line) => JSON.parse(line).embedding);
      assert.deepEqual(
        printed.map((row) => row.length),
        vectors.map((row) => row.length),
      );
      // The server may batch otherwise, and sums of other batches may differ in the last bits.
      const far = printed.flatMap((row, i) => row.map((value, j) => Math.abs(value - vectors[i][j])));
      assert.ok(Math.max(...far) < 1e-6, `largest difference ${Math.max(...far)}`);
      assert.match(await run(2), /0\.7/);
    });
  });

  test("the policy, the cache and the routes of the page", async () => {
    const server = await startTreble();
    try {
      const first = await fetch(server.url);
      assert.equal(first.headers.get("content-security-policy"), CONTENT_SECURITY_POLICY);
      assert.match(first.headers.get("content-type"), /^text\/html/);
      const etag = first.headers.get("etag");
      const again = await fetch(server.url, { headers: { "if-none-match": etag } });
      assert.equal(again.status, 304);
      for (const name of ["app.js", "style.css", "favicon.svg"]) {
        assert.equal((await fetch(server.url + name)).status, 200, name);
      }
    } finally {
      await server.close();
    }
  });

  test("texts that are cut, and a file larger than a request that becomes the program's report", async () => {
    await open({ changes: { start: startTreble } }, async (page) => {
      await write(page, ["one short text", "another short one", "long ".repeat(2000)]);
      await page.waitForFunction(() => document.querySelectorAll(".overview tbody tr").length === 3);
      await settled(page);
      assert.match(
        await verdict(page),
        /1 text is longer than the \d+ tokens that the model reads: 1,[789]\d\d tokens cut/,
      );
      const lines = Array.from(
        { length: 300 },
        (_, i) => `text ${i} of the file ${"and more of it ".repeat(i % 12)}`,
      );
      await page.setInputFiles("input[type=file]", file("real.txt", lines.join("\n")));
      await page.waitForSelector(".way", { timeout: 120_000 });
      assert.match(await page.textContent(".part"), /Measured: 1\d\d of the 300 texts of real\.txt/);
      await twoFrames(page);
      await assertDrawn(page, 8);
      assert.doesNotMatch(await page.innerText("main"), /NaN|undefined|Infinity|\[object/);
    });
  });
});
