// A whole input in memory, for commands that look at texts more than once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "input/input_plan.h"
#include "model_arguments.h"

namespace treble::cli {

/// Owns the records; the views live as long as it does.
struct AllTexts {
  std::vector<TextRecord> records;
  std::vector<std::string_view> views;
};

/// A text file of one query a line, or JSONL with "text". Throws what reading throws.
std::vector<std::string> read_queries(const std::string& path);

/// A reservoir sample of up to `max_texts` texts of one input, in any of the forms that embed takes.
std::vector<std::string> read_sample(const std::string& path, std::int64_t max_texts, std::uint64_t seed);

/// Throws Error{invalid_argument} when there are fewer than two texts, and what reading throws.
AllTexts read_all_texts(const InputPlan& plan, const InputOptions& options);

}  // namespace treble::cli
