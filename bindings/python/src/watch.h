// What a long call does for Python while it runs without the GIL: hear Ctrl-C, report progress.
#pragma once

#include <nanobind/nanobind.h>

#include <chrono>

#include "treble/progress.h"

namespace treble::python {

/// Must outlive the call that is watched. Signal handlers run, and `report` is called, on the thread of the call; an
/// exception of either ends the call.
class Watch {
 public:
  /// `report(stage, done, total)`; None for none. Made with the GIL held.
  explicit Watch(nanobind::handle report) : report_(report.is_none() ? nanobind::handle() : report) {}

  ProgressCallback callback() {
    return [this](const Progress& progress) { on(progress); };
  }

 private:
  void on(const Progress& progress);

  nanobind::handle report_;
  std::chrono::steady_clock::time_point next_ = std::chrono::steady_clock::now() + kInterval;

  static constexpr std::chrono::milliseconds kInterval{20};
};

}  // namespace treble::python
