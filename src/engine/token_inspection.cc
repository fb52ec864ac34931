#include "engine/token_inspection.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/fail.h"
#include "base/required.h"
#include "base/stop.h"
#include "diagnostics/token_similarity.h"
#include "engine/encoder_access.h"

namespace treble::internal {

namespace {

/// Texts encoded in one call.
constexpr std::size_t kTokenCallTexts = 64;
/// Others that a text is compared with, so that comparing costs no more than encoding, for long texts too.
constexpr std::int64_t kMaxSimDocuments = 32;

void append_vectors(MultiVectors part, MultiVectors& all) {
  all.dim = part.dim;
  all.count += part.count;
  const std::int64_t before = all.offsets.back();
  for (std::size_t i = 1; i < part.offsets.size(); ++i) all.offsets.push_back(before + part.offsets[i]);
  all.values.insert(all.values.end(), part.values.begin(), part.values.end());
}

ConstMatrixView rows_of(const MultiVectors& vectors) {
  return {vectors.values.data(), vectors.offsets.back(), vectors.dim};
}

}  // namespace

TokenInspection::TokenInspection(const SentenceEncoder& encoder, const InspectOptions& options, Advance advance)
    : encoder_(encoder), options_(options), advance_(std::move(advance)) {
  const char* what = !options.posts.empty()     ? "InspectOptions::posts"
                     : !options.queries.empty() ? "InspectOptions::queries"
                     : options.label_sample     ? "InspectOptions::label_sample"
                                                : nullptr;
  if (what != nullptr) {
    fail(ErrorCode::unsupported,
         "{} is measured of dense vectors, and this inspection is of {}'s token vectors; leave it out{}", what,
         encoder.info().name, encoder.info().dim > 0 ? ", or set InspectOptions::output to dense" : "");
  }
  report_.dim = encoder.info().token_dim;
  report_.max_sim_documents = options.max_sim_documents.value_or(kMaxSimDocuments);
}

MultiVectors TokenInspection::encode(std::string_view stage, std::span<const SampledText> texts,
                                     const EncodeOptions& encode) const {
  constexpr std::array kKinds = {OutputKind::multi_vector};
  MultiVectors all;
  all.dim = report_.dim;
  advance_(stage, 0);
  for (std::size_t begin = 0; begin < texts.size(); begin += kTokenCallTexts) {
    std::vector<std::string_view> part;
    for (const SampledText& text : texts.subspan(begin, std::min(kTokenCallTexts, texts.size() - begin))) {
      part.emplace_back(text.text);
    }
    Outputs outputs = EncoderAccess::encode_outputs(encoder_, part, kKinds, {.encode = encode}, Batching::repeatable);
    append_vectors(std::move(required(outputs.multi_vector)), all);
    advance_(stage, part.size());
  }
  return all;
}

TokenInspection::Alike TokenInspection::compare(const MultiVectors& vectors) const {
  const BootstrapOptions bootstrap{options_.bootstrap, options_.seed};
  const VectorSequences texts{rows_of(vectors), vectors.offsets};
  const auto for_each = [this](std::int64_t count, const auto& body) {
    EncoderAccess::parallel_for(encoder_, count, [&](std::int64_t index) {
      check_stop(options_.stop, "the inspection");
      body(index);
    });
  };
  Alike alike{
      .token_cosine = mean_token_cosine(texts, bootstrap),
      .max_sim = mean_pair_score(max_sim_pairs(texts, report_.max_sim_documents, options_.seed, for_each), bootstrap)};
  advance_("comparing token vectors", static_cast<std::size_t>(vectors.count));
  return alike;
}

void TokenInspection::measure(std::span<const SampledText> texts, std::span<const std::int64_t> ends,
                              const EncodeOptions& encode_options) {
  auto& token_cosine = report_.token_cosine.emplace_back();
  auto& max_sim = report_.max_sim.emplace_back();
  auto& spread = report_.spread.emplace_back();
  std::size_t begin = 0;
  for (const std::int64_t end : ends) {
    const auto group = texts.subspan(begin, static_cast<std::size_t>(end) - begin);
    begin = static_cast<std::size_t>(end);
    const MultiVectors vectors = encode("encoding", group, encode_options);
    const Alike alike = compare(vectors);
    token_cosine.push_back(alike.token_cosine);
    max_sim.push_back(alike.max_sim);
    spread.push_back(token_spread(rows_of(vectors)));
  }
}

void TokenInspection::measure_cuts(std::span<const SampledText> texts, std::span<const std::int64_t> lengths,
                                   const EncodeOptions& encode_options) {
  auto& token_cosine = report_.cut_token_cosine.emplace_back();
  auto& max_sim = report_.cut_max_sim.emplace_back();
  EncodeOptions cut = encode_options;
  for (const std::int64_t length : lengths) {
    cut.max_length = length;
    const Alike alike = compare(encode("cutting", texts, cut));
    token_cosine.push_back(alike.token_cosine);
    max_sim.push_back(alike.max_sim);
  }
}

}  // namespace treble::internal
