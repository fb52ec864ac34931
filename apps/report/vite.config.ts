import { createHash } from "node:crypto";
import { defineConfig, type Plugin } from "vite";
import { viteSingleFile } from "vite-plugin-singlefile";

/** Where report_page() (src/diagnostics/report_page.cc) puts the report. */
const PLACEHOLDER = "@REPORT_JSON@";
const INLINE = /<(script|style)\b(?![^>]*application\/json)[^>]*>([\s\S]*?)<\/\1>/g;

function hashes(html: string, tag: string): string {
  const found = [...html.matchAll(INLINE)].filter((match) => match[1] === tag);
  return found
    .map(
      (match) =>
        `'sha256-${createHash("sha256")
          .update(match[2] ?? "")
          .digest("base64")}'`,
    )
    .join(" ");
}

/** A policy under which the page can run and look like itself, and nothing else: nothing is fetched or sent. */
function addPolicy(): Plugin {
  return {
    name: "treble-policy",
    enforce: "post",
    generateBundle: {
      order: "post",
      handler(_options, bundle) {
        const page = bundle["index.html"];
        if (page?.type !== "asset" || Object.keys(bundle).length !== 1) {
          this.error(`the page must be one file, not ${Object.keys(bundle).join(", ")}`);
        }
        const html = String(page.source);
        if (html.split(PLACEHOLDER).length !== 2) this.error(`${PLACEHOLDER} must stand in the page once`);
        const policy =
          `default-src 'none'; script-src ${hashes(html, "script")}; style-src ${hashes(html, "style")}; ` +
          `img-src data:; base-uri 'none'; form-action 'none'`;
        page.source = html.replace(
          '<meta charset="utf-8" />',
          (charset) => `${charset}\n    <meta http-equiv="Content-Security-Policy" content="${policy}" />`,
        );
      },
    },
  };
}

export default defineConfig({
  base: "./",
  plugins: [viteSingleFile({ removeViteModuleLoader: true }), addPolicy()],
  build: { target: "es2021", emptyOutDir: true, modulePreload: false },
});
