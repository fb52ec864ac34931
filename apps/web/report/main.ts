import "../shared/style.css";
import { el } from "../shared/dom";
import { collapseModelPage, type CollapseModelReport } from "./collapse/page";
import { passkeyPage, perplexityPage, type PasskeyReport, type PerplexityReport } from "./passkey/page";
import { inspectPage } from "../shared/inspect/page";
import { showPage } from "../shared/page";
import { readReport } from "../shared/read";
import { sweepPage } from "./sweep/page";
import { installTooltip } from "../shared/tooltip";

try {
  const text = document.getElementById("report")?.textContent ?? "";
  const parsed = JSON.parse(text) as { kind?: string };
  if (parsed.kind === "collapse-model") {
    showPage(collapseModelPage(parsed as CollapseModelReport));
  } else if (parsed.kind === "passkey") {
    showPage(passkeyPage(parsed as PasskeyReport));
  } else if (parsed.kind === "perplexity") {
    showPage(perplexityPage(parsed as PerplexityReport));
  } else {
    const report = readReport(text);
    showPage(report.kind === "sweep" ? sweepPage(report) : inspectPage(report));
  }
  installTooltip();
} catch (error) {
  // A page that cannot be drawn says so rather than staying white.
  document
    .getElementById("page")
    ?.replaceChildren(el("p", { role: "alert" }, `This report cannot be shown: ${String(error)}`));
  throw error;
}
