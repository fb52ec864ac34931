#include "engine/multi_vector_head.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/fail_about.h"
#include "base/file_presence.h"
#include "base/required.h"
#include "engine/special_tokens.h"
#include "models/weight_loader.h"
#include "safetensors/message_text.h"

namespace treble::internal {

namespace {

constexpr const char* kStanfordWeight = "linear.weight";

TokenChain load_stanford_chain(const ModelSettings& settings, const Encoder& encoder) {
  const std::filesystem::path& folder = settings.parts.weights;
  const std::int64_t hidden = encoder.config().output_width();
  const StoredTensor* tensor = encoder.archive().find(kStanfordWeight);
  if (tensor == nullptr || tensor->shape.size() != 2) {
    fail_file(folder, ErrorCode::invalid_file,
              "config.json says HF_ColBERT, but the weights have no matrix \"{}\", which projects the tokens' vectors; "
              "fetch the weights again",
              kStanfordWeight);
  }
  const std::int64_t dim = tensor->shape[0];
  const WeightLoader loader(encoder.archive(), "", folder.string());
  const AlignedBuffer<float> weight = loader.matrix(kStanfordWeight, dim, hidden);
  return TokenChain::of_linear(hidden, dim, {weight.data(), static_cast<std::size_t>(dim * hidden)}, {});
}

TokenChain load_chain(const ModelSettings& settings, const Encoder& encoder) {
  const MultiVectorForm form = required(settings.multi_vector).form;
  TokenChain chain = form == MultiVectorForm::stanford
                         ? load_stanford_chain(settings, encoder)
                         : TokenChain::load(settings.parts.folder, encoder.config().output_width());
  if (form != MultiVectorForm::modules) chain.normalize();
  return chain;
}

bool contains(const std::vector<std::int32_t>& sorted, std::int32_t id) {
  return std::binary_search(sorted.begin(), sorted.end(), id);
}

/// The whole mark ("[Q] " of PyLate is one token), or what stands before its first white space.
std::vector<std::string> tokens_of_mark(const std::string& mark) {
  constexpr std::string_view kSpace = " \t\n\r\v\f";
  const auto begin = mark.find_first_not_of(kSpace);
  if (begin == std::string::npos) return {};
  return {mark, mark.substr(begin, mark.find_first_of(kSpace, begin) - begin)};
}

}  // namespace

void make_marks_special(const MultiVectorSettings& settings, Tokenizer& tokenizer) {
  TokenizeOptions plain;
  plain.add_special_tokens = false;
  for (const auto& [name, mark] : settings.marks) {
    for (const std::string& token : tokens_of_mark(mark)) {
      const auto id = tokenizer.token_to_id(token);
      if (!id) continue;
      const auto ids = tokenizer.encode(token, plain).ids;
      if (ids.size() != 1 || ids.front() != *id) tokenizer.make_special(token);
      break;
    }
  }
}

std::unique_ptr<const MultiVectorHead> MultiVectorHead::load(const ModelSettings& settings, const Encoder& encoder,
                                                             const Tokenizer& tokenizer) {
  std::unique_ptr<MultiVectorHead> head(
      new MultiVectorHead(load_chain(settings, encoder), required(settings.multi_vector)));
  head->limited_by_call_ = settings.limits.call.has_value();
  head->warnings_ = head->chain_.warnings();
  head->find_tokens(settings, tokenizer);
  head->check_expansion(settings, encoder);
  return head;
}

std::unique_ptr<const MultiVectorHead> MultiVectorHead::load_beside(const ModelParts& parts, const Encoder& encoder) {
  const std::filesystem::path file = parts.folder / kTokenVectorsFile;
  if (!is_there(file)) return nullptr;
  const TensorArchive archive = TensorArchive::open_file(file);
  const WeightLoader loader(archive, "", file.string());
  const StoredTensor* tensor = archive.find("weight");
  if (tensor == nullptr || tensor->shape.size() != 2) {
    fail_file(file, ErrorCode::invalid_file, "has no matrix \"weight\", which BGE-M3's linear layer has");
  }
  const std::int64_t dim = tensor->shape[0];
  const std::int64_t hidden = encoder.config().output_width();
  const AlignedBuffer<float> weight = loader.matrix("weight", dim, hidden);
  const std::vector<float> bias = loader.vector("bias", dim);
  if (const auto unread = loader.unread(); !unread.empty()) {
    fail_file(file, ErrorCode::unsupported,
              "the tensor {:.100} is not known; BGE-M3's linear layer has weight and bias", unread.front());
  }
  TokenChain chain = TokenChain::of_linear(hidden, dim, {weight.data(), static_cast<std::size_t>(dim * hidden)}, bias);
  chain.normalize();
  MultiVectorSettings settings;
  settings.form = MultiVectorForm::beside;
  settings.mean_max_sim = true;
  return std::unique_ptr<MultiVectorHead>(new MultiVectorHead(std::move(chain), std::move(settings)));
}

void MultiVectorHead::find_tokens(const ModelSettings& settings, const Tokenizer& tokenizer) {
  std::vector<std::string> words = settings_.skiplist_words;
  if (settings_.form == MultiVectorForm::modules) {
    const MultiVectorMaskConfig mask = chain_.mask().value_or(MultiVectorMaskConfig{});
    words = mask.skiplist_words;
    skips_in_queries_ = mask.skips_in_queries;
    skips_in_documents_ = mask.skips_in_documents;
    kept_ = mask.kept_ids;
    std::sort(kept_.begin(), kept_.end());
  }
  std::string missing;
  for (const std::string& word : words) {
    if (const auto id = tokenizer.token_to_id(word)) {
      skipped_.push_back(*id);
    } else {
      missing += fmt::format("{}{:.40}", missing.empty() ? "" : " ", word);
    }
  }
  std::sort(skipped_.begin(), skipped_.end());
  if (!missing.empty()) {
    warnings_.push_back(
        fmt::format("the skip list names words that are no token of the vocabulary and are not skipped, as in "
                    "sentence-transformers: {}",
                    for_message(missing)));
  }
  if (!settings_.expansion) return;
  const std::filesystem::path& folder = settings.parts.transformer;
  const std::string& token = settings_.expansion->token;
  auto id = token.empty() ? special_token_id(folder, tokenizer, "mask_token") : tokenizer.token_to_id(token);
  if (token.empty()) {
    // What the tokenizer classes of BERT and RoBERTa take where the files do not say.
    for (const char* mask : {"[MASK]", "<mask>"}) {
      const auto known = tokenizer.token_to_id(mask);
      if (!id && known && tokenizer.is_special(*known)) id = known;
    }
    if (!id) id = special_token_id(folder, tokenizer, "eos_token");
  }
  if (!id) {
    fail_file(folder, ErrorCode::invalid_file,
              "queries are to be expanded with {}, which the tokenizer does not have; write a token of its vocabulary "
              "into \"query_expansion\", \"token\"",
              token.empty() ? "its mask token" : fmt::format("\"{:.60}\"", for_message(token)));
  }
  expansion_id_ = *id;
}

/// What computes otherwise than by keys that are not there.
void MultiVectorHead::check_expansion(const ModelSettings& settings, const Encoder& encoder) const {
  if (!settings_.expansion) return;
  const auto& folder = settings.parts.folder;
  if (settings_.form == MultiVectorForm::modules && !chain_.mask()) {
    fail_file(
        folder / "modules.json", ErrorCode::unsupported,
        "\"query_expansion\" without a MultiVectorMask module, so the tokens that queries are filled up with would "
        "not be scored; add the module, or remove \"query_expansion\"");
  }
  const std::filesystem::path config = settings.parts.transformer / "tokenizer_config.json";
  if (is_there(config) && JsonObject::from_file(config).string("padding_side") == "left") {
    fail_file(
        config, ErrorCode::unsupported,
        "\"padding_side\" is \"left\": queries would be filled up before their first token, which Treble does not "
        "do");
  }
  if (settings_.expansion->attend) return;
  const std::string& type = encoder.config().model_type;
  if (encoder.is_recurrent() || type == "deberta-v2") {
    fail_file(
        folder, ErrorCode::unsupported,
        "queries are expanded with tokens that the others do not attend to, and a {} model does more with a token "
        "than attend to it; Treble does this for encoders whose attention is all that joins tokens",
        type);
  }
}

std::vector<std::int64_t> MultiVectorHead::scored_rows(const PackedBatch& batch, std::int64_t sequence,
                                                       TextRole role) const {
  const auto s = static_cast<std::size_t>(sequence);
  const bool query = role == TextRole::query;
  const bool skips = query ? skips_in_queries_ : skips_in_documents_;
  std::vector<std::int64_t> rows;
  const std::int64_t first = batch.offsets[s] + (settings_.form == MultiVectorForm::beside ? 1 : 0);
  for (std::int64_t row = first; row < batch.offsets[s + 1]; ++row) {
    const std::int32_t id = batch.ids[static_cast<std::size_t>(row)];
    if (skips && contains(skipped_, id)) continue;
    if (!query && !kept_.empty() && !contains(kept_, id)) continue;
    rows.push_back(row);
  }
  return rows;
}

EncodeOptions MultiVectorHead::reading(const EncodeOptions& options, TextRole role, std::int64_t max_length) const {
  EncodeOptions result = options;
  if (!result.prompt && !result.prompt_name) result.prompt_name = to_string(role);
  const auto& expansion = settings_.expansion;
  const bool expands = role == TextRole::query && expansion;
  if (expands && expansion->length > max_length) {
    fail(ErrorCode::invalid_argument,
         "queries of this model have {} tokens, but it was loaded for {}; load it with ModelOptions::max_length {}",
         expansion->length, max_length, expansion->length);
  }
  if (expands && options.max_length &&
      (expansion->is_maximum ? *options.max_length != expansion->length : *options.max_length < expansion->length)) {
    fail(ErrorCode::invalid_argument,
         "max_length is {}, but the queries of this model have {} {} tokens; leave max_length out", *options.max_length,
         expansion->is_maximum ? "exactly" : "at least", expansion->length);
  }
  if (options.max_length) return result;
  std::optional<std::int64_t> length = settings_.document_length;
  if (role == TextRole::query) length = expands && expansion->is_maximum ? expansion->length : settings_.query_length;
  if (length && !(limited_by_call_ && !expands)) result.max_length = std::min(*length, max_length);
  return result;
}

std::optional<TokenExpansion> MultiVectorHead::expansion(TextRole role) const {
  if (role != TextRole::query || !settings_.expansion) return std::nullopt;
  return TokenExpansion{
      .length = settings_.expansion->length, .token = expansion_id_, .attended = settings_.expansion->attend};
}

std::vector<std::string> MultiVectorHead::descriptions() const {
  std::vector<std::string> lines = chain_.descriptions();
  if (!reads_by_role()) {
    lines.emplace_back("Vectors of all tokens but the first");
    return lines;
  }
  std::string queries = "Queries:";
  if (const auto& expansion = settings_.expansion) {
    queries += fmt::format(" filled up to {} tokens with token {}, {}", expansion->length, expansion_id_,
                           expansion->attend ? "attended to" : "not attended to");
    if (expansion->is_maximum) queries += ", cut to as many";
  } else {
    queries += settings_.query_length ? fmt::format(" cut to {} tokens", *settings_.query_length) : " as they are";
  }
  lines.push_back(queries);
  lines.push_back(fmt::format(
      "Documents: {}, without the vectors of {} tokens",
      settings_.document_length ? fmt::format("cut to {} tokens", *settings_.document_length) : "as they are",
      skips_in_documents_ ? std::to_string(skipped_.size()) + " skipped" : std::string("no")));
  return lines;
}

std::vector<std::string> MultiVectorHead::warnings() const { return warnings_; }

}  // namespace treble::internal
