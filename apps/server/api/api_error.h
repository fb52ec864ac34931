// What goes wrong with a request, and how it is said: one table from errors to statuses and to both forms of bodies.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>

#include "http/http_message.h"
#include "treble/error.h"

namespace treble::server {

/// Which clients a route is for: they expect errors in different forms.
enum class ErrorForm {
  tei,    ///< {"error": message, "error_type": "Validation"}, with "index" where one input is to blame
  openai  ///< {"error": {"message": …, "type": …, "param": …, "code": …}}
};

/// The table of docs/server.md, a row an error.
struct ErrorKind {
  const char* name;         ///< stable; the `error_type` of logs and metrics, and OpenAI's `code`
  int status;               ///< of HTTP
  const char* tei_type;     ///< TEI's `error_type`
  const char* openai_type;  ///< OpenAI's `type`
  const char* when;         ///< for the documentation
};

/// Every row: those of ErrorMapping first, then those of HTTP and of the API itself.
std::span<const ErrorKind> error_kinds() noexcept;
/// The row of this name, else that of "internal".
const ErrorKind& error_kind(std::string_view name) noexcept;

/// An answer that is an error.
class ApiError : public std::runtime_error {
 public:
  ApiError(const char* kind, const std::string& message) : std::runtime_error(message), kind_(&error_kind(kind)) {}
  /// `param` is the field that is wrong ("inputs"), `index` the input that is.
  ApiError(const char* kind, const std::string& message, std::string param, std::optional<std::int64_t> index = {})
      : std::runtime_error(message), kind_(&error_kind(kind)), param_(std::move(param)), index_(index) {}
  /// As the library threw it; its text_index is counted in the request's inputs.
  ApiError(const Error& error, std::string param);

  const ErrorKind& kind() const noexcept { return *kind_; }
  const std::string& param() const noexcept { return param_; }
  const std::optional<std::int64_t>& index() const noexcept { return index_; }

 private:
  const ErrorKind* kind_;
  std::string param_;
  std::optional<std::int64_t> index_;
};

/// With Retry-After where the error passes by itself, WWW-Authenticate for a key that is missing.
HttpResponse error_response(const ApiError& error, ErrorForm form);

/// What HTTP refused with `status`, as an error of this API.
ApiError http_error(int status, const std::string& message);

}  // namespace treble::server
