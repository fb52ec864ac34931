// The model.
#pragma once

#include <nanobind/nanobind.h>
#include <sys/types.h>

#include <memory>

#include "treble/sentence_encoder.h"

namespace treble::python {

/// A loaded model as Python holds it. It belongs to the process that loaded it: its threads do not exist in a forked
/// child, where calls raise an error instead of waiting for them, and where it is not destroyed for the same reason.
class Encoder {
 public:
  explicit Encoder(SentenceEncoder encoder);
  ~Encoder();
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;

  /// Throws Error{unsupported} in a forked child.
  const SentenceEncoder& get() const;

 private:
  pid_t process_;
  std::unique_ptr<SentenceEncoder> encoder_;
};

void bind_encoder(nanobind::module_& module);

}  // namespace treble::python
