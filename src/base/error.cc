#include "treble/error.h"

#include <array>
#include <cstddef>
#include <utility>

namespace treble {

namespace {

// Exit codes follow sysexits.h where it has a fitting one, so that scripts can tell bad input from a bad disk.
constexpr std::array<ErrorMapping, 13> kMappings = {{
    {ErrorCode::invalid_argument, "invalid_argument", 422, 64, "ValueError"},
    {ErrorCode::text_too_long, "text_too_long", 413, 65, "ValueError"},
    {ErrorCode::not_found, "not_found", 404, 66, "FileNotFoundError"},
    {ErrorCode::invalid_file, "invalid_file", 500, 65, "ValueError"},
    {ErrorCode::unsupported, "unsupported", 501, 69, "NotImplementedError"},
    {ErrorCode::io, "io", 500, 74, "OSError"},
    {ErrorCode::non_finite, "non_finite", 500, 70, "ArithmeticError"},
    {ErrorCode::interrupted, "interrupted", 503, 130, "KeyboardInterrupt"},
    {ErrorCode::overloaded, "overloaded", 429, 75, "BlockingIOError"},
    {ErrorCode::deadline_exceeded, "deadline_exceeded", 504, 75, "TimeoutError"},
    // 499 is what nginx and gRPC gateways say when the client gave up.
    {ErrorCode::cancelled, "cancelled", 499, 130, "InterruptedError"},
    {ErrorCode::unavailable, "unavailable", 503, 69, "ConnectionError"},
    {ErrorCode::internal, "internal", 500, 70, "RuntimeError"},
}};

}  // namespace

const ErrorMapping& mapping(ErrorCode code) noexcept { return kMappings[static_cast<std::size_t>(code)]; }

Error::Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}

Error::Error(ErrorCode code, const std::string& message, ErrorSource source)
    : std::runtime_error(message), code_(code), source_(std::make_shared<const ErrorSource>(std::move(source))) {}

Error::Error(const Error&) noexcept = default;
Error& Error::operator=(const Error&) noexcept = default;
Error::~Error() = default;

std::optional<std::int64_t> Error::text_index() const noexcept { return source_ ? source_->text_index : std::nullopt; }

const std::filesystem::path& Error::file() const noexcept {
  static const std::filesystem::path none;
  return source_ ? source_->file : none;
}

}  // namespace treble
