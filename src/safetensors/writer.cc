#include <fmt/ranges.h>

#include <array>
#include <nlohmann/json.hpp>
#include <set>

#include "base/fail.h"
#include "safetensors/message_text.h"
#include "safetensors/safetensors.h"
#include "treble/whole_file.h"

namespace treble::internal {

namespace {

namespace fs = std::filesystem;
// Keeps the order of the tensors in the header.
using OrderedJson = nlohmann::ordered_json;

std::uint64_t checked_size(const TensorToWrite& tensor) {
  auto size = static_cast<std::int64_t>(dtype_size(tensor.dtype));
  bool fits = true;
  for (const std::int64_t dimension : tensor.shape) {
    fits = fits && dimension >= 0 && !__builtin_mul_overflow(size, dimension, &size);
  }
  if (!fits || static_cast<std::uint64_t>(size) != tensor.bytes.size()) {
    fail(ErrorCode::invalid_argument, "tensor \"{}\" to write: {} bytes given, the shape [{}] of {} needs {}",
         for_message(tensor.name), tensor.bytes.size(), fmt::join(tensor.shape, ", "), dtype_name(tensor.dtype),
         fits ? std::to_string(size) : "an impossible number");
  }
  return static_cast<std::uint64_t>(size);
}

std::string header_text(std::span<const TensorToWrite> tensors, const std::map<std::string, std::string>& metadata) {
  OrderedJson header = OrderedJson::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::set<std::string_view> names = {"__metadata__"};
  std::uint64_t offset = 0;
  for (const TensorToWrite& tensor : tensors) {
    if (!names.insert(tensor.name).second) {
      fail(ErrorCode::invalid_argument, "tensor \"{}\" to write: the name repeats or is reserved",
           for_message(tensor.name));
    }
    const std::uint64_t end = offset + checked_size(tensor);
    // Appended, not assigned by key: ordered_json would search all earlier keys each time. Names are unique already.
    header.get_ref<OrderedJson::object_t&>().emplace_back(
        tensor.name,
        OrderedJson{{"dtype", dtype_name(tensor.dtype)}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}});
    offset = end;
  }
  try {
    std::string text = header.dump();
    text.append((8 - text.size() % 8) % 8, ' ');
    return text;
  } catch (const OrderedJson::exception& error) {
    fail(ErrorCode::invalid_argument, "a tensor's name or the metadata to write is not UTF-8: {}",
         for_message(error.what()));
  }
}

}  // namespace

void write_safetensors(const fs::path& path, std::span<const TensorToWrite> tensors,
                       const std::map<std::string, std::string>& metadata, Existing existing) {
  const std::string header = header_text(tensors, metadata);
  std::array<unsigned char, 8> length{};
  for (std::size_t i = 0; i < length.size(); ++i) length[i] = static_cast<unsigned char>(header.size() >> (8 * i));
  WholeFile file(path, existing);
  file.write(std::as_bytes(std::span(length)));
  file.write(header);
  for (const TensorToWrite& tensor : tensors) file.write(tensor.bytes);
  file.commit();
}

}  // namespace treble::internal
