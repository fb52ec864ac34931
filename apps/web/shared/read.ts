/** The report as the page draws it: without rows that are not there, without lengths that no text has. */
import type { InspectReport, Maybe, Report, SweepReport } from "./report";

type Row<T> = (T | null)[] | null | undefined;

/** Those columns of each of `rows`. */
function columns<T>(rows: Row<T>[] | null | undefined, kept: number[]): (T | null)[][] | null {
  return rows?.map((row) => (row ? kept.map((column) => row[column] ?? null) : [])) ?? null;
}

/** Empty lengths would take half of each plot of a corpus of long texts. */
function dropEmptyBuckets(report: InspectReport): void {
  const buckets = report.buckets ?? [];
  const kept = [...buckets.keys()].filter((column) => buckets[column]?.texts_seen !== 0);
  if (kept.length === buckets.length || kept.length === 0) return;
  const moved = (column: Maybe): Maybe => {
    const at = kept.findIndex((from) => from === column);
    return at < 0 ? null : at;
  };
  report.buckets = kept.map((column) => buckets[column] ?? {});
  report.bucket_cosine = columns(report.bucket_cosine, kept);
  report.bucket_matrix =
    report.bucket_matrix?.map((matrix) => columns(matrix && kept.map((row) => matrix[row]), kept)) ?? null;
  if (report.hubness) report.hubness.buckets = columns(report.hubness.buckets, kept);
  for (const estimate of report.classes?.estimates ?? []) estimate.bucket = moved(estimate.bucket);
  if (report.findings) {
    report.findings.short_bucket = moved(report.findings.short_bucket);
    report.findings.long_bucket = moved(report.findings.long_bucket);
  }
}

function readInspect(report: InspectReport): void {
  report.attention = report.attention?.filter(Boolean) ?? null;
  report.tokens = report.tokens?.filter(Boolean) ?? null;
  if (report.states) {
    report.states.heads = report.states.heads?.filter(Boolean) ?? null;
    report.states.layers = report.states.layers?.filter(Boolean) ?? null;
    report.states.findings = report.states.findings?.filter(Boolean) ?? null;
  }
  if (report.classes) report.classes.estimates = report.classes.estimates?.filter(Boolean) ?? null;
  dropEmptyBuckets(report);
}

function readSweep(report: SweepReport): void {
  report.chosen = report.chosen?.filter(Boolean) ?? null;
  report.settings = report.settings?.map((setting) => (setting as object | null) ?? {}) ?? null;
}

export function readReport(json: string): Report {
  return arrangeReport(JSON.parse(json) as Report);
}

/** In place. */
export function arrangeReport(report: Report): Report {
  // A bucket that is not there keeps its place.
  report.buckets =
    (report.buckets as (object | null)[] | null | undefined)?.map((bucket) => bucket ?? {}) ?? null;
  if (report.kind === "inspect") readInspect(report);
  else readSweep(report);
  return report;
}
