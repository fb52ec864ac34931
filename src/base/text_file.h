// Text files, compressed or plain.
#pragma once

#include <filesystem>
#include <istream>
#include <memory>

namespace treble::internal {

/// A file as text: unpacked if its first bytes say that it is compressed, without a UTF-8 byte order mark at its start.
/// Throws Error{not_found, io}, and Error{invalid_file, io} also out of reading from it.
std::unique_ptr<std::istream> open_text(const std::filesystem::path& path);

}  // namespace treble::internal
