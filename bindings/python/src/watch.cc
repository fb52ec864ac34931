#include "watch.h"

namespace nb = nanobind;

namespace treble::python {

void Watch::on(const Progress& progress) {
  const auto now = std::chrono::steady_clock::now();
  const bool last = progress.done == progress.total;
  if (now < next_ && !(report_.is_valid() && last)) return;
  next_ = now + kInterval;
  const nb::gil_scoped_acquire gil;
  if (PyErr_CheckSignals() != 0) throw nb::python_error();
  if (report_.is_valid()) report_(nb::str(progress.stage.data(), progress.stage.size()), progress.done, progress.total);
}

}  // namespace treble::python
