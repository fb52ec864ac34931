// Which modules a PEFT adapter changes, and how strongly: as PEFT resolves the names and expressions of its config.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "adapters/peft_config.h"

namespace treble::internal {

/// Paths are those of PyTorch modules in the model that the adapter was trained on:
/// "encoder.layer.0.attention.self.query". Expressions are those of Perl, which Python's are like; they match within a
/// bounded effort.
class ModuleMatcher {
 public:
  /// `config` must outlive the matcher.
  explicit ModuleMatcher(const PeftConfig& config) : config_(config) {}

  /// Whether the adapter has products for this module. Throws Error{unsupported} naming the expression when it is not
  /// understood, or takes too long.
  bool is_target(const std::string& path) const;
  /// Whether the module, or one that holds it, is stored whole (modules_to_save).
  bool is_saved(std::string_view path) const;
  std::int64_t rank(const std::string& path) const;
  /// alpha / rank, or alpha / √rank.
  double scale(const std::string& path) const;

 private:
  bool is_excluded(const std::string& path) const;
  bool is_in_layers(const std::string& path) const;

  const PeftConfig& config_;
};

}  // namespace treble::internal
