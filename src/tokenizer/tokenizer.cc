#include "tokenizer/tokenizer.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <sstream>
#include <system_error>
#include <utility>

#include "base/fail_about.h"
#include "base/mapped_file.h"
#include "treble_tokenizers.h"

#if defined(__SANITIZE_THREAD__)
#define TREBLE_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TREBLE_THREAD_SANITIZER 1
#endif
#endif
#ifdef TREBLE_THREAD_SANITIZER
extern "C" void AnnotateIgnoreReadsBegin(const char* file, int line);
extern "C" void AnnotateIgnoreReadsEnd(const char* file, int line);
extern "C" void AnnotateIgnoreWritesBegin(const char* file, int line);
extern "C" void AnnotateIgnoreWritesEnd(const char* file, int line);
#endif

namespace treble::internal {
namespace {

/// ThreadSanitizer sees the copies that Rust makes but not the locks around them, since cargo builds without it. While
/// one of these lives, it takes nothing that this thread does for a race.
class [[maybe_unused]] UninstrumentedCall {
 public:
#ifdef TREBLE_THREAD_SANITIZER
  UninstrumentedCall() {
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  }
  ~UninstrumentedCall() {
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  }
#else
  UninstrumentedCall() = default;
#endif
  UninstrumentedCall(const UninstrumentedCall&) = delete;
  UninstrumentedCall& operator=(const UninstrumentedCall&) = delete;
};

/// Bytes from the FFI, freed at the end of the scope.
class OwnedBytes {
 public:
  OwnedBytes() = default;
  OwnedBytes(const OwnedBytes&) = delete;
  OwnedBytes& operator=(const OwnedBytes&) = delete;
  ~OwnedBytes() { treble_tok_bytes_free(bytes_); }

  TrebleTokBytes* out() { return &bytes_; }
  std::string str() const {
    return bytes_.data == nullptr ? std::string() : std::string(reinterpret_cast<const char*>(bytes_.data), bytes_.len);
  }

 private:
  TrebleTokBytes bytes_{nullptr, 0};
};

struct FreeEncoding {
  void operator()(TrebleTokEncoding* encoding) const noexcept { treble_tok_encoding_free(encoding); }
};
using EncodingPtr = std::unique_ptr<TrebleTokEncoding, FreeEncoding>;

const std::uint8_t* bytes_of(std::string_view text) { return reinterpret_cast<const std::uint8_t*>(text.data()); }

std::string_view view_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

/// A file that may be absent.
class SideFile {
 public:
  explicit SideFile(const std::filesystem::path& path) {
    if (std::filesystem::exists(path)) file_.emplace(path);
  }
  TrebleTokFile lent() const {
    if (!file_) return {nullptr, 0};
    const std::string_view text = view_of(*file_);
    return {bytes_of(text.empty() ? std::string_view("") : text), text.size()};
  }

 private:
  std::optional<MappedFile> file_;
};

/// What a tokenizer is read from where there is no tokenizer.json, in the order of TrebleTokSideFiles.
constexpr std::array<const char*, 5> kVocabularyFiles = {"vocab.txt", "vocab.json", "merges.txt",
                                                         "sentencepiece.bpe.model", "spiece.model"};

/// About the file beside `name` that `message` begins with.
[[noreturn]] void fail_beside(const std::string& name, ErrorCode code, const std::string& message) {
  const std::filesystem::path folder = std::filesystem::path(name).parent_path();
  fail_about(folder / message.substr(0, message.find_first_of(": ")), code, "{}", (folder / message).string());
}

[[noreturn]] void fail_status(TrebleTokStatus status, const std::string& name, const std::string& message) {
  switch (status) {
    case TREBLE_TOK_STATUS_INVALID_ARGUMENT: fail_file(name, ErrorCode::invalid_argument, "{}", message);
    case TREBLE_TOK_STATUS_INVALID_UTF8: fail(ErrorCode::invalid_argument, "{}; give the text as UTF-8", message);
    case TREBLE_TOK_STATUS_INVALID_TOKENIZER:
      fail_file(name, ErrorCode::invalid_file, "not a usable tokenizer: {}; save it again with save_pretrained()",
                message);
    case TREBLE_TOK_STATUS_INVALID_SETTINGS: fail_beside(name, ErrorCode::invalid_file, message);
    case TREBLE_TOK_STATUS_UNSUPPORTED: fail_beside(name, ErrorCode::unsupported, message);
    case TREBLE_TOK_STATUS_OUT_OF_MEMORY: fail(ErrorCode::invalid_argument, "{}", message);
    case TREBLE_TOK_STATUS_FAILED:
      fail_file(name, ErrorCode::invalid_file, "the tokenizer cannot process this input: {}", message);
    case TREBLE_TOK_STATUS_PANIC:
      // Oniguruma gives up after ten million steps, as it does under transformers.
      if (message.find("retry-limit") != std::string::npos) {
        fail_file(
            name, ErrorCode::invalid_argument,
            "the text has millions of white-space characters in a row, which the tokenizer's pattern cannot match; "
            "shorten the run");
      }
      break;
    case TREBLE_TOK_STATUS_OK: break;
  }
  fail_file(name, ErrorCode::internal, "{}", message);
}

/// Calls the FFI with options and out-pointers, and checks what comes back; `what` is a text or a pair.
template <typename Call>
EncodingPtr encode_with(const TrebleTokTokenizer* handle, const std::string& name, const TokenizeOptions& options,
                        bool with_details, std::string_view what, const Call& call) {
  const bool cut_at_start =
      options.truncation ? options.truncation == Truncation::start : treble_tok_cuts_at_start(handle);
  if (options.max_length == std::optional<std::size_t>(0)) {
    fail_file(name, ErrorCode::invalid_argument, "a limit of 0 tokens leaves no room for text");
  }
  const TrebleTokEncodeOptions raw{
      .max_length = options.max_length.value_or(0),
      .cut_at_start = cut_at_start,
      .add_special_tokens = options.add_special_tokens,
      .with_details = with_details,
      .window_bytes = options.window_bytes,
  };
  TrebleTokEncoding* encoding = nullptr;
  OwnedBytes error;
  const TrebleTokStatus status = [&] {
    const UninstrumentedCall scope;
    return call(&raw, &encoding, error.out());
  }();
  if (status != TREBLE_TOK_STATUS_OK) {
    fail_status(status, name, error.str());
  }
  EncodingPtr owned(encoding);
  if (options.truncation == Truncation::error && owned->num_tokens > owned->len) {
    fail(ErrorCode::text_too_long,
         "the {} has {} tokens, the limit is {}; shorten it, raise the limit, or let it be cut (truncation end or "
         "start)",
         what, owned->num_tokens, raw.max_length);
  }
  return owned;
}

EncodingPtr encode_raw(const TrebleTokTokenizer* handle, const std::string& name, std::string_view text,
                       const TokenizeOptions& options, bool with_details) {
  return encode_with(handle, name, options, with_details, "text", [&](const auto* raw, auto** encoding, auto* error) {
    return treble_tok_encode(handle, bytes_of(text), text.size(), raw, encoding, error);
  });
}

std::int32_t checked_id(std::uint32_t id, const std::string& name) {
  if (id > static_cast<std::uint32_t>(std::numeric_limits<std::int32_t>::max())) {
    fail_file(name, ErrorCode::invalid_file, "token id {} does not fit 31 bits", id);
  }
  return static_cast<std::int32_t>(id);
}

TokenizedText take_tokens(const TrebleTokEncoding& encoding, const std::string& name) {
  TokenizedText result;
  result.num_tokens = encoding.num_tokens;
  result.ids.reserve(encoding.len);
  for (std::size_t i = 0; i < encoding.len; ++i) result.ids.push_back(checked_id(encoding.ids[i], name));
  return result;
}

}  // namespace

struct Tokenizer::SideFiles {
  TrebleTokSideFiles lent;
};

void Tokenizer::Free::operator()(TrebleTokTokenizer* handle) const noexcept { treble_tok_free(handle); }

Tokenizer Tokenizer::from_file(const std::filesystem::path& path, const TokenizerOptions& options) {
  const MappedFile file(path);
  return load(view_of(file), path.string(), nullptr, options);
}

Tokenizer Tokenizer::from_folder(const std::filesystem::path& folder, const TokenizerOptions& options) {
  const std::filesystem::path path = folder / "tokenizer.json";
  std::error_code error;
  const bool has_file = std::filesystem::exists(std::filesystem::symlink_status(path, error));
  const auto beside = [&](const char* name) { return !has_file && std::filesystem::exists(folder / name); };
  std::optional<MappedFile> file;
  if (has_file || std::none_of(kVocabularyFiles.begin(), kVocabularyFiles.end(), beside)) file.emplace(path);
  const SideFile config(folder / "config.json");
  const SideFile tokenizer_config(folder / "tokenizer_config.json");
  const SideFile special_tokens_map(folder / "special_tokens_map.json");
  const SideFile added_tokens(folder / "added_tokens.json");
  std::array<std::optional<SideFile>, kVocabularyFiles.size()> vocabulary;
  std::array<TrebleTokFile, kVocabularyFiles.size()> lent{};
  for (std::size_t i = 0; i < lent.size() && !file; ++i) {
    lent[i] = vocabulary[i].emplace(folder / kVocabularyFiles[i]).lent();
  }
  const SideFiles files{{config.lent(), tokenizer_config.lent(), special_tokens_map.lent(), added_tokens.lent(),
                         lent[0], lent[1], lent[2], lent[3], lent[4]}};
  return load(file ? std::optional(view_of(*file)) : std::nullopt, path.string(), &files, options);
}

Tokenizer Tokenizer::from_json(std::string_view json, std::string name, const TokenizerOptions& options) {
  return load(json, std::move(name), nullptr, options);
}

Tokenizer Tokenizer::load(std::optional<std::string_view> json, std::string name, const SideFiles* files,
                          const TokenizerOptions& options) {
  TrebleTokTokenizer* handle = nullptr;
  OwnedBytes error;
  const TrebleTokLoadOptions load{options.special_tokens_as_text, options.lowercase};
  TrebleTokStatus status =
      treble_tok_from_bytes(json ? bytes_of(*json) : nullptr, json.value_or("").size(),
                            files == nullptr ? nullptr : &files->lent, &load, &handle, error.out());
  if (status == TREBLE_TOK_STATUS_PANIC) {
    status = TREBLE_TOK_STATUS_INVALID_TOKENIZER;  // at load, what the crate trips over is in the file
  }
  if (status != TREBLE_TOK_STATUS_OK) {
    fail_status(status, name, error.str());
  }
  return Tokenizer(std::unique_ptr<TrebleTokTokenizer, Free>(handle), std::move(name));
}

void Tokenizer::make_special(std::string_view token) {
  OwnedBytes error;
  const TrebleTokStatus status = treble_tok_make_special(handle_.get(), bytes_of(token), token.size(), error.out());
  if (status != TREBLE_TOK_STATUS_OK) fail_file(name_, ErrorCode::invalid_file, "{}", error.str());
}

TokenizedText Tokenizer::encode(std::string_view text, const TokenizeOptions& options) const {
  return take_tokens(*encode_raw(handle_.get(), name_, text, options, false), name_);
}

TokenizedText Tokenizer::encode_pair(std::string_view first, std::string_view second,
                                     const TokenizeOptions& options) const {
  const EncodingPtr encoding = encode_with(
      handle_.get(), name_, options, false, "pair of texts", [&](const auto* raw, auto** slot, auto* error) {
        return treble_tok_encode_pair(handle_.get(), bytes_of(first), first.size(), bytes_of(second), second.size(),
                                      raw, slot, error);
      });
  TokenizedText result = take_tokens(*encoding, name_);
  if (encoding->type_ids == nullptr) return result;
  result.token_types.reserve(encoding->len);
  for (std::size_t i = 0; i < encoding->len; ++i) {
    const std::uint32_t type = encoding->type_ids[i];
    if (type > std::numeric_limits<std::uint8_t>::max()) {
      fail_file(name_, ErrorCode::invalid_file, "the template of pairs gives the token type {}; models have up to 255",
                type);
    }
    result.token_types.push_back(static_cast<std::uint8_t>(type));
  }
  return result;
}

DetailedText Tokenizer::encode_with_details(std::string_view text, const TokenizeOptions& options) const {
  const EncodingPtr encoding = encode_raw(handle_.get(), name_, text, options, true);
  DetailedText result;
  result.num_tokens = encoding->num_tokens;
  result.tokens.reserve(encoding->len);
  const std::string_view strings(reinterpret_cast<const char*>(encoding->token_bytes),
                                 encoding->len == 0 ? 0 : encoding->token_ends[encoding->len - 1]);
  std::size_t token_begin = 0;
  for (std::size_t i = 0; i < encoding->len; ++i) {
    const TrebleTokSpan& span = encoding->spans[i];
    const std::size_t token_end = encoding->token_ends[i];
    result.tokens.push_back({.id = checked_id(encoding->ids[i], name_),
                             .token = std::string(strings.substr(token_begin, token_end - token_begin)),
                             .byte_begin = span.byte_begin,
                             .byte_end = span.byte_end,
                             .char_begin = span.char_begin,
                             .char_end = span.char_end,
                             .special = encoding->special_mask[i] != 0});
    token_begin = token_end;
  }
  return result;
}

std::int32_t Tokenizer::count_prompt_tokens(std::string_view prompt, TokenizeOptions options) const {
  if (prompt.empty()) {
    return 0;
  }
  if (options.truncation == Truncation::error) options.max_length.reset();
  const TokenizedText text = encode(prompt, options);
  const bool ends_special = !text.ids.empty() && is_special(text.ids.back());
  return static_cast<std::int32_t>(text.ids.size()) - (ends_special ? 1 : 0);
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids, bool skip_special_tokens) const {
  std::vector<std::uint32_t> raw;
  raw.reserve(ids.size());
  for (const std::int32_t id : ids) {
    if (id < 0) {
      fail(ErrorCode::invalid_argument, "token id {} is negative", id);
    }
    raw.push_back(static_cast<std::uint32_t>(id));
  }
  OwnedBytes text;
  OwnedBytes error;
  const TrebleTokStatus status =
      treble_tok_decode(handle_.get(), raw.data(), raw.size(), skip_special_tokens, text.out(), error.out());
  if (status != TREBLE_TOK_STATUS_OK) {
    fail_status(status, name_, error.str());
  }
  return text.str();
}

std::optional<std::int32_t> Tokenizer::token_to_id(std::string_view token) const {
  std::uint32_t id = 0;
  if (!treble_tok_token_to_id(handle_.get(), bytes_of(token), token.size(), &id)) {
    return std::nullopt;
  }
  return checked_id(id, name_);
}

std::optional<std::string> Tokenizer::id_to_token(std::int32_t id) const {
  OwnedBytes token;
  if (id < 0 || !treble_tok_id_to_token(handle_.get(), static_cast<std::uint32_t>(id), token.out())) {
    return std::nullopt;
  }
  return token.str();
}

bool Tokenizer::is_special(std::int32_t id) const {
  return id >= 0 && treble_tok_is_special(handle_.get(), static_cast<std::uint32_t>(id));
}

std::size_t Tokenizer::vocab_size() const { return treble_tok_vocab_size(handle_.get()); }

std::int64_t Tokenizer::max_token_id() const { return treble_tok_max_token_id(handle_.get()); }

Truncation Tokenizer::default_truncation() const {
  return treble_tok_cuts_at_start(handle_.get()) ? Truncation::start : Truncation::end;
}

std::vector<std::string> Tokenizer::warnings() const {
  OwnedBytes lines;
  *lines.out() = treble_tok_warnings(handle_.get());
  std::istringstream stream(lines.str());
  std::vector<std::string> result;
  for (std::string line; std::getline(stream, line);) result.push_back(line);
  return result;
}

std::size_t Tokenizer::num_special_tokens() const { return treble_tok_num_special_tokens(handle_.get()); }

std::size_t Tokenizer::num_special_tokens_of_pair() const {
  return treble_tok_num_special_tokens_of_pair(handle_.get());
}

bool Tokenizer::gives_token_types() const { return treble_tok_gives_type_ids(handle_.get()); }

}  // namespace treble::internal
