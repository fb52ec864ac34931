#include "treble/tokens.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <utility>

#include "base/fail_about.h"
#include "engine/call_watch.h"
#include "engine/encoder_access.h"
#include "engine/output_collector.h"
#include "engine/sentence_encoder_impl.h"
#include "layers/attention_observer.h"

namespace treble {

namespace {

/// What is wrong with the first id that the model has no row for.
std::optional<std::string> unknown_id(std::span<const std::int32_t> ids, std::int64_t vocab_size) {
  const auto found = std::find_if(ids.begin(), ids.end(), [&](std::int32_t id) { return id < 0 || id >= vocab_size; });
  if (found == ids.end()) return std::nullopt;
  return fmt::format(
      "token id {} at place {} is not in the vocabulary of {} tokens; were the ids made with this model's tokenizer?",
      *found, found - ids.begin(), vocab_size);
}

/// How many of the ids the model can read, counted from the end that is kept.
std::size_t within_limit(const CallPlan& plan, std::span<const std::int32_t> ids, Truncation truncation) {
  std::size_t kept = std::min(ids.size(), plan.tokenize.max_length.value());
  if (!plan.padding_idx) return kept;
  const auto counts = [&](std::size_t i) { return ids[i] != *plan.padding_idx; };
  std::int64_t counted = 0;
  for (std::size_t i = 0; i < kept; ++i) {
    counted += counts(truncation == Truncation::start ? ids.size() - 1 - i : i) ? 1 : 0;
    if (counted > plan.max_counted) return i;
  }
  return kept;
}

std::vector<Token> whole_text(const Tokenizer& tokenizer, const std::string& text, const TokenizeOptions& options) {
  std::vector<Token> tokens;
  for (TokenDetail& token : tokenizer.encode_with_details(text, options).tokens) {
    tokens.push_back({.id = token.id,
                      .text = token.special ? std::move(token.token)
                                            : text.substr(token.byte_begin, token.byte_end - token.byte_begin),
                      .special = token.special,
                      .byte_begin = static_cast<std::int64_t>(token.byte_begin),
                      .byte_end = static_cast<std::int64_t>(token.byte_end),
                      .char_begin = static_cast<std::int64_t>(token.char_begin),
                      .char_end = static_cast<std::int64_t>(token.char_end)});
  }
  return tokens;
}

/// Keeps what pooling works on, of one text.
class LastStates : public AttentionObserver {
 public:
  LastStates(std::int64_t num_layers, TokenEmbeddings& kept) : num_layers_(num_layers), kept_(kept) {}

  void on_attention(std::int64_t, const PackedBatch&, const AttentionInputs&) override {}

  void on_hidden_states(std::int64_t layer, const PackedBatch&, ConstMatrixView states) override {
    if (layer != num_layers_) return;
    kept_.num_tokens = states.rows;
    kept_.dim = states.cols;
    kept_.values.reserve(static_cast<std::size_t>(states.rows * states.cols));
    for (std::int64_t token = 0; token < states.rows; ++token) {
      const float* row = states.data + token * states.stride;
      kept_.values.insert(kept_.values.end(), row, row + states.cols);
    }
  }

 private:
  std::int64_t num_layers_;
  TokenEmbeddings& kept_;
};

/// Reads text `index` of a call, or list of ids, with the observer looking on.
using ReadOne = std::function<TokenCount(std::size_t index, AttentionObserver& observer)>;

/// Of text `index` of a call.
TokenEmbeddings embed_tokens(const SentenceEncoder& encoder, std::int64_t index, const EncodeOptions& options,
                             const ReadOne& read) {
  TokenEmbeddings embeddings;
  LastStates states(encoder.info().num_layers, embeddings);
  embeddings.count = read(static_cast<std::size_t>(index), states);
  const auto finite = [](float value) { return std::isfinite(value); };
  if (!std::all_of(embeddings.values.begin(), embeddings.values.end(), finite)) {
    throw non_finite_vector(index, embeddings.num_tokens, options.temperature);
  }
  return embeddings;
}

std::vector<TokenEmbeddings> embed_all_tokens(const SentenceEncoder& encoder, std::int64_t count,
                                              const EncodeOptions& options, const ReadOne& read) {
  CallWatch watch(options, count);
  std::vector<TokenEmbeddings> embeddings;
  embeddings.reserve(static_cast<std::size_t>(count));
  for (std::int64_t index = 0; index < count; ++index) {
    embeddings.push_back(embed_tokens(encoder, index, options, read));
    watch.add(1);
  }
  return embeddings;
}

/// Models without dense vectors have tokens too.
CallPlan plan_of_first_output(const SentenceEncoder& encoder, const EncodeOptions& options) {
  return internal::plan_outputs(encoder, std::span(encoder.info().outputs).first(1), {.encode = options});
}

}  // namespace

CallPlan SentenceEncoder::Impl::plan_token_ids(const EncodeOptions& options) const {
  CallPlan result = plan(options);
  if (result.prompt.empty()) return result;
  fail(ErrorCode::invalid_argument,
       "token ids are read as they are, so the {} \"{:.60}\" cannot be put before them; send texts, or set prompt_name "
       "to \"\" for no prompt",
       options.prompt || options.prompt_name ? "prompt" : "model's default prompt", result.prompt);
}

TokenizedText SentenceEncoder::Impl::take_token_ids(const CallPlan& plan, std::span<const std::int32_t> ids,
                                                    std::int64_t index) const {
  if (ids.empty()) fail_text(index, ErrorCode::invalid_argument, "the list of token ids is empty; give at least one");
  if (const auto wrong = unknown_id(ids, info.vocab_size)) {
    fail_text(index, ErrorCode::invalid_argument, "{}", *wrong);
  }
  const Truncation truncation = plan.tokenize.truncation.value_or(tokenizer.default_truncation());
  const std::size_t kept = within_limit(plan, ids, truncation);
  if (kept < ids.size() && truncation == Truncation::error) {
    fail_text(
        index, ErrorCode::text_too_long,
        "there are {} token ids, the limit is {}; send fewer, raise the limit, or let them be cut (truncation end or "
        "start)",
        ids.size(), kept);
  }
  const auto used = truncation == Truncation::start ? ids.last(kept) : ids.first(kept);
  return {.ids = {used.begin(), used.end()}, .num_tokens = ids.size()};
}

std::vector<std::vector<Token>> SentenceEncoder::Impl::tokenize_whole(std::span<const std::string_view> texts,
                                                                      const TokenizationOptions& options) {
  EncodeOptions prompts;
  prompts.prompt = options.prompt;
  prompts.prompt_name = options.prompt_name;
  const std::string prompt = resolve_prompt(prompts);
  const TokenizeOptions whole{.max_length = std::nullopt, .add_special_tokens = options.add_special_tokens};
  std::vector<std::vector<Token>> tokens(texts.size());
  pool.parallel_for(std::ssize(texts), [&](std::int64_t index, int) {
    const auto i = static_cast<std::size_t>(index);
    try {
      tokens[i] = whole_text(tokenizer, prompt + std::string(texts[i]), whole);
    } catch (const Error& error) {
      throw Error(error.code(), fmt::format("text {}: {}", index, error.what()),
                  {.text_index = index, .file = error.file()});
    }
  });
  return tokens;
}

std::string SentenceEncoder::Impl::decode(std::span<const std::int32_t> ids, bool skip_special_tokens) const {
  if (const auto wrong = unknown_id(ids, info.vocab_size)) fail(ErrorCode::invalid_argument, "{}", *wrong);
  const auto nameless = [&](std::int32_t id) { return !tokenizer.id_to_token(id); };
  const auto found = std::find_if(ids.begin(), ids.end(), nameless);
  if (found != ids.end()) {
    fail(ErrorCode::invalid_argument, "token id {} at place {} has no token: the tokenizer has {}, the model {} rows",
         *found, found - ids.begin(), tokenizer.vocab_size(), info.vocab_size);
  }
  return tokenizer.decode(ids, skip_special_tokens);
}

std::vector<TokenIds> token_ids(const SentenceEncoder& encoder, std::span<const std::string_view> texts,
                                const EncodeOptions& options) {
  const internal::CallPlan plan = plan_of_first_output(encoder, options);
  std::vector<TokenIds> ids(texts.size());
  internal::EncoderAccess::parallel_for(encoder, static_cast<std::int64_t>(texts.size()), [&](std::int64_t index) {
    const auto i = static_cast<std::size_t>(index);
    ids[i] = internal::EncoderAccess::tokenize(encoder, plan, texts[i], index).ids;
  });
  return ids;
}

Embeddings encode_token_ids(const SentenceEncoder& encoder, std::span<const TokenIds> lists,
                            const EncodeOptions& options) {
  return internal::EncoderAccess::encode_token_ids(encoder, lists, options);
}

std::vector<std::vector<Token>> tokenize(const SentenceEncoder& encoder, std::span<const std::string_view> texts,
                                         const TokenizationOptions& options) {
  return internal::EncoderAccess::tokenize_whole(encoder, texts, options);
}

std::string decode(const SentenceEncoder& encoder, std::span<const std::int32_t> ids, bool skip_special_tokens) {
  return internal::EncoderAccess::decode(encoder, ids, skip_special_tokens);
}

std::vector<TokenEmbeddings> token_embeddings(const SentenceEncoder& encoder, std::span<const std::string_view> texts,
                                              const EncodeOptions& options) {
  plan_of_first_output(encoder, options);
  return embed_all_tokens(encoder, std::ssize(texts), options, [&](std::size_t index, auto& observer) {
    try {
      return internal::EncoderAccess::observe(encoder, texts.subspan(index, 1), options, observer).front();
    } catch (const Error& error) {
      throw internal::with_text_index(error, static_cast<std::int64_t>(index));
    }
  });
}

std::vector<TokenEmbeddings> token_embeddings(const SentenceEncoder& encoder, std::span<const TokenIds> lists,
                                              const EncodeOptions& options) {
  const internal::CallPlan plan = internal::EncoderAccess::plan_token_ids(encoder, options);
  return embed_all_tokens(encoder, std::ssize(lists), options, [&](std::size_t index, auto& observer) {
    const internal::TokenizedText ids =
        internal::EncoderAccess::take_token_ids(encoder, plan, lists[index], static_cast<std::int64_t>(index));
    internal::EncoderAccess::observe(encoder, std::span(&ids, 1), options, observer);
    return TokenCount{.tokens = static_cast<std::int64_t>(ids.num_tokens), .used = std::ssize(ids.ids)};
  });
}

}  // namespace treble
