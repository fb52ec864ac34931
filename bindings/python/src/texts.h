// Texts of a call: views into Python's own strings.
#pragma once

#include <nanobind/nanobind.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "arrow.h"

namespace treble::python {

/// One str, an iterable of them, or an Arrow column (arrow.h), read without a str a row. Keeps the strings alive, so
/// the views stay valid while the GIL is released and other threads change the sequence; must be destroyed with the GIL
/// held.
class Texts {
 public:
  /// Raises TypeError naming the first item that is no str, and treble's InvalidArgumentError for one with a lone
  /// surrogate, which has no UTF-8.
  explicit Texts(nanobind::handle texts);

  bool single() const noexcept { return single_; }
  std::span<const std::string_view> views() const noexcept { return column_ ? column_->views() : views_; }
  std::int64_t count() const noexcept { return static_cast<std::int64_t>(views().size()); }
  /// For what outlives the call.
  std::vector<std::string> copies() const { return {views().begin(), views().end()}; }

 private:
  void add(nanobind::handle text);

  bool single_ = false;
  nanobind::object owner_;
  std::optional<ArrowTexts> column_;
  std::vector<std::string_view> views_;
};

}  // namespace treble::python
