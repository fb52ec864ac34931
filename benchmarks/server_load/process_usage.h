// What a process has used, from /proc.
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace treble::load {

struct ProcessUsage {
  double cpu_seconds = 0;     ///< of all threads, ended ones included
  double io_cpu_seconds = 0;  ///< of those named "treble-http"
  std::int64_t rss = 0;       ///< resident bytes
};

/// All zero for a process that is not there.
ProcessUsage process_usage(pid_t process);

}  // namespace treble::load
