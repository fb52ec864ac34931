// Vectors kept on disk, so that a rerun or an interrupted run resumes where it stopped.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace treble::internal {

struct CachedVectors {
  std::int64_t dim = 0;
  std::vector<float> values;         ///< [texts, dim]
  std::vector<std::int64_t> tokens;  ///< [texts]: that the model read
};

/// A folder with a file for each chunk of texts under each setting, named by the SHA-256 of what determines its
/// vectors. Files appear whole or not at all; what is damaged, cut or of another version counts as absent. Any number
/// of processes may share it.
class VectorCache {
 public:
  /// An empty path keeps nothing. Throws Error{io} when the folder cannot be made.
  explicit VectorCache(std::filesystem::path folder);

  /// `settings`: everything but the texts that the vectors depend on, the weights' hash among it.
  static std::string key(std::string_view settings, std::span<const std::string_view> texts);

  std::optional<CachedVectors> find(const std::string& key, std::size_t texts) const;
  void keep(const std::string& key, const CachedVectors& vectors) const;

 private:
  std::filesystem::path folder_;
};

}  // namespace treble::internal
