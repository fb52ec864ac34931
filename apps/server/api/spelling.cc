#include "api/spelling.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace treble::server {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before_last(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0U : 1U)});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
    std::swap(before_last, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

std::string nearest_name(std::string_view name, const std::vector<std::string>& known) {
  std::string nearest;
  std::size_t min_distance = 1 + name.size() / 4;
  for (const std::string& one : known) {
    const std::size_t distance = edit_distance(name, one);
    if (distance > min_distance || (distance == min_distance && !nearest.empty())) continue;
    nearest = one;
    min_distance = distance;
  }
  if (!nearest.empty() || name.size() < 3) return nearest;
  const auto begins = std::find_if(known.begin(), known.end(), [&](const auto& one) { return one.starts_with(name); });
  return begins == known.end() ? "" : *begins;
}

}  // namespace treble::server
