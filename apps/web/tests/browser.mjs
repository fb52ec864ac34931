/** What the tests of both pages ask of a page in Chromium. Environment: CHROMIUM (/usr/bin/chromium). */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
// Besides what Playwright gives: a new empty profile among others.
const ARGUMENTS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ARGUMENTS });
}

export const twoFrames = (page) =>
  page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));

/** Of every plot: its name, its marks, and how many of these lie outside of it. */
export function plots(page) {
  return page.evaluate(() =>
    [...document.querySelectorAll(".plot svg")].map((svg) => {
      const box = svg.getBoundingClientRect();
      const marks = [...svg.querySelectorAll(".mark")];
      const outside = marks.filter((mark) => {
        const at = mark.getBoundingClientRect();
        const x = at.left + at.width / 2;
        const y = at.top + at.height / 2;
        return !(x >= box.left && x <= box.right && y >= box.top && y <= box.bottom);
      });
      const broken = [...svg.querySelectorAll("*")].filter((node) =>
        /NaN|undefined|Infinity/.test(node.outerHTML.split(">")[0]),
      );
      return {
        label: svg.getAttribute("aria-label"),
        marks: marks.length,
        outside: outside.length,
        broken: broken.length,
        width: box.width,
      };
    }),
  );
}

export async function assertDrawn(page, min) {
  const found = await plots(page);
  assert.ok(found.length >= min, `${found.length} plots, expected ${min}`);
  for (const plot of found) {
    assert.ok(plot.label, "a plot without a name");
    assert.ok(plot.marks > 0, `no marks: ${plot.label}`);
    assert.equal(plot.outside, 0, `marks outside: ${plot.label}`);
    assert.equal(plot.broken, 0, `broken numbers: ${plot.label}`);
    assert.ok(plot.width > 100, `too narrow: ${plot.label}`);
  }
}

/** The minimum contrast of any text that is seen with what lies behind it, and which text that is. */
export function minContrast(page) {
  return page.evaluate(() => {
    const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const rgba = (colour) => {
      context.clearRect(0, 0, 1, 1);
      context.fillStyle = colour;
      context.fillRect(0, 0, 1, 1);
      return [...context.getImageData(0, 0, 1, 1).data];
    };
    const known = new Map();
    const luminance = (colour) => {
      if (!known.has(colour)) known.set(colour, measure(colour));
      return known.get(colour);
    };
    const measure = (colour) => {
      const [r, g, b] = rgba(colour)
        .slice(0, 3)
        .map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (node) => {
      if (node.matches?.(".in-cell")) return getComputedStyle(node.previousElementSibling).fill;
      for (let at = node; at; at = at.parentElement) {
        const colour = getComputedStyle(at).backgroundColor;
        if (!/, 0\)$|transparent/.test(colour)) return colour;
      }
      return "white";
    };
    let min = { ratio: 99, text: "" };
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let text = walker.nextNode(); text; text = walker.nextNode()) {
      const node = text.parentElement;
      if (!text.data.trim() || !node.getClientRects().length || node.closest(".unseen, script")) continue;
      const style = getComputedStyle(node);
      const [a, b] = [luminance(node.closest("svg") ? style.fill : style.color), luminance(behind(node))];
      const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      if (ratio < min.ratio) min = { ratio, text: text.data, of: node.className?.baseVal ?? node.className };
    }
    return min;
  });
}

/** minContrast() is stricter than axe on colours, and knows letters in plots. */
export async function assertAccessible(page) {
  await page.evaluate(AXE);
  const result = await page.evaluate(() =>
    window.axe.run(document, {
      resultTypes: ["violations"],
      rules: { "color-contrast": { enabled: false } },
    }),
  );
  const serious = result.violations.filter((v) => ["serious", "critical"].includes(v.impact));
  assert.deepEqual(
    serious.map((v) => `${v.id}: ${v.nodes[0].html}`),
    [],
  );
}

/** At once: that a click opens one is a case of its own. */
export async function openTables(page) {
  await page.evaluate(() => {
    for (const details of document.querySelectorAll("details.numbers")) details.open = true;
  });
  await page.waitForFunction(() =>
    [...document.querySelectorAll("details.numbers")].every((details) => details.querySelector("table")),
  );
}

export const overflow = (page) =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
