// Texts of a call: views into Python's own strings.
#pragma once

#include <nanobind/nanobind.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace treble::python {

/// One str or a sequence of them. Keeps the strings alive, so the views stay valid while the GIL is released and other
/// threads change the sequence; must be destroyed with the GIL held.
class Texts {
 public:
  /// Raises TypeError naming the first item that is no str, and treble's InvalidArgumentError for one with a lone
  /// surrogate, which has no UTF-8.
  explicit Texts(nanobind::handle texts);

  bool single() const noexcept { return single_; }
  std::span<const std::string_view> views() const noexcept { return views_; }
  std::int64_t count() const noexcept { return static_cast<std::int64_t>(views_.size()); }
  /// For what outlives the call.
  std::vector<std::string> copies() const { return {views_.begin(), views_.end()}; }

 private:
  void add(nanobind::handle text);

  bool single_ = false;
  nanobind::object owner_;
  std::vector<std::string_view> views_;
};

}  // namespace treble::python
