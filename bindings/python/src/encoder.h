// The model.
#pragma once

#include <nanobind/nanobind.h>
#include <sys/types.h>

#include <atomic>
#include <memory>
#include <mutex>

#include "treble/request_queue.h"
#include "treble/reranker.h"
#include "treble/sentence_encoder.h"

namespace treble::python {

/// A loaded model as Python holds it. It belongs to the process that loaded it: its threads do not exist in a forked
/// child, where calls raise an error instead of waiting for them, and where it is not destroyed for the same reason.
class Encoder {
 public:
  explicit Encoder(SentenceEncoder encoder);
  explicit Encoder(Reranker reranker);
  ~Encoder();
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;

  /// Throws Error{unsupported} in a forked child.
  const SentenceEncoder& get() const;
  /// Throws as `get` does, and Error{unsupported} for a model that gives vectors.
  const Reranker& reranker() const;
  /// One more call of `encode` runs until the result is destroyed; says how many others do.
  class Running {
   public:
    explicit Running(Encoder& encoder) : running_(encoder.running_), others_(running_.fetch_add(1)) {}
    ~Running() { running_.fetch_sub(1); }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    int others() const noexcept { return others_; }

   private:
    std::atomic<int>& running_;
    int others_;
  };

  /// Of the model; its threads start at the first call, and sleep while there is nothing to do. Throws as `get` does.
  RequestQueue& queue();
  /// Shuts the queue down, if there is one; call it without the GIL, for which deliveries wait.
  void close_queue();

 private:
  const SentenceEncoder& model() const { return reranker_ ? reranker_->encoder() : *encoder_; }

  pid_t process_;
  /// One of the two.
  std::unique_ptr<SentenceEncoder> encoder_;
  std::unique_ptr<Reranker> reranker_;
  std::atomic<int> running_ = 0;
  std::once_flag queue_once_;
  std::unique_ptr<RequestQueue> queue_;
};

void bind_encoder(nanobind::module_& module);

}  // namespace treble::python
