// In which order the texts of many requests run, and which of them together. Without threads or clocks, so that a test
// can follow every step.
#pragma once

#include <cstdint>
#include <deque>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

namespace treble::internal {

/// A text of a request that waits to be encoded.
struct ScheduledText {
  std::uint64_t request = 0;
  std::int64_t text = 0;  ///< its index in the request
  std::int64_t tokens = 0;
};

/// Virtual Clock scheduling (Zhang, "VirtualClock", SIGCOMM 1990) with one rate for all requests. The clock is the
/// number of tokens that have entered. A text that enters when the clock shows A gets the key
///
///   max(A, key of the request's text before) + overtaking · tokens
///
/// and texts run in the order of their keys, equal ones in the order of their requests. So short texts overtake long
/// ones, and small requests large ones, but
///
///   a text with W tokens of its request up to and including itself is overtaken by at most overtaking · W tokens that
///   entered after it.
///
/// For its key is at most A + overtaking · W, and what enters later and has a smaller key entered completely before the
/// clock showed that. Not thread-safe.
class RequestScheduler {
 public:
  /// overtaking ≥ 1; with 1, texts run nearly in the order in which they entered.
  explicit RequestScheduler(std::int64_t overtaking) : overtaking_(overtaking) {}

  /// A request's next text. Texts of different groups never share a batch; a request has one group.
  void add(const ScheduledText& text, int group);

  /// Forgets the request with all its texts; also to be called when its last text has run.
  void remove(std::uint64_t request);

  /// The texts that run next, at least one where any waits: in the order of their keys up to the first that does not
  /// fit into `token_budget` with those before it, or is of another group. A text of more tokens runs alone.
  std::vector<ScheduledText> next_batch(std::int64_t token_budget);

  bool empty() const noexcept { return heads_.empty(); }
  /// Of all texts that wait.
  std::int64_t waiting_tokens() const noexcept { return waiting_tokens_; }

 private:
  struct Waiting {
    ScheduledText text;
    std::int64_t key = 0;
  };
  struct Flow {
    int group = 0;
    std::int64_t last_key = 0;
    std::deque<Waiting> texts;
  };

  std::int64_t overtaking_;
  std::int64_t clock_ = 0;
  std::int64_t waiting_tokens_ = 0;
  std::unordered_map<std::uint64_t, Flow> flows_;
  /// Key of the first text, and request, of every request that has a text waiting: keys rise within a request.
  std::set<std::pair<std::int64_t, std::uint64_t>> heads_;
};

}  // namespace treble::internal
