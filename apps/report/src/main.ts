import "./style.css";
import { el } from "./dom";
import { inspectPage } from "./inspect/page";
import { showPage } from "./page";
import type { Report } from "./report";
import { sweepPage } from "./sweep/page";
import { installTooltip } from "./tooltip";

function read(): Report {
  const report = JSON.parse(document.getElementById("report")?.textContent ?? "") as Report;
  // Rows that are not there say nothing; a bucket keeps its place.
  report.buckets =
    (report.buckets as (object | null)[] | null | undefined)?.map((bucket) => bucket ?? {}) ?? null;
  if (report.kind === "inspect") {
    report.attention = report.attention?.filter(Boolean) ?? null;
    report.tokens = report.tokens?.filter(Boolean) ?? null;
  } else {
    report.chosen = report.chosen?.filter(Boolean) ?? null;
    report.settings = report.settings?.map((setting) => (setting as object | null) ?? {}) ?? null;
  }
  return report;
}

try {
  const report = read();
  showPage(report.kind === "sweep" ? sweepPage(report) : inspectPage(report));
  installTooltip();
} catch (error) {
  // A page that cannot be drawn says so rather than staying white.
  document
    .getElementById("page")
    ?.replaceChildren(el("p", { role: "alert" }, `This report cannot be shown: ${String(error)}`));
  throw error;
}
