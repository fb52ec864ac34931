/**
 * A server with the page and made-up answers, for the test of the page: shapes, headers and errors as `treble serve` has
 * them, vectors from the words of a text and a share that all texts have in common, which grows with their length and with
 * the temperature. `answers` may replace any of it.
 */
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";

const POLICY = readFileSync(new URL("../../server/api/page_routes.cc", import.meta.url), "utf8").match(
  /kPolicy =\s*((?:"[^"]*"\s*)+);/,
)[1];
/** What the C++ server sends with the page. */
export const CONTENT_SECURITY_POLICY = [...POLICY.matchAll(/"([^"]*)"/g)].map((part) => part[1]).join("");

const SIZE = 32;
export const LIMIT = 128;

export function words(text) {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}

function hash(word) {
  let value = 2166136261;
  for (const letter of word) value = Math.imul(value ^ letter.codePointAt(0), 16777619) >>> 0;
  return value;
}

/** τ at a length, as the schedules have it. */
function temperatureAt(temperature, tokens) {
  const [kind, value] = String(temperature).includes(":")
    ? String(temperature).split(":")
    : ["constant", temperature];
  const n = Math.max(2, tokens);
  if (kind === "constant") return Number(value);
  if (kind === "log") return Math.min(1, Math.log(Number(value)) / Math.log(n));
  if (kind === "yarn") return 1 / (0.1 * Math.log(Math.max(1, n / Number(value))) + 1) ** 2;
  return 1 / (Number(value) * Math.log(n));
}

/** `state`: of a model with states, whose window forgets what came before. */
export function vectorOf(text, temperature, state = "none") {
  const read = words(text).slice(0, LIMIT - 2);
  const used = state.startsWith("window:") ? read.slice(-Number(state.slice(7))) : read;
  const vector = new Array(SIZE).fill(0);
  for (const word of used) {
    const value = hash(word);
    vector[value % SIZE] += value & 256 ? 1 : -1;
  }
  const own = Math.hypot(...vector) || 1;
  const common = 0.25 * Math.log2(used.length + 2) * temperatureAt(temperature, used.length + 2);
  const mixed = vector.map((v, i) => v / own + (common * (i % 3 === 0 ? 1 : 0.4)) / Math.sqrt(SIZE));
  const length = Math.hypot(...mixed);
  return mixed.map((v) => v / length);
}

export const answers = {
  key: "",
  info: () => ({
    model_id: "models/made-up",
    served_model_name: "made-up",
    max_input_length: LIMIT,
    max_client_batch_size: 32,
    version: "0.1.0",
  }),
  /** Called before each answer; may return an answer in its place. */
  before: () => undefined,
  inspect: () => ({ status: 501, body: { error: "there is no report", error_type: "Unimplemented" } }),
};

const STATE = /^(none|rri:[-\d.e]+,[-\d.e]+|window:\d+|norm:[\d.]+)$/;

function embed({ inputs, temperature = 1, state = "none" }) {
  if (!STATE.test(state)) {
    const error = `\`state\` must be one of the texts none, rri:A,B, window:R, norm:P, not "${state}"`;
    return { status: 422, body: { error, error_type: "Validation" } };
  }
  const cut = inputs.map((text) => Math.max(0, words(text).length + 2 - LIMIT));
  const headers = {
    "x-truncated-texts": String(cut.filter((n) => n > 0).length),
    "x-truncated-tokens": String(cut.reduce((sum, n) => sum + n, 0)),
  };
  return { status: 200, headers, body: inputs.map((text) => vectorOf(text, temperature, state)) };
}

function tokenize({ inputs }) {
  const token = (text, id) => ({ id, text, special: false, start: 0, stop: text.length });
  return {
    status: 200,
    body: inputs.map((text) => [token("[CLS]", 0), ...words(text).map(token), token("[SEP]", 1)]),
  };
}

const FILES = {
  "/": ["index.html", "text/html; charset=utf-8"],
  "/app.js": ["app.js", "text/javascript; charset=utf-8"],
  "/style.css": ["style.css", "text/css; charset=utf-8"],
  "/favicon.svg": ["favicon.svg", "image/svg+xml"],
};

async function answer(request, given) {
  const url = new URL(request.url, "http://localhost");
  let text = "";
  for await (const part of request) text += part;
  const body = text ? JSON.parse(text) : {};
  const instead = await given.before(url.pathname, body, request);
  if (instead) return instead;
  if (given.key && request.headers.authorization !== `Bearer ${given.key}`) {
    return { status: 401, body: { error: "an API key is needed", error_type: "Unauthorized" } };
  }
  switch (url.pathname) {
    case "/info":
      return { status: 200, body: given.info() };
    case "/embed":
      return given.embed?.(body) ?? embed(body);
    case "/tokenize":
      return given.tokenize?.(body) ?? tokenize(body);
    case "/inspect":
      return given.inspect(body);
    default:
      return { status: 404, body: { error: `no ${url.pathname}`, error_type: "NotFound" } };
  }
}

/** On a free port. `folder`: the built page; `changes`: to the answers. */
export async function startServer(folder, changes = {}) {
  const given = { ...answers, ...changes };
  const server = createServer((request, response) => {
    const file = FILES[request.url];
    if (file && request.method === "GET") {
      response.writeHead(200, {
        "content-type": file[1],
        "content-security-policy": CONTENT_SECURITY_POLICY,
      });
      response.end(readFileSync(path.join(folder, file[0])));
      return;
    }
    void answer(request, given).then(({ status, headers = {}, body }) => {
      response.writeHead(status, { "content-type": "application/json", ...headers });
      response.end(JSON.stringify(body));
    });
  });
  await new Promise((done) => server.listen(changes.port ?? 0, "127.0.0.1", done));
  const close = () =>
    new Promise((done) => {
      server.closeAllConnections();
      server.close(done);
    });
  return { url: `http://127.0.0.1:${server.address().port}/`, close };
}
