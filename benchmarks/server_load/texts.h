// Texts of many lengths with the vectors that a server has to answer with.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "treble/sentence_encoder.h"

namespace treble::load {

struct LoadText {
  std::string body;             ///< of the request: {"inputs": "…"}, or OpenAI's form
  std::vector<float> expected;  ///< of SentenceEncoder::encode
  std::int64_t tokens = 0;      ///< before truncation
};

/// `count` texts of shortest…longest tokens, lengths uniform on a logarithmic scale, no two alike.
std::vector<std::string> make_texts(int count, int shortest, int longest);

/// `openai_model`: the name to ask OpenAI's API for; empty: bodies are text-embeddings-inference's.
std::vector<LoadText> with_vectors(const SentenceEncoder& encoder, const std::vector<std::string>& texts,
                                   const std::string& openai_model);

struct Throughput {
  double texts_per_second = 0;
  double texts_per_cpu_second = 0;  ///< of all threads together
};

/// Of `encode` with all texts in one call, as `treble embed` does it: what a server is measured against.
Throughput encode_throughput(const SentenceEncoder& encoder, const std::vector<std::string>& texts);

}  // namespace treble::load
