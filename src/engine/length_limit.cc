#include "engine/length_limit.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "base/fail.h"

namespace treble::internal {

namespace {

/// Those of config.json, or the family's default where it states none. Families without such a number (T5) have none.
std::optional<StatedLimit> positions_of(const StatedLimits& stated, const EncoderConfig& config) {
  if (stated.positions) return stated.positions;
  if (config.num_positions >= EncoderConfig::kPracticalLimit) return std::nullopt;
  return StatedLimit{config.num_positions, "the positions of the model"};
}

StatedLimit stated_limit(const StatedLimits& stated, const EncoderConfig& config) {
  if (stated.call) return *stated.call;
  if (stated.own) return *stated.own;
  StatedLimit limit = stated.tokenizer.value_or(StatedLimit{kNoLimit, {}});
  if (const auto positions = positions_of(stated, config); positions && positions->tokens < limit.tokens) {
    limit = *positions;
  }
  return limit;
}

}  // namespace

std::optional<StatedLimit> read_limit(const JsonObject& json, const char* key) {
  const auto number = json.number(key);
  if (!number) return std::nullopt;
  if (!(*number >= 1) || std::floor(*number) != *number) {
    fail_at(json, ErrorCode::invalid_file, "\"{}\" is {}, it must be a whole number of at least 1", key, *number);
  }
  const double tokens = std::min(*number, static_cast<double>(kNoLimit));
  const std::string file = std::filesystem::path(json.origin()).filename().string();
  return StatedLimit{static_cast<std::int64_t>(tokens), fmt::format("{} of {}", key, file)};
}

LengthLimit choose_length(const StatedLimits& stated, const EncoderConfig& config) {
  const StatedLimit limit = stated_limit(stated, config);
  const std::int64_t table = config.learned_positions ? config.max_tokens() : config.practical_limit();
  LengthLimit chosen;
  chosen.tokens = std::min(limit.tokens, table);
  chosen.source = limit.source;
  chosen.position_limit = config.max_tokens();
  if (!config.learned_positions) chosen.position_limit = std::max(chosen.position_limit, chosen.tokens);
  if (limit.tokens <= table) return chosen;
  if (!config.learned_positions) {
    chosen.source = "Treble's maximum, as the model has no limit";
    chosen.stated = false;
    return chosen;
  }
  chosen.source = "the position table";
  if (config.padding_idx) chosen.uncounted_tokens = std::min(limit.tokens, EncoderConfig::kPracticalLimit) - table;
  const bool asked_for = limit.tokens < kNoLimit && (stated.call || stated.own);
  if (asked_for) {
    chosen.warning = fmt::format("{} is {}, but the position table ends at {} tokens: longer texts are cut there",
                                 limit.source, limit.tokens, table);
  }
  return chosen;
}

LengthPlan plan_lengths(const ModelOptions& options, const LengthLimit& limit) {
  const std::int64_t stated = limit.position_limit;
  if (!options.max_length) return {limit.tokens, options.extension, stated};
  const std::int64_t max =
      options.extension == PositionExtension::none ? limit.position_limit : EncoderConfig::kPracticalLimit;
  if (*options.max_length < 1 || *options.max_length > max) {
    fail(ErrorCode::invalid_argument, "max_length {} is out of range: the model has positions for 1 to {} tokens{}",
         *options.max_length, max,
         options.extension == PositionExtension::none ? "; ModelOptions::extension gives it more" : "");
  }
  return {*options.max_length, options.extension, stated};
}

}  // namespace treble::internal
