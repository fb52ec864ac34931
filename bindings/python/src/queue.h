// Requests of many callers put into common batches.
#pragma once

#include <nanobind/nanobind.h>

#include <optional>
#include <stop_token>

#include "treble/request_queue.h"

namespace treble::python {

class Encoder;
class Texts;

/// A request that was submitted.
class Ticket {
 public:
  /// Its texts that wait do not run any more.
  void cancel() { stop_.request_stop(); }
  std::stop_token token() const { return stop_.get_token(); }

 private:
  std::stop_source stop_;
};

/// As SentenceEncoder::encode, together with what others submit; holds no GIL while it waits, and hears Ctrl-C. Nothing
/// when the queue takes no more.
std::optional<Embeddings> encode_together(Encoder& encoder, const Texts& texts, const EncodeOptions& options);

void bind_queue(nanobind::module_& module);

}  // namespace treble::python
