#include "treble/chunking.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/fail_about.h"
#include "base/number_text.h"
#include "base/stop.h"
#include "base/utf8.h"
#include "engine/encoder_access.h"

namespace treble {

using namespace internal;

namespace {

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

/// Where to cut near `place`: after white space if there is any back to `first`, else between characters.
std::size_t cut_near(std::string_view text, std::size_t first, std::size_t place) {
  for (std::size_t at = place; at > first; --at) {
    if (is_space(text[at - 1])) return at;
  }
  while (place > first && is_utf8_continuation(text[place])) --place;
  if (place > first) return place;
  // The first character reaches beyond the place.
  for (place = first + 1; place < text.size() && is_utf8_continuation(text[place]);) ++place;
  return place;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

/// About `parts` pieces of about equally many bytes.
std::vector<std::string_view> cut_evenly(std::string_view text, std::size_t parts) {
  std::vector<std::string_view> pieces;
  std::size_t first = 0;
  for (std::size_t part = 1; part <= parts && first < text.size(); ++part) {
    const std::size_t place = std::max(first + 1, text.size() * part / parts);
    const std::size_t end = part == parts || place >= text.size() ? text.size() : cut_near(text, first, place);
    const std::string_view piece = trimmed(text.substr(first, end - first));
    if (!piece.empty()) pieces.push_back(piece);
    first = end;
  }
  return pieces;
}

EncodeOptions counting(const EncodeOptions& options) {
  EncodeOptions result = options;
  if (result.truncation == Truncation::error) result.truncation.reset();
  return result;
}

std::int64_t max_piece_tokens(const SentenceEncoder& encoder, const EncodeOptions& options, std::int64_t asked) {
  const std::int64_t limit = options.max_length.value_or(encoder.info().max_length);
  if (asked < 0 || asked > limit) {
    fail(ErrorCode::invalid_argument, "pieces of {} tokens: the model reads 1 to {}", asked, limit);
  }
  return asked == 0 ? limit : asked;
}

void aggregate(std::span<const float> pieces, std::size_t dim, ChunkAggregate how, bool normalize,
               std::span<float> out) {
  const std::size_t count = pieces.size() / dim;
  if (count == 1) {
    std::copy(pieces.begin(), pieces.end(), out.begin());
    return;
  }
  double square = 0;
  for (std::size_t i = 0; i < dim; ++i) {
    double value = how == ChunkAggregate::max ? double{pieces[i]} : 0;
    for (std::size_t p = 0; p < count; ++p) {
      const double x = pieces[p * dim + i];
      value = how == ChunkAggregate::max ? std::max(value, x) : value + x / static_cast<double>(count);
    }
    out[i] = static_cast<float>(value);
    square += value * value;
  }
  if (!normalize || square == 0) return;
  for (float& value : out) value = static_cast<float>(value / std::sqrt(square));
}

/// What `body` returns; its errors are about text `index` of the call.
template <typename Body>
auto for_text(std::size_t index, const Body& body) {
  try {
    return body();
  } catch (const Error& error) {
    throw with_text_index(error, static_cast<std::int64_t>(index));
  }
}

/// A row a piece.
SpanEmbeddings encode_apart(const SentenceEncoder& encoder, std::span<const std::string_view> pieces,
                            const EncodeOptions& options) {
  SpanEmbeddings result{.embeddings = encoder.encode(pieces, options), .ends = std::vector<std::size_t>(pieces.size())};
  std::iota(result.ends.begin(), result.ends.end(), 1);
  return result;
}

/// The pieces of text i end before ends[i]; errors name the text.
SpanEmbeddings encode_pieces(const SentenceEncoder& encoder, std::span<const std::string_view> pieces,
                             std::span<const std::size_t> ends, const EncodeOptions& options,
                             const ChunkOptions& chunks) {
  try {
    return chunks.late ? EncoderAccess::encode_spans(encoder, pieces, options, chunks.max_tokens)
                       : encode_apart(encoder, pieces, options);
  } catch (const Error& error) {
    if (!error.text_index()) throw;
    const auto piece = static_cast<std::size_t>(*error.text_index());
    const auto text = std::upper_bound(ends.begin(), ends.end(), piece) - ends.begin();
    throw with_text_index(error, text);
  }
}

}  // namespace

ChunkOptions ChunkOptions::parse(std::string_view text) {
  ChunkOptions options;
  const std::size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  options.late = name == "late-chunk";
  bool good = options.late || name == "chunk-mean" || name == "chunk-max";
  options.aggregate = name == "chunk-max" ? ChunkAggregate::max : ChunkAggregate::mean;
  if (good && colon != std::string_view::npos) {
    options.max_tokens = number_in<std::int64_t>(text.substr(colon + 1)).value_or(0);
    good = options.max_tokens > 0;
  }
  if (!good || (options.late && options.max_tokens == 0)) {
    fail(ErrorCode::invalid_argument, "\"{:.100}\": write chunk-mean[:N], chunk-max[:N] or late-chunk:N", text);
  }
  return options;
}

bool ChunkOptions::names(std::string_view text) { return text.starts_with("chunk-") || text.starts_with("late-chunk"); }

std::string ChunkOptions::to_string() const {
  const char* name = late ? "late-chunk" : aggregate == ChunkAggregate::max ? "chunk-max" : "chunk-mean";
  return max_tokens == 0 ? std::string(name) : fmt::format("{}:{}", name, max_tokens);
}

std::vector<std::string_view> split_text(const SentenceEncoder& encoder, std::string_view text,
                                         const EncodeOptions& options, std::int64_t max_tokens) {
  const EncodeOptions count_options = counting(options);
  const std::int64_t whole = encoder.count_tokens({&text, 1}, count_options).front().tokens;
  if (whole <= max_tokens) return {text};
  auto parts = static_cast<std::size_t>((whole + max_tokens - 1) / max_tokens);
  while (true) {
    auto pieces = cut_evenly(text, parts);
    // Nothing but white space, of which the tokenizer makes tokens: a piece with nothing in it.
    if (pieces.empty()) return {text.substr(0, 0)};
    const auto counts = encoder.count_tokens(pieces, count_options);
    const auto too_long = [&](const TokenCount& count) { return count.tokens > max_tokens; };
    if (std::none_of(counts.begin(), counts.end(), too_long)) return pieces;
    if (parts >= text.size()) {
      fail(ErrorCode::invalid_argument,
           "pieces of {} tokens leave no room for a character beside special tokens and prompt; allow more",
           max_tokens);
    }
    parts = std::min(text.size(), parts + 1 + parts / 8);
  }
}

Embeddings encode_chunked(const SentenceEncoder& encoder, std::span<const std::string_view> texts,
                          const EncodeOptions& options, const ChunkOptions& chunks) {
  const std::int64_t piece_tokens = max_piece_tokens(encoder, options, chunks.max_tokens);
  if (chunks.late && chunks.max_tokens == 0) {
    fail(ErrorCode::invalid_argument, "late chunking needs the tokens of a piece (ChunkOptions::max_tokens)");
  }
  const std::int64_t limit = chunks.late ? max_piece_tokens(encoder, options, 0) : piece_tokens;
  std::vector<std::string_view> pieces;
  std::vector<std::size_t> ends;
  for (std::size_t text = 0; text < texts.size(); ++text) {
    check_stop(options.stop, "encoding");
    const auto of_text = for_text(text, [&] { return split_text(encoder, texts[text], options, limit); });
    pieces.insert(pieces.end(), of_text.begin(), of_text.end());
    ends.push_back(pieces.size());
  }
  const SpanEmbeddings spans = encode_pieces(encoder, pieces, ends, options, chunks);
  const Embeddings& embedded = spans.embeddings;
  Embeddings result;
  result.count = static_cast<std::int64_t>(texts.size());
  result.dim = embedded.dim;
  const auto dim = static_cast<std::size_t>(result.dim);
  result.values.resize(texts.size() * dim);
  const bool normalize = options.normalize.value_or(encoder.info().normalizes);
  std::size_t piece = 0;
  std::size_t row = 0;
  for (std::size_t text = 0; text < texts.size(); ++text) {
    std::int64_t used = 0;
    for (; piece < ends[text]; ++piece) used += embedded.token_counts[piece].used;
    const std::size_t end = spans.ends[piece - 1];
    aggregate(std::span(embedded.values).subspan(row * dim, (end - row) * dim), dim, chunks.aggregate, normalize,
              std::span(result.values).subspan(text * dim, dim));
    result.token_counts.push_back({used, used});
    row = end;
  }
  return result;
}

}  // namespace treble
