// Work beside the models' queues: what a request may take, and how it ends early.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>

#include "api/api.h"
#include "treble/request_queue.h"

namespace treble::server {

/// The deadline of the request, and its client's leaving. Throws ApiError{invalid_argument} for x-request-timeout-ms.
SubmitOptions read_submit_options(const Call& call, const ApiOptions& options);

/// Runs `work` on a thread of `pool`, and holds a place among max_concurrent_requests meanwhile. As in the queue, work
/// that waits until the request's deadline or until its client leaves does not run. For what takes milliseconds.
void run_aside(SidePool& pool, Api& api, const std::shared_ptr<Call>& call, std::function<void()> work);

/// The same on the pool for what takes seconds. The token stops when the deadline passes or the client leaves; the
/// Error{interrupted} that `work` then throws becomes deadline_exceeded or cancelled.
void run_stoppable(Api& api, const std::shared_ptr<Call>& call, std::function<void(const std::stop_token&)> work);

}  // namespace treble::server
