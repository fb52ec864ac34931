// The one error type that leaves the library, and what each code means to the outside.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include "treble/export.h"

namespace treble {

enum class ErrorCode {
  invalid_argument,   ///< an option or a text is not acceptable; the caller can mend it
  text_too_long,      ///< a text has more tokens than allowed and truncation is `error`
  not_found,          ///< a model, file or named prompt does not exist
  invalid_file,       ///< a file exists but lies: damaged, truncated, inconsistent
  unsupported,        ///< valid input that this version of Treble cannot serve
  io,                 ///< the operating system refused to read or write
  non_finite,         ///< a NaN or infinity would have left the model
  interrupted,        ///< stopped on request; what was written so far is valid
  overloaded,         ///< a request queue is full; the same request may be accepted later
  deadline_exceeded,  ///< a request's deadline passed before it ran
  cancelled,          ///< a request's caller asked for it to be stopped before it ran
  unavailable,        ///< a request queue is draining or shut down and takes no more requests
  internal,           ///< a fault in Treble itself; please report it
};

/// How each code shows outside: one table for the server, the command line and Python.
struct ErrorMapping {
  ErrorCode code;                ///< that the row is for
  const char* name;              ///< stable snake_case name, as in JSON errors
  int http_status;               ///< for the HTTP API
  int exit_code;                 ///< for the command line
  const char* python_exception;  ///< built-in exception class
};

/// The row of the table for `code`; the reference lives for ever.
TREBLE_API const ErrorMapping& mapping(ErrorCode code) noexcept;

/// What an error is about, where that is one text or one file.
struct ErrorSource {
  std::optional<std::int64_t> text_index = {};  ///< into the texts of the call that threw
  std::filesystem::path file = {};              ///< empty: no file
};

/// Thrown at every public boundary. The message names the input (file, tensor, text), the two sizes where two sizes
/// disagree, and what to do about it. Copying does not throw.
class TREBLE_API Error : public std::runtime_error {
 public:
  /// About no single text or file.
  Error(ErrorCode code, const std::string& message);
  /// About what `source` names.
  Error(ErrorCode code, const std::string& message, ErrorSource source);
  Error(const Error&) noexcept;             ///< Copies share what the error is about.
  Error& operator=(const Error&) noexcept;  ///< Copies share what the error is about.
  ~Error() override;

  /// What kind of error it is.
  ErrorCode code() const noexcept { return code_; }
  /// The index of the text that the error is about, counted in the texts of the call that threw; unset where it is
  /// about no single text.
  std::optional<std::int64_t> text_index() const noexcept;
  /// The file or folder that the error is about; empty where it is about none.
  const std::filesystem::path& file() const noexcept;

 private:
  ErrorCode code_;
  std::shared_ptr<const ErrorSource> source_;  ///< nullptr: neither text nor file
};

}  // namespace treble
