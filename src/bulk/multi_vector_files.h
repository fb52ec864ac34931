// The files of multi-vector outputs.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string_view>

#include "treble/bulk_outputs.h"
#include "treble/whole_file.h"

namespace treble::internal {

/// A header line, then an object a text, whose "embedding" is a list of vectors.
std::unique_ptr<OutputSink> make_multi_vector_jsonl(std::function<void(std::string_view)> write, const OutputJob& job,
                                                    std::string_view inputs);

/// values [vectors, dim], offsets [texts + 1], in 8 bits scales [vectors], and the metadata as "treble". Values are
/// written as they come.
std::unique_ptr<OutputSink> make_multi_vector_npz(const std::filesystem::path& path, Existing existing,
                                                  const OutputJob& job, std::string_view inputs);

}  // namespace treble::internal
