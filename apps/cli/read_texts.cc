#include "read_texts.h"

#include <utility>

#include "fail.h"
#include "progress.h"
#include "treble/reservoir.h"

namespace treble::cli {

AllTexts read_all_texts(const InputPlan& plan, const InputOptions& options) {
  const auto source = open_inputs(plan, options);
  AllTexts texts;
  for (TextRecord record; source->next(record);) texts.records.push_back(std::move(record));
  if (texts.records.size() < 2) {
    fail(ErrorCode::invalid_argument, "the input has {}; comparing needs at least 2, and a few hundred to mean much",
         counted(static_cast<std::int64_t>(texts.records.size()), "text"));
  }
  texts.views.reserve(texts.records.size());
  for (const auto& record : texts.records) texts.views.emplace_back(record.text);
  return texts;
}

std::vector<std::string> read_queries(const std::string& path) {
  const InputPlan plan = plan_inputs({path});
  const auto source = open_inputs(plan, {});
  std::vector<std::string> queries;
  for (TextRecord record; source->next(record);) queries.push_back(std::move(record.text));
  return queries;
}

std::vector<std::string> read_sample(const std::string& path, std::int64_t max_texts, std::uint64_t seed) {
  const InputPlan plan = plan_inputs({path});
  const auto source = open_inputs(plan, {});
  std::vector<std::string> kept;
  ReservoirSampler sampler(max_texts, seed);
  for (TextRecord record; source->next(record);) {
    const auto place = sampler.next();
    if (!place) continue;
    if (*place == kept.size()) kept.emplace_back();
    kept[*place] = std::move(record.text);
  }
  return kept;
}

}  // namespace treble::cli
