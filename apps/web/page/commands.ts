/** The same by other means: a request, and the command line. */
import { el } from "../shared/dom";
import { section } from "../shared/section";
import type { Text } from "./examples";
import { fields, option, type Setting, type Subject } from "./setting";

/** For a POSIX shell. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function shellJson(value: unknown, indent?: number): string {
  return quoted(JSON.stringify(value, null, indent));
}

export interface Equivalent {
  texts: Text[];
  setting: Setting;
  /** The folder or name that --model takes. */
  model: string;
  /** What the server's vectors are computed in. */
  dtype: string;
  /** The prompt that the server puts before texts: its name in the model, or itself. */
  promptName: string;
  prompt: string | undefined;
  /** Sent as "model", where the server has several. */
  field: string | undefined;
  /** Whether the server asks for a key. */
  key: boolean;
}

export function curlCommand({ texts, setting, field, key }: Equivalent): string {
  const body = {
    ...(field === undefined ? {} : { model: field }),
    inputs: texts.map(({ text }) => text),
    ...fields(setting),
  };
  const header = key ? ` \\\n  -H "Authorization: Bearer $API_KEY"` : "";
  return `curl ${new URL("embed", document.baseURI).href} \\\n  -H 'Content-Type: application/json'${header} \\\n  -d ${shellJson(body, 1)}`;
}

function lines(texts: Text[]): string {
  return texts.map(({ text }) => JSON.stringify({ text })).join("\n");
}

/** Every line before it is a JSON object, so no text can be taken for it. */
const END = "END_OF_TEXTS";

/** `embed` also normalises, as the server does for who does not say otherwise; `inspect` measures angles. */
export function commandLine(command: "embed" | "inspect", equivalent: Equivalent): string {
  const { texts, setting, model, dtype, promptName, prompt } = equivalent;
  const options = [
    option(setting),
    dtype === "float32" ? "" : ` --dtype ${dtype}`,
    prompt !== undefined
      ? ` --prompt ${quoted(prompt)}`
      : promptName === ""
        ? ""
        : ` --prompt-name ${quoted(promptName)}`,
    command === "embed" ? " --normalize" : "",
  ].join("");
  return `treble ${command} - --format jsonl --model ${quoted(model)}${options} <<'${END}'\n${lines(texts)}\n${END}`;
}

/** Also where the clipboard's own interface is denied: pages that come over plain HTTP from another machine. */
async function copy(source: HTMLElement): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(source.textContent ?? "");
    return true;
  } catch {
    const selection = getSelection();
    selection?.selectAllChildren(source);
    const done = document.execCommand("copy");
    if (done) selection?.removeAllRanges();
    return done;
  }
}

export function copyable(title: string, text: string): HTMLElement {
  const pre = el("pre", { tabindex: 0, "aria-label": title }, text);
  const said = el("span", { class: "said", role: "status" });
  const button = el("button", { type: "button", class: "action", "aria-label": `Copy: ${title}` }, "Copy");
  button.addEventListener("click", () => {
    void copy(pre).then((done) => {
      said.textContent = done ? "Copied" : "Selected: press Ctrl+C";
    });
  });
  return el(
    "div",
    { class: "copyable" },
    el("div", { class: "head" }, el("h3", {}, title), said, button),
    pre,
  );
}

const ROUTES = "on every route that embeds (also /v1/embeddings, for OpenAI's clients)";
const FIELD: Record<Subject, string> = {
  attention: `The temperature is one field of the request, ${ROUTES}, and one option of the command line.`,
  states: `The control of the state is one field of the request, ${ROUTES}, and one option of the command line.`,
  nothing: "A request, and the command line.",
};

export function commands(equivalent: Equivalent): HTMLElement {
  return section({
    title: "The same elsewhere",
    aside: "What they do",
    how: [
      `${FIELD[equivalent.setting.of]} The vectors are the same. --model is what the server was started with: on another machine, or from another folder, write the path that holds the model there. The third measures length collapse of these texts; for your own corpus name the file in place of the dash.`,
    ],
    body: [
      copyable("As a request", curlCommand(equivalent)),
      copyable("On the command line", commandLine("embed", equivalent)),
      copyable("As a report", commandLine("inspect", equivalent)),
    ],
  });
}
