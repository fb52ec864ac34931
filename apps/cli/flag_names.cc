#include "flag_names.h"

#include <array>
#include <utility>

namespace treble::cli {

namespace {

using FieldAndFlag = std::pair<std::string_view, std::string_view>;

/// A name that begins with another one comes before it.
constexpr auto kFlags = std::to_array<FieldAndFlag>({{"BakeOptions::dtype", "--dtype"},
                                                     {"BakeOptions::force", "--force"},
                                                     {"BakeOptions::temper_position_bias", "--temper-position-bias"},
                                                     {"EncodeOptions::max_length", "--max-length"},
                                                     {"Existing::replace", "--force"},
                                                     {"ModelOptions::adapter", "--adapter"},
                                                     {"ModelOptions::dtype", "--dtype"},
                                                     {"ModelOptions::extension", "--extend"},
                                                     {"ModelOptions::max_length", "--max-length"},
                                                     {"ModelOptions::task", "--task"},
                                                     {"EncodeOptions::prompt_name", "--prompt-name"},
                                                     {"EncodeOptions::prompt", "--prompt"},
                                                     {"EncodeOptions::dimensions", "--dimensions"},
                                                     {"EncodeOptions::state", "--state"},
                                                     {"InspectOptions::label_sample", "--labels"},
                                                     {"InspectOptions::max_sim_documents", "--max-sim-documents"},
                                                     {"InspectOptions::output", "--output-kind"},
                                                     {"InspectOptions::posts", "--post"},
                                                     {"InspectOptions::queries", "--queries"},
                                                     {"PasskeyOptions::lengths", "--lengths"},
                                                     {"PasskeyOptions::samples", "--samples"},
                                                     {"PasskeyOptions::rows", "--rows"},
                                                     {"PasskeyOptions::digits", "--digits"},
                                                     {"PasskeyOptions::new_tokens", "--new-tokens"},
                                                     {"PasskeyOptions::prompt.passkey", "--passkey"},
                                                     {"PasskeyOptions::prompt.filler", "--filler"},
                                                     {"PasskeyOptions::prompt.prefix", "--prefix"},
                                                     {"PerplexityOptions::sentence", "--filler"},
                                                     {"PasskeyOptions::prompt.question", "--question"},
                                                     {"PerplexityOptions::tokens", "--tokens"},
                                                     {"SweepOptions::baselines", "--post"},
                                                     {"SweepOptions::document_prompt", "--document-prompt"},
                                                     {"SweepOptions::states", "--state"},
                                                     {"read_candidates", "--candidates"},
                                                     {"SweepOptions::max_lengths", "--try-max-length"},
                                                     {"SweepOptions::run_depth", "--run"},
                                                     {"SweepOptions::samples_per_label", "--samples-per-label"},
                                                     {"SweepOptions::side", "--side"},
                                                     {"SweepOptions::similarity", "--similarity"},
                                                     {"SweepOptions::ignore_identical_ids", "--ignore-identical-ids"},
                                                     {"ModelOptions::cache", "--cache"},
                                                     {"SweepOptions::cache", "--cache DIR"},
                                                     {"SweepOptions::variants", "--try-dtype or --try-extend"},
                                                     {"VectorFileMode::replace", "--force"},
                                                     {"VectorFileMode::resume", "--resume"}});

}  // namespace

std::string with_flags(std::string_view message) {
  std::string text(message);
  for (const auto& [field, flag] : kFlags) {
    for (auto at = text.find(field); at != std::string::npos; at = text.find(field, at + flag.size())) {
      text.replace(at, field.size(), flag);
    }
  }
  return text;
}

}  // namespace treble::cli
