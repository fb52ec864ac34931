// One request on its way through the API.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "api/api_error.h"
#include "http/http_message.h"
#include "operations/request_record.h"

namespace treble::server {

/// Answered once, from any thread; an answer after that does nothing. A call that is dropped unanswered answers with an
/// error of kind `internal`.
class Call {
 public:
  /// Sees the record when the answer is sent, and adds to the response what every response has.
  using Finish = std::function<void(const HttpRequest& request, RequestRecord& record, HttpResponse& response)>;

  Call(std::shared_ptr<const HttpRequest> request, Respond respond, Finish finish);
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  const HttpRequest& request() const noexcept { return *request_; }
  /// For the one who works on the call at the time.
  RequestRecord& record() noexcept { return record_; }

  void set_form(ErrorForm form) noexcept { form_ = form; }

  /// Keeps `place` until the answer is sent: given back before it, so that the client's next request finds it free.
  void hold(std::shared_ptr<const void> place) noexcept { place_ = std::move(place); }

  void answer(HttpResponse response);
  void fail(const ApiError& error);
  /// Runs `work` and answers with what it throws, if it throws.
  void guard(const std::function<void()>& work) noexcept;

 private:
  std::shared_ptr<const HttpRequest> request_;
  Respond respond_;
  Finish finish_;
  RequestRecord record_;
  ErrorForm form_ = ErrorForm::tei;
  std::shared_ptr<const void> place_;
  std::atomic<bool> answered_ = false;
};

}  // namespace treble::server
