// Files of a folder in the making: every failure is an Error{io} that names the file, and what was written is on the
// disk when a call returns.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

namespace treble::internal {

/// A JSON object with its keys in the order of the file. Throws Error{not_found, io, invalid_file}.
nlohmann::ordered_json read_ordered_json(const std::filesystem::path& path);

/// Indented, as the ecosystem's tools write it.
void write_json(const std::filesystem::path& path, const nlohmann::ordered_json& json);

/// Byte for byte; `to` must not exist.
void carry_file(const std::filesystem::path& from, const std::filesystem::path& to);

/// Waits until a file or folder is on the disk.
void sync_file(const std::filesystem::path& path);

}  // namespace treble::internal
