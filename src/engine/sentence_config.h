// sentence_bert_config.json (or its older names): the settings of sentence-transformers' Transformer module.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/length_limit.h"

namespace treble::internal {

/// What a Transformer module is to give: hidden states, or the logits of a head for sequence classification or for
/// masked language modelling.
enum class TransformerTask { feature_extraction, sequence_classification, fill_mask };

struct SentenceConfig {
  bool lowercase = false;           ///< do_lower_case: before tokenising
  std::optional<StatedLimit> own;   ///< see StatedLimits
  std::optional<StatedLimit> call;  ///< see StatedLimits
  /// Of a multi-vector model: query_length, document_length, query_expansion, as they are written.
  nlohmann::json tokens = nlohmann::json::object();
  /// Keys that are not used, and files that sentence-transformers would not read either.
  std::vector<std::string> warnings;
};

/// Reads the first file of sentence-transformers' list of names that is there and not empty; all defaults when there is
/// none. Throws Error{invalid_file} for values of another type, Error{unsupported} naming the key for what would change
/// vectors and is not obeyed: chat templates, other outputs and tasks, arguments of the model, config or tokenizer that
/// differ from what the files say.
/// `of_tokens`: of a multi-vector model; to others its keys are refused or of no use.
SentenceConfig read_sentence_config(const std::filesystem::path& transformer_folder,
                                    TransformerTask task = TransformerTask::feature_extraction, bool of_tokens = false);

/// The files of the folder that look like one: sentence_*_config.json, sorted.
std::vector<std::string> sentence_config_names(const std::filesystem::path& transformer_folder);

}  // namespace treble::internal
