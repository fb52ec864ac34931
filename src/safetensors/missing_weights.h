// What a folder without safetensors has instead, and how to come from there to weights that can be read.
#pragma once

#include <filesystem>

namespace treble::internal {

/// Throws Error{not_found} naming the folder, the files of weights in it that are of other formats (PyTorch,
/// TensorFlow, Flax, Rust, GGUF, ONNX, OpenVINO, Core ML, MLX, shards without their index) and the way out: `treble
/// convert`, or the file to fetch.
[[noreturn]] void fail_without_weights(const std::filesystem::path& folder);

}  // namespace treble::internal
