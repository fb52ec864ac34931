// Stopping a long call on request.
#pragma once

#include <stop_token>
#include <string_view>

#include "base/fail.h"

namespace treble::internal {

/// Throws Error{interrupted} after a request: "encoding was stopped on request".
inline void check_stop(const std::stop_token& stop, std::string_view what) {
  if (stop.stop_requested()) fail(ErrorCode::interrupted, "{} was stopped on request", what);
}

}  // namespace treble::internal
