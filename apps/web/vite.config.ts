import { createHash } from "node:crypto";
import path from "node:path";
import { defineConfig, type Plugin, type UserConfig } from "vite";
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

/** What the server's page is made of: cmake/TreblePages.cmake compiles in exactly these. */
const PAGE_FILES = ["app.js", "favicon.svg", "index.html", "style.css"];

function checkFiles(): Plugin {
  return {
    name: "treble-files",
    enforce: "post",
    generateBundle: {
      order: "post",
      handler(_options, bundle) {
        const extra = Object.keys(bundle).filter((name) => !PAGE_FILES.includes(name));
        if (extra.length > 0) this.error(`the server does not know ${extra.join(", ")}`);
      },
    },
  };
}

const common = (name: string): UserConfig => ({
  root: path.resolve(__dirname, name),
  base: "./",
  build: {
    target: "es2021",
    outDir: path.resolve(__dirname, "../../build/web", name),
    emptyOutDir: true,
    modulePreload: false,
  },
});

/** The page of reports: one file, to be read from disk. */
function report(): UserConfig {
  return { ...common("report"), plugins: [viteSingleFile({ removeViteModuleLoader: true }), addPolicy()] };
}

/** The page that `treble serve` shows: plain files, so that its policy needs no inline script. */
function page(): UserConfig {
  const config = common("page");
  config.build = {
    ...config.build,
    cssCodeSplit: false,
    assetsInlineLimit: 0,
    rollupOptions: {
      output: {
        entryFileNames: "app.js",
        inlineDynamicImports: true,
        assetFileNames: (asset) => (asset.names[0]?.endsWith(".css") ? "style.css" : "[name][extname]"),
      },
    },
  };
  return { ...config, plugins: [checkFiles()] };
}

export default defineConfig(({ mode }) => (mode === "report" ? report() : page()));
