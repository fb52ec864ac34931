// How far a long call is: one form for all of them.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace treble {

/// How far a call is.
struct Progress {
  std::string_view stage;  ///< "reading", "encoding", …; each call documents its own. Valid during the callback.
  std::int64_t done = 0;   ///< steps of this stage; each call documents what a step is
  std::int64_t total = 0;  ///< of them; 0: unknown
};

/// Called on the thread that made the call, never concurrently; may be empty. It should return quickly: the work waits.
/// An exception that it throws stops the work and reaches the caller; to stop at the next safe point instead, request a
/// stop through the call's std::stop_token.
using ProgressCallback = std::function<void(const Progress&)>;

}  // namespace treble
