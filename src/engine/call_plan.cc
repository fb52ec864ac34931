// How the texts of a call are read: prompt, limit, truncation, tokens.
#include <algorithm>
#include <utility>

#include "base/fail.h"
#include "base/fail_about.h"
#include "engine/sentence_encoder_impl.h"

namespace treble {

namespace {

/// Texts handed to a thread at a time when tokenizing.
constexpr std::int64_t kTokenizeChunk = 16;

/// Cut to tokenize.max_length, then further until no more than max_counted tokens take a row of the position table.
/// `encode` makes tokens under TokenizeOptions.
template <typename Encode>
TokenizedText encode_in_plan(const Tokenizer& tokenizer, const CallPlan& plan, const Encode& encode) {
  TokenizedText result = encode(plan.tokenize);
  result.prompt_tokens = plan.prompt_tokens;
  if (!plan.padding_idx) return result;
  TokenizeOptions shorter = plan.tokenize;
  for (;;) {
    const auto size = std::ssize(result.ids);
    const std::int64_t too_many =
        size - std::count(result.ids.begin(), result.ids.end(), *plan.padding_idx) - plan.max_counted;
    if (too_many <= 0) return result;
    shorter.max_length = static_cast<std::size_t>(size - too_many);
    result = encode(shorter);
    result.prompt_tokens = tokenizer.count_prompt_tokens(plan.prompt, shorter);
  }
}

void expand(const TokenExpansion& expansion, TokenizedText& text) {
  const std::int64_t missing = expansion.length - std::ssize(text.ids);
  if (missing <= 0) return;
  text.ids.insert(text.ids.end(), static_cast<std::size_t>(missing), expansion.token);
  text.expansion_tokens = static_cast<std::int32_t>(missing);
  if (!expansion.attended) text.unattended_tokens = text.expansion_tokens;
}

/// `encode` makes the tokens of text (or pair) `index`.
template <typename Encode>
TokenizedText encode_item(const Tokenizer& tokenizer, const CallPlan& plan, std::int64_t index, const Encode& encode) {
  try {
    TokenizedText result = encode_in_plan(tokenizer, plan, encode);
    result.prompt_tokens = std::min(result.prompt_tokens, static_cast<std::int32_t>(result.ids.size()));
    if (plan.expansion) expand(*plan.expansion, result);
    return result;
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("text {}: {}", index, error.what()),
                {.text_index = index, .file = error.file()});
  }
}

/// The text with the prompt before it, in `room` where there is one.
std::string_view prompted(const CallPlan& plan, std::string_view text, std::string& room) {
  if (plan.prompt.empty()) return text;
  room = plan.prompt;
  return room += text;
}

}  // namespace

TokenizedText internal::tokenize_one(const Tokenizer& tokenizer, const CallPlan& plan, std::string_view text,
                                     std::int64_t index) {
  std::string room;
  const std::string_view whole = prompted(plan, text, room);
  return encode_item(tokenizer, plan, index,
                     [&](const TokenizeOptions& options) { return tokenizer.encode(whole, options); });
}

TokenizedText internal::tokenize_one(const Tokenizer& tokenizer, const CallPlan& plan, const TextPair& pair,
                                     std::int64_t index) {
  std::string room;
  const std::string_view query = prompted(plan, pair.query, room);
  return encode_item(tokenizer, plan, index,
                     [&](const TokenizeOptions& options) { return tokenizer.encode_pair(query, pair.text, options); });
}

std::vector<TokenCount> internal::token_counts(std::span<const TokenizedText> texts) {
  std::vector<TokenCount> counts;
  counts.reserve(texts.size());
  for (const auto& text : texts) {
    counts.push_back({static_cast<std::int64_t>(text.num_tokens), std::ssize(text.ids) - text.expansion_tokens});
  }
  return counts;
}

/// Where a model has an adapter for each task, a prompt of a task's name is that task's alone.
void SentenceEncoder::Impl::check_prompt_task(const std::string& prompt_name) const {
  const ModelParts& parts = settings.parts;
  const bool is_task = std::find(parts.tasks.begin(), parts.tasks.end(), prompt_name) != parts.tasks.end();
  if (!is_task || prompt_name == parts.task) return;
  fail(ErrorCode::invalid_argument,
       "the prompt \"{}\" belongs to the task of that name, but the model was loaded with the adapter of \"{}\"; load "
       "it "
       "with ModelOptions::task \"{}\"",
       prompt_name, parts.task, prompt_name);
}

std::string SentenceEncoder::Impl::resolve_prompt(const EncodeOptions& options) const {
  if (options.prompt && options.prompt_name) {
    fail(ErrorCode::invalid_argument, R"(give either a prompt or a prompt_name, not both ("{}" and "{}"))",
         *options.prompt, *options.prompt_name);
  }
  if (options.prompt) return *options.prompt;
  const std::string name = options.prompt_name.value_or(settings.default_prompt_name);
  if (name.empty()) return {};
  check_prompt_task(name);
  if (auto found = find_prompt(settings, name)) return *found;
  std::string known;
  for (const auto& [known_name, prompt] : settings.prompts) known += (known.empty() ? "" : ", ") + known_name;
  fail(ErrorCode::not_found, "the model has no prompt \"{}\"; it has {}", name, known.empty() ? "none" : known);
}

std::int64_t SentenceEncoder::Impl::resolve_max_length(const EncodeOptions& options) const {
  if (!options.max_length) return info.max_length;
  if (*options.max_length >= 1 && *options.max_length <= info.max_length) return *options.max_length;
  fail(ErrorCode::invalid_argument, "max_length {} is out of range: the model was loaded for 1 to {} tokens",
       *options.max_length, info.max_length);
}

void SentenceEncoder::Impl::check_temperature(const EncodeOptions& options) const {
  options.temperature.check_fits(encoder.config().num_layers, encoder.config().num_heads);
  if (options.temperature.is_identity() || encoder.tempered_layers() > 0) return;
  fail(ErrorCode::unsupported, "temperature {} would change nothing: {} has no attention layer that it acts on{}",
       options.temperature.to_string(), info.name,
       encoder.is_recurrent() ? "; what acts on its states is a state control such as window:512" : "");
}

void SentenceEncoder::Impl::check_state_control(const EncodeOptions& options) const {
  if (options.state.is_identity()) return;
  if (!encoder.is_recurrent()) {
    fail(ErrorCode::unsupported,
         "state control {} (EncodeOptions::state) would change nothing: {} has no state, only Mamba-2 models have one",
         options.state.to_string(), info.name);
  }
  options.state.check_fits(encoder.config().num_layers, encoder.config().num_heads);
}

/// Nothing of a text would be left behind such a prompt, so all texts would get one vector.
void SentenceEncoder::Impl::check_prompt_fits(const std::string& prompt, std::int64_t max_length) const {
  if (prompt.empty()) return;
  const auto tokens = static_cast<std::int64_t>(tokenizer.encode(prompt).num_tokens);
  if (tokens < max_length) return;
  fail(ErrorCode::invalid_argument,
       "the prompt \"{:.60}\" alone has {} tokens, a text may have {}: nothing of any text would be read; shorten the "
       "prompt, or raise EncodeOptions::max_length",
       prompt, tokens, max_length);
}

CallPlan SentenceEncoder::Impl::plan_reading(const EncodeOptions& options) const {
  CallPlan result;
  result.prompt = resolve_prompt(options);
  const std::int64_t limit_in_force = resolve_max_length(options);
  if (options.truncation.value_or(tokenizer.default_truncation()) == Truncation::end)
    check_prompt_fits(result.prompt, limit_in_force);
  result.tokenize.max_length = static_cast<std::size_t>(limit_in_force);
  if (!options.max_length && limit.uncounted_tokens > 0 && lengths.max_tokens == limit.tokens) {
    result.padding_idx = encoder.config().padding_idx;
    result.max_counted = limit_in_force;
    *result.tokenize.max_length += static_cast<std::size_t>(limit.uncounted_tokens);
  }
  result.tokenize.truncation = options.truncation;
  result.tokenize.add_special_tokens = !settings.parts.is_static;
  result.prompt_tokens = tokenizer.count_prompt_tokens(result.prompt, result.tokenize);
  return result;
}

void SentenceEncoder::Impl::check_call(const EncodeOptions& options) const {
  check_temperature(options);
  check_state_control(options);
}

CallPlan SentenceEncoder::Impl::plan(const EncodeOptions& options) const {
  heads.require(OutputKind::dense, info.name);
  check_call(options);
  const ModuleChainOptions output{options.normalize, options.dimensions};
  const std::int64_t dim = modules->output_dim(output);
  CallPlan result = plan_reading(options);
  result.output = output;
  result.dim = dim;
  return result;
}

namespace {

/// `items` are texts or pairs.
template <typename Item>
std::vector<TokenizedText> tokenize_all(ThreadPool& pool, const Tokenizer& tokenizer, std::span<const Item> items,
                                        const CallPlan& plan, CallWatch* watch) {
  const auto count = static_cast<std::int64_t>(items.size());
  std::vector<TokenizedText> tokenized(items.size());
  const std::int64_t chunks = (count + kTokenizeChunk - 1) / kTokenizeChunk;
  pool.parallel_for(chunks, [&](std::int64_t chunk, int) {
    if (watch != nullptr) watch->check_early();
    const std::int64_t end = std::min(count, (chunk + 1) * kTokenizeChunk);
    for (std::int64_t index = chunk * kTokenizeChunk; index < end; ++index) {
      const auto i = static_cast<std::size_t>(index);
      tokenized[i] = tokenize_one(tokenizer, plan, items[i], index);
    }
  });
  return tokenized;
}

}  // namespace

std::vector<TokenizedText> SentenceEncoder::Impl::tokenize(std::span<const std::string_view> texts,
                                                           const CallPlan& plan, CallWatch* watch) {
  return tokenize_all(pool, tokenizer, texts, plan, watch);
}

std::vector<TokenizedText> SentenceEncoder::Impl::tokenize(std::span<const TextPair> pairs, const CallPlan& plan,
                                                           CallWatch* watch) {
  return tokenize_all(pool, tokenizer, pairs, plan, watch);
}

void SentenceEncoder::Impl::validate(const EncodeOptions& options) const {
  plan(options);
  if (options.batch_tokens < 0) {
    fail(ErrorCode::invalid_argument, "batch_tokens must be at least 1, got {}", options.batch_tokens);
  }
}

}  // namespace treble
