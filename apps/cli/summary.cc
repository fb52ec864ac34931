#include "summary.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <fstream>
#include <string_view>

#include "json.h"
#include "progress.h"

namespace treble::cli {

namespace {

double per_second(std::int64_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0.0;
}

std::string rate_line(const BulkResult& result) {
  std::string line = fmt::format("{}, {} in {:.1f} s", counted(result.texts(), "text"),
                                 counted(result.tokens(), "token"), result.seconds);
  if (result.texts() > 0) {
    line += fmt::format(" ({} tokens/s, {} texts/s)", rate(result.tokens_used(), result.seconds),
                        rate(result.texts(), result.seconds));
  }
  if (result.before.count > 0) line += fmt::format("; {} already embedded", counted(result.before.count, "row"));
  return line + "\n";
}

std::string truncation_line(const EmbedSummary& summary) {
  const BulkState& total = summary.result->total;
  const std::int64_t limit = summary.options.max_length.value_or(summary.model->max_length);
  if (summary.chunked) return "every text was read whole, long ones in pieces\n";
  // Queries and documents of a multi-vector model have limits of their own.
  const bool by_role = summary.kind == OutputKind::multi_vector && !summary.options.max_length;
  if (total.truncated_texts == 0) {
    return by_role ? "no text was longer than the model reads of its role\n"
                   : fmt::format("no text was longer than the {} tokens the model reads\n", limit);
  }
  const double share = 100.0 * static_cast<double>(total.tokens_lost()) / static_cast<double>(total.tokens);
  const std::string place = by_role ? "to what the model reads of its role" : fmt::format("at {} tokens", limit);
  std::string line = fmt::format("{} of {} cut {}: {} lost ({:.1f} % of all)", grouped(total.truncated_texts),
                                 counted(total.count, "text"), place, counted(total.tokens_lost(), "token"), share);
  if (!by_role && limit < summary.model->position_limit) {
    line += fmt::format("; --max-length may go up to {}", summary.model->position_limit);
  }
  return line + "\n";
}

std::string temperature_line(const EmbedSummary& summary) {
  const Temperature& temperature = summary.options.temperature;
  const std::string& baked = summary.model->baked_temperature;
  std::string line = temperature.is_identity()
                         ? std::string("temperature 1: the model as ") + (baked.empty() ? "trained" : "baked")
                         : fmt::format("temperature {} on {} attention layers", temperature.to_string(),
                                       summary.model->tempered_layers);
  if (!baked.empty()) line += fmt::format(", with temperature {} in its weights", baked);
  return line + "\n";
}

std::string state_line(const EmbedSummary& summary) {
  const StateControl& state = summary.options.state;
  if (state.is_identity()) return "state none: the model as trained\n";
  return fmt::format("state {} in {} layers\n", state.to_string(), summary.model->state_layers);
}

std::string clipping_line(const EmbedSummary& summary) {
  const std::int64_t clipped = summary.result->clipped_values;
  if (clipped == 0) return "no value lay outside the ranges\n";
  const std::int64_t values = summary.result->texts() * summary.dim;
  return fmt::format("{} of {} values lay outside the ranges and were clipped ({:.2f} %)\n", grouped(clipped),
                     grouped(values), 100.0 * static_cast<double>(clipped) / static_cast<double>(values));
}

std::string output_line(const EmbedSummary& summary) {
  const std::string state = summary.result->stopped ? "stopped early" : "done";
  if (summary.kind != OutputKind::dense) {
    // A file of theirs is whole or not there.
    const std::string place = summary.output.empty()    ? ", to stdout"
                              : summary.result->stopped ? ""
                                                        : ", to " + summary.output;
    return fmt::format("{}: {} {} of {} dimensions{}\n", state, to_string(summary.kind),
                       counted(summary.result->total.count, summary.kind == OutputKind::sparse ? "vector" : "text"),
                       summary.dim, place);
  }
  if (summary.output.empty())
    return fmt::format("{}: {}, {}-dimensional, to stdout\n", state, counted(summary.result->total.count, "vector"),
                       summary.dim);
  std::string line = fmt::format("{}: {} [{}, {}] {}", state, summary.output, summary.result->total.count,
                                 summary.columns, to_string(summary.precision));
  if (!summary.sidecar.empty()) line += ", described in " + summary.sidecar;
  return line + "\n";
}

}  // namespace

std::string describe(const EmbedSummary& summary) {
  std::string text = rate_line(*summary.result) + truncation_line(summary);
  if (const auto replaced = summary.result->total.replaced_characters; replaced > 0) {
    text += fmt::format("{} pieces of invalid UTF-8 replaced by U+FFFD\n", grouped(replaced));
  }
  text += summary.model->state_layers > 0 ? state_line(summary) : temperature_line(summary);
  if (summary.model->compute_dtype != ComputeType::float32 || !summary.model->dtype_reason.empty()) {
    text += fmt::format("computed in {} with {}{}{}\n", to_string(summary.model->compute_dtype), summary.model->cpu_isa,
                        summary.model->dtype_reason.empty() ? "" : "; ", summary.model->dtype_reason);
  }
  if (needs_ranges(summary.precision)) text += clipping_line(summary);
  return text + output_line(summary);
}

std::string summary_json(const EmbedSummary& summary) {
  const BulkResult& result = *summary.result;
  const Json json = {
      {"texts", result.texts()},
      {"tokens", result.tokens()},
      {"tokens_used", result.tokens_used()},
      {"truncated_texts", result.total.truncated_texts - result.before.truncated_texts},
      {"tokens_lost", result.tokens() - result.tokens_used()},
      {"seconds", result.seconds},
      {"tokens_per_second", per_second(result.tokens_used(), result.seconds)},
      {"load_seconds", summary.load_seconds},
      {"threads", summary.model->threads},
      {"compute_dtype", to_string(summary.model->compute_dtype)},
      {"dtype_reason", summary.model->dtype_reason},
      {"cpu_isa", summary.model->cpu_isa},
      {"peak_rss_bytes", peak_rss_bytes()},
      {"temperature", summary.options.temperature.to_string()},
      {"state", summary.options.state.to_string()},
      {"baked_temperature", summary.model->baked_temperature.empty() ? Json() : Json(summary.model->baked_temperature)},
      {"output", to_string(summary.kind)},
      {"precision", to_string(summary.precision)},
      {"clipped_values", result.clipped_values},
      {"resumed_after", result.before.count},
      {"complete", result.total.complete}};
  return dump(json, 2) + "\n";
}

std::uint64_t peak_rss_bytes() {
  // getrusage may report the peak of the process that started this one, before exec; /proc does not.
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    constexpr std::string_view kPeak = "VmHWM:";
    if (line.starts_with(kPeak)) return std::stoull(line.substr(kPeak.size())) * 1024;
  }
  rusage usage = {};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

}  // namespace treble::cli
