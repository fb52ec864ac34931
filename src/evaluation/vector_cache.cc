#include "evaluation/vector_cache.h"

#include <fmt/format.h>

#include <cstring>
#include <fstream>

#include "base/fail_about.h"
#include "base/sha256.h"
#include "treble/whole_file.h"

namespace treble::internal {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "treble.vectors/1\n";
constexpr std::size_t kDigest = 64;

std::string digest(std::string_view bytes) {
  Sha256 hash;
  hash.update(std::as_bytes(std::span(bytes.data(), bytes.size())));
  return hash.hex_digest();
}

template <typename T>
void append(std::string& out, const T* values, std::size_t count) {
  out.append(reinterpret_cast<const char*>(values), count * sizeof(T));
}

}  // namespace

VectorCache::VectorCache(fs::path folder) : folder_(std::move(folder)) {
  if (folder_.empty()) return;
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) fail_file(folder_, ErrorCode::io, "cannot create the cache folder: {}", error.message());
}

std::string VectorCache::key(std::string_view settings, std::span<const std::string_view> texts) {
  // Lengths separate the texts, so that no two lists give the same bytes.
  std::string head(settings);
  for (const std::string_view text : texts) head += fmt::format("\n{}", text.size());
  Sha256 hash;
  hash.update(std::as_bytes(std::span(head.data(), head.size())));
  for (const std::string_view text : texts) hash.update(std::as_bytes(std::span(text.data(), text.size())));
  return hash.hex_digest();
}

std::optional<CachedVectors> VectorCache::find(const std::string& key, std::size_t texts) const {
  if (folder_.empty()) return std::nullopt;
  std::ifstream file(folder_ / key, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (bytes.size() < kMagic.size() + kDigest || !bytes.starts_with(kMagic)) return std::nullopt;
  const std::string_view payload = std::string_view(bytes).substr(kMagic.size() + kDigest);
  if (digest(payload) != std::string_view(bytes).substr(kMagic.size(), kDigest)) return std::nullopt;
  CachedVectors vectors;
  std::memcpy(&vectors.dim, payload.data(), std::min(sizeof(vectors.dim), payload.size()));
  const std::size_t token_bytes = texts * sizeof(std::int64_t);
  const std::size_t value_bytes = texts * static_cast<std::size_t>(vectors.dim) * sizeof(float);
  if (vectors.dim <= 0 || payload.size() != sizeof(vectors.dim) + token_bytes + value_bytes) return std::nullopt;
  vectors.tokens.resize(texts);
  vectors.values.resize(texts * static_cast<std::size_t>(vectors.dim));
  const char* next = payload.data() + sizeof(vectors.dim);
  if (texts > 0) {
    std::memcpy(vectors.tokens.data(), next, token_bytes);
    std::memcpy(vectors.values.data(), next + token_bytes, value_bytes);
  }
  return vectors;
}

void VectorCache::keep(const std::string& key, const CachedVectors& vectors) const {
  if (folder_.empty()) return;
  std::string payload;
  append(payload, &vectors.dim, 1);
  append(payload, vectors.tokens.data(), vectors.tokens.size());
  append(payload, vectors.values.data(), vectors.values.size());
  std::string content(kMagic);
  content += digest(payload) + payload;
  write_whole_file(folder_ / key, content);
}

}  // namespace treble::internal
