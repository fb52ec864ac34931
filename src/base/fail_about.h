// Errors that say which file or text they are about, so that programs need not read messages.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>

#include "base/fail.h"

namespace treble::internal {

/// About a file or folder: "config.json: \"hidden_size\" is missing".
template <typename... Args>
[[noreturn]] void fail_file(const std::filesystem::path& file, ErrorCode code, fmt::format_string<Args...> format,
                            Args&&... args) {
  throw Error(code, file.string() + ": " + fmt::format(format, std::forward<Args>(args)...),
              {.text_index = {}, .file = file});
}

/// About a file or folder that the message names itself, where its name is not the beginning: "cannot resume a.npy: …".
template <typename... Args>
[[noreturn]] void fail_about(const std::filesystem::path& file, ErrorCode code, fmt::format_string<Args...> format,
                             Args&&... args) {
  throw Error(code, fmt::format(format, std::forward<Args>(args)...), {.text_index = {}, .file = file});
}

/// About a text of the call: "text 3: …".
template <typename... Args>
[[noreturn]] void fail_text(std::int64_t text, ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(code, fmt::format("text {}: ", text) + fmt::format(format, std::forward<Args>(args)...),
              {.text_index = text, .file = {}});
}

/// The same error about text `index`, where a call numbered its texts otherwise.
inline Error with_text_index(const Error& error, std::int64_t index) {
  if (!error.text_index()) return error;
  std::string message = error.what();
  const std::string before = fmt::format("text {}: ", *error.text_index());
  if (message.starts_with(before)) message.replace(0, before.size(), fmt::format("text {}: ", index));
  return {error.code(), message, {.text_index = index, .file = error.file()}};
}

/// Returns what `body` returns; an error that leaves it and is about no file yet is about `file`.
template <typename Body>
auto about_file(const std::filesystem::path& file, const Body& body) {
  try {
    return body();
  } catch (const Error& error) {
    if (!error.file().empty()) throw;
    throw Error(error.code(), error.what(), {.text_index = error.text_index(), .file = file});
  }
}

}  // namespace treble::internal
