// Router of sentence-transformers: a chain of modules for queries and another for documents.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace treble::internal {

struct RoutedModule {
  std::string type;  ///< its class, without the package: "SparseStaticEmbedding"
  std::string path;  ///< relative to the model's folder
};

struct Router {
  std::filesystem::path file;  ///< router_config.json
  std::map<std::string, std::vector<RoutedModule>> routes;
  /// Of texts that no task is named for: as the file says, else the first, as in sentence-transformers; empty: none.
  std::string default_route;

  /// The chain of a route; nothing where there is no such route.
  const std::vector<RoutedModule>* find(const std::string& route) const;
  /// "document: Transformer, SpladePooling; query: SparseStaticEmbedding".
  std::string describe() const;
};

/// That of a model whose modules.json consists of a Router. Throws Error{invalid_file} naming file and key, also for
/// paths that leave the model's folder; Error{unsupported} for routes by anything else than the task.
std::optional<Router> read_router(const std::filesystem::path& model_folder);

}  // namespace treble::internal
