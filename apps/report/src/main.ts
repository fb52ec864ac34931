import "./style.css";
import { el } from "./dom";
import { inspectPage } from "./inspect/page";
import { showPage } from "./page";
import { readReport } from "./read";
import { sweepPage } from "./sweep/page";
import { installTooltip } from "./tooltip";

try {
  const report = readReport(document.getElementById("report")?.textContent ?? "");
  showPage(report.kind === "sweep" ? sweepPage(report) : inspectPage(report));
  installTooltip();
} catch (error) {
  // A page that cannot be drawn says so rather than staying white.
  document
    .getElementById("page")
    ?.replaceChildren(el("p", { role: "alert" }, `This report cannot be shown: ${String(error)}`));
  throw error;
}
