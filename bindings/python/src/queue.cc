#include "queue.h"

#include <chrono>
#include <future>
#include <utility>

#include "arrays.h"
#include "encoder.h"
#include "errors.h"
#include "texts.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace treble::python {

namespace {

/// Calls Python's function with (vectors, counts, None) or (None, None, exception), from a thread of the queue.
class Delivery {
 public:
  explicit Delivery(nb::handle function, bool single) : function_(nb::borrow(function)), single_(single) {}
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;
  ~Delivery() {
    const nb::gil_scoped_acquire gil;
    function_.reset();
  }

  void operator()(Answer answer) {
    const nb::gil_scoped_acquire gil;
    try {
      if (answer.error) {
        function_(nb::none(), nb::none(), to_python(*answer.error));
      } else {
        deliver(std::move(answer.embeddings));
      }
    } catch (nb::python_error& error) {
      // Of the function itself, such as an event loop that was closed meanwhile: nobody waits for it.
      error.discard_as_unraisable("treble: a function that was to take vectors");
    }
  }

 private:
  void deliver(Embeddings embeddings) {
    const auto count = static_cast<std::size_t>(embeddings.count);
    const auto dim = static_cast<std::size_t>(embeddings.dim);
    const Counts counts = counts_array(embeddings.token_counts);
    function_(
        single_ ? to_array(std::move(embeddings.values), {dim}) : to_array(std::move(embeddings.values), {count, dim}),
        counts, nb::none());
  }

  nb::object function_;
  bool single_;
};

/// How often Ctrl-C is heard.
constexpr std::chrono::milliseconds kListen{50};

/// Returns at once; `done` is called when the vectors are there.
Ticket submit(Encoder& self, nb::handle texts, const EncodeOptions& options, nb::handle done) {
  const Texts given(texts);
  Ticket ticket;
  auto delivery = std::make_shared<Delivery>(done, given.single());
  std::vector<std::string> copies = given.copies();
  const nb::gil_scoped_release released;
  self.queue().submit(std::move(copies), options, {.stop = ticket.token()},
                      [delivery = std::move(delivery)](Answer answer) { (*delivery)(std::move(answer)); });
  return ticket;
}

}  // namespace

std::optional<Embeddings> encode_together(Encoder& encoder, const Texts& texts, const EncodeOptions& options) {
  Ticket ticket;
  std::vector<std::string> copies = texts.copies();
  const nb::gil_scoped_release released;
  std::future<Embeddings> future;
  try {
    future = encoder.queue().submit(std::move(copies), options, {.stop = ticket.token()});
  } catch (const Error& error) {
    if (error.code() != ErrorCode::overloaded && error.code() != ErrorCode::unavailable) throw;
    return std::nullopt;
  }
  while (future.wait_for(kListen) == std::future_status::timeout) {
    const nb::gil_scoped_acquire gil;
    if (PyErr_CheckSignals() == 0) continue;
    ticket.cancel();
    throw nb::python_error();
  }
  return future.get();
}

void bind_queue(nb::module_& module) {
  module.def(
      "close_queue",
      [](Encoder& encoder) {
        const nb::gil_scoped_release released;
        encoder.close_queue();
      },
      "encoder"_a, "Answers what waits with UnavailableError, and returns when nothing is delivered any more.");
  nb::class_<Ticket>(module, "Ticket", "A request that was submitted.").def("cancel", &Ticket::cancel);
  module.def("submit", &submit, "encoder"_a, "texts"_a.none(), "options"_a, "done"_a,
             "Encodes with what others submit; done(vectors, counts, exception) is called on another thread.");
}

}  // namespace treble::python
