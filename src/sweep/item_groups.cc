#include "sweep/item_groups.h"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <unordered_map>
#include <utility>
#include <variant>

namespace treble::internal {

namespace {

/// Groups that were not asked for are of use only where enough of them are left to judge on.
constexpr std::size_t kMinGroups = 10;

/// Disjoint sets of items.
class Sets {
 public:
  explicit Sets(std::size_t items) : parents_(items) { std::iota(parents_.begin(), parents_.end(), 0); }

  std::size_t find(std::size_t item) {
    while (parents_[item] != item) item = parents_[item] = parents_[parents_[item]];
    return item;
  }
  void join(std::size_t a, std::size_t b) { parents_[find(a)] = find(b); }

  std::size_t count() {
    std::size_t roots = 0;
    for (std::size_t item = 0; item < parents_.size(); ++item) roots += find(item) == item ? 1 : 0;
    return roots;
  }

  /// Empty where no two items were joined.
  std::vector<std::size_t> groups() {
    std::vector<std::size_t> result(parents_.size());
    bool joined = false;
    for (std::size_t item = 0; item < result.size(); ++item) {
      result[item] = find(item);
      joined = joined || result[item] != item;
    }
    if (!joined) result.clear();
    return result;
  }

 private:
  std::vector<std::size_t> parents_;
};

/// Joins the items that have the same key. How many came after another of their key.
template <typename Key>
std::size_t join_equal(Sets& sets, const std::vector<Key>& keys) {
  std::unordered_map<Key, std::size_t> first;
  std::size_t later = 0;
  for (std::size_t item = 0; item < keys.size(); ++item) {
    const auto [entry, fresh] = first.emplace(keys[item], item);
    if (fresh) continue;
    sets.join(item, entry->second);
    ++later;
  }
  return later;
}

/// [query]: the document of the highest grade; a number of its own where the corpus lacks all of them.
std::vector<std::int64_t> most_relevant(const RetrievalData& data) {
  std::vector<std::int64_t> documents;
  documents.reserve(data.relevant.size());
  for (const Judgements& relevant : data.relevant) {
    const auto best = std::max_element(relevant.begin(), relevant.end(), [](const auto& a, const auto& b) {
      return std::pair(a.first >= 0, a.second) < std::pair(b.first >= 0, b.second);
    });
    const auto own = -1 - static_cast<std::int64_t>(documents.size());
    documents.push_back(best == relevant.end() || best->first < 0 ? own : best->first);
  }
  return documents;
}

/// How many of `keys` are not the only one.
std::size_t count_shared(const std::vector<std::int64_t>& keys) {
  std::unordered_map<std::int64_t, std::size_t> counts;
  for (const std::int64_t key : keys) ++counts[key];
  return static_cast<std::size_t>(std::count_if(keys.begin(), keys.end(), [&](auto key) { return counts[key] > 1; }));
}

std::vector<std::string> pair_texts(const PairData& data) {
  std::vector<std::string> texts;
  texts.reserve(data.first.size());
  for (std::size_t pair = 0; pair < data.first.size(); ++pair) {
    texts.push_back(data.first[pair] + '\0' + data.second[pair]);
  }
  return texts;
}

/// By their texts and what they were asked to be grouped by.
ItemGroups groups_of_texts(const std::vector<std::string>& texts, const std::vector<std::string>& groups) {
  ItemGroups result;
  Sets sets(texts.size());
  result.duplicates = join_equal(sets, texts);
  join_equal(sets, groups);
  // Nothing can be judged on one item alone; what is wrong with such data is said later.
  if (!groups.empty() || sets.count() >= kMinGroups) result.groups = sets.groups();
  return result;
}

ItemGroups groups_of_queries(const RetrievalData& data) {
  ItemGroups result;
  Sets sets(data.queries.size());
  result.duplicates = join_equal(sets, data.queries);
  if (!data.groups.empty()) {
    join_equal(sets, data.groups);
    result.groups = sets.groups();
    return result;
  }
  if (sets.count() >= kMinGroups) result.groups = sets.groups();
  // Documents of which a few serve all queries are classes rather than what a query is about.
  const auto documents = most_relevant(data);
  join_equal(sets, documents);
  if (sets.count() < kMinGroups) return result;
  result.sharing = count_shared(documents);
  result.groups = sets.groups();
  return result;
}

}  // namespace

std::int64_t count_without_document(const RetrievalData& data) {
  return std::count_if(data.relevant.begin(), data.relevant.end(), [](const auto& relevant) {
    return std::all_of(relevant.begin(), relevant.end(), [](const auto& judged) { return judged.first < 0; });
  });
}

ItemGroups item_groups(const SweepData& data) {
  if (const auto* pairs = std::get_if<PairData>(&data.data)) {
    return groups_of_texts(pair_texts(*pairs), pairs->groups);
  }
  if (const auto* labels = std::get_if<LabelData>(&data.data)) return groups_of_texts(labels->texts, labels->groups);
  return groups_of_queries(std::get<RetrievalData>(data.data));
}

}  // namespace treble::internal
