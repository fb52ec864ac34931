#include "sweep/reading_advice.h"

#include <fmt/format.h>

#include <algorithm>

#include "sweep/settings.h"

namespace treble::internal {

namespace {

/// Less is left out of most data and changes little.
constexpr double kSubstantial = 0.05;
/// Attention costs the square of the length, so no more is suggested.
constexpr std::int64_t kMaxTimes = 8;

std::string sentence(const char* what, const SweepReading& reading, std::int64_t limit) {
  return fmt::format(
      "{:.0f} % of the tokens of the {} were never read by the untouched model ({} of {} have more than {})",
      100 * reading.unread(), what, reading.cut, reading.texts, limit);
}

/// What reads more and was not tried.
/// `pieces`: whether texts in pieces need not be suggested.
std::vector<std::string> untried(const SweepReport& report, std::int64_t limit, std::int64_t position_limit,
                                 bool pieces) {
  bool further = false;
  const std::int64_t before = report.documents_read.front().read;
  for (std::size_t s = 1; s < report.settings.size(); ++s) {
    const bool chunks = report.settings[s].chunks.has_value();
    pieces = pieces || chunks;
    further = further || (!chunks && report.documents_read[s].read > before);
  }
  std::vector<std::string> result;
  if (!pieces) result.push_back(fmt::format("SweepOptions::baselines chunk-mean:{}", limit));
  const std::int64_t longer = std::min(position_limit, kMaxTimes * limit);
  if (!further && longer > limit) result.push_back(fmt::format("SweepOptions::max_lengths {}", longer));
  return result;
}

}  // namespace

std::vector<std::string> reading_advice(const SweepReport& report, const SentenceEncoder& encoder,
                                        const SweepOptions& options) {
  const ModelInfo& model = encoder.info();
  const OutputKind output = ranked_output(model);
  // Its documents and queries have limits of their own.
  if (output == OutputKind::multi_vector) return {};
  const std::int64_t limit = options.encode.max_length.value_or(model.max_length);
  std::vector<std::string> advice;
  const auto add = [&](const char* what, const std::vector<SweepReading>& readings) {
    if (!readings.empty() && readings.front().unread() >= kSubstantial) {
      advice.push_back(sentence(what, readings.front(), limit));
    }
  };
  add(report.reranker ? "pairs" : report.queries_read.empty() ? "texts" : "documents", report.documents_read);
  add("queries", report.queries_read);
  if (advice.empty()) return advice;
  const auto ways = untried(report, limit, model.position_limit, report.reranker || output != OutputKind::dense);
  if (ways.empty()) {
    advice.back() += "; settings that read more were tried";
  } else {
    advice.back() += ": try " + ways.front() + (ways.size() > 1 ? " or " + ways.back() : "");
  }
  return advice;
}

}  // namespace treble::internal
