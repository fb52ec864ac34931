#include "api/call.h"

#include <exception>
#include <new>
#include <utility>

namespace treble::server {

Call::Call(std::shared_ptr<const HttpRequest> request, Respond respond, Finish finish)
    : request_(std::move(request)), respond_(std::move(respond)), finish_(std::move(finish)) {
  record_.method = request_->method;
  record_.route = "other";
  record_.peer = request_->peer;
  record_.traceparent = request_->header("traceparent");
  record_.request_bytes = static_cast<std::int64_t>(request_->body.size());
  // The wall clock's time of the first byte: what has passed since then on the steady one, before now.
  const auto passed = std::chrono::steady_clock::now() - request_->received;
  record_.started =
      std::chrono::system_clock::now() - std::chrono::duration_cast<std::chrono::system_clock::duration>(passed);
}

Call::~Call() {
  guard([this] {
    if (!answered_) fail(ApiError("internal", "the request was lost; this is a fault in treble, please report it"));
  });
}

void Call::answer(HttpResponse response) {
  if (answered_.exchange(true)) return;
  record_.status = request_->gone.stop_requested() ? error_kind("cancelled").status : response.status;
  record_.response_bytes = static_cast<std::int64_t>(response.body.size());
  record_.total_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - request_->received).count();
  finish_(*request_, record_, response);
  place_.reset();
  respond_(std::move(response));
}

void Call::fail(const ApiError& error) {
  if (answered_) return;
  record_.error_type = error.kind().name;
  record_.error = error.what();
  answer(error_response(error, form_));
}

void Call::guard(const std::function<void()>& work) noexcept {
  try {
    try {
      work();
    } catch (const ApiError& error) {
      fail(error);
    } catch (const Error& error) {
      fail(ApiError(error, {}));
    } catch (const std::bad_alloc&) {
      fail(ApiError("overloaded", "there is not enough memory for this request now; try again later or send less"));
    } catch (const std::exception& error) {
      fail(ApiError("internal", error.what()));
    }
  } catch (...) {
    // Not even the error could be said: the HTTP layer answers for who is dropped.
    respond_({.status = 500});
  }
}

}  // namespace treble::server
