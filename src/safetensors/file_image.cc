#include "safetensors/file_image.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "base/fail_about.h"
#include "safetensors/header_parser.h"
#include "safetensors/message_text.h"

namespace treble::internal {

namespace {

constexpr std::uint64_t kPrefixBytes = 8;
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // the reference implementation's limit

std::uint64_t read_little_endian(std::span<const std::byte> bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < kPrefixBytes; ++i)
    value |= std::uint64_t{std::to_integer<std::uint8_t>(bytes[i])} << (8 * i);
  return value;
}

std::span<const std::byte> header_bytes(std::span<const std::byte> bytes, const std::string& file) {
  if (bytes.size() < kPrefixBytes) {
    fail_file(file, ErrorCode::invalid_file, "{} bytes, a safetensors file has at least {}; fetch the file again",
              bytes.size(), kPrefixBytes);
  }
  const std::uint64_t size = read_little_endian(bytes);
  if (size > kMaxHeaderBytes) {
    fail_file(file, ErrorCode::invalid_file,
              "the header claims {} bytes, the format's limit is {}; this is not a safetensors file", size,
              kMaxHeaderBytes);
  }
  if (size > bytes.size() - kPrefixBytes) {
    fail_file(file, ErrorCode::invalid_file,
              "the header claims {} bytes, the file has only {} after the length; fetch the file again", size,
              bytes.size() - kPrefixBytes);
  }
  return bytes.subspan(kPrefixBytes, size);
}

/// Bytes that the shape needs; nothing when the product does not fit 63 bits.
std::optional<std::uint64_t> needed_bytes(const HeaderEntry& entry) {
  std::int64_t product = 1;
  for (const std::int64_t dimension : entry.shape) {
    if (__builtin_mul_overflow(product, dimension, &product)) return std::nullopt;
  }
  if (__builtin_mul_overflow(product, static_cast<std::int64_t>(dtype_size(entry.dtype)), &product))
    return std::nullopt;
  return static_cast<std::uint64_t>(product);
}

void check_entry(const std::string& file, const std::string& name, const HeaderEntry& entry, std::uint64_t data_size) {
  if (entry.begin > entry.end) {
    fail_file(file, ErrorCode::invalid_file, "tensor \"{}\": data_offsets begin at {} and end before that, at {}",
              for_message(name), entry.begin, entry.end);
  }
  if (entry.end > data_size) {
    fail_file(file, ErrorCode::invalid_file,
              "tensor \"{}\" ends at byte {} of the data, the file has only {}; it is cut short, fetch it again",
              for_message(name), entry.end, data_size);
  }
  const auto needed = needed_bytes(entry);
  if (!needed) {
    fail_file(file, ErrorCode::invalid_file, "tensor \"{}\": the shape [{}] has more elements than 63 bits can count",
              for_message(name), fmt::join(entry.shape, ", "));
  }
  if (*needed != entry.end - entry.begin) {
    fail_file(file, ErrorCode::invalid_file, "tensor \"{}\" has {} bytes, its shape [{}] of {} needs {}",
              for_message(name), entry.end - entry.begin, fmt::join(entry.shape, ", "), dtype_name(entry.dtype),
              *needed);
  }
}

/// Every byte of the data belongs to exactly one tensor, so that nothing can be hidden or shared.
void check_coverage(const std::string& file, const ParsedHeader& header, std::uint64_t data_size) {
  std::vector<std::tuple<std::uint64_t, std::uint64_t, std::string_view>> ranges;
  ranges.reserve(header.tensors.size());
  for (const auto& [name, entry] : header.tensors) ranges.emplace_back(entry.begin, entry.end, name);
  std::sort(ranges.begin(), ranges.end());
  std::uint64_t covered = 0;
  std::string_view previous = "(none)";
  for (const auto& [begin, end, name] : ranges) {
    if (begin < covered) {
      fail_file(file, ErrorCode::invalid_file,
                R"(tensor "{}" begins at byte {} of the data, inside "{}", which ends at {})", for_message(name), begin,
                for_message(previous), covered);
    }
    if (begin > covered) {
      fail_file(file, ErrorCode::invalid_file, "bytes {} to {} of the data, before tensor \"{}\", belong to no tensor",
                covered, begin, for_message(name));
    }
    covered = end;
    previous = name;
  }
  if (covered != data_size) {
    fail_file(file, ErrorCode::invalid_file,
              "the tensors end at byte {} of the data, the file has {}: {} bytes belong to no tensor", covered,
              data_size, data_size - covered);
  }
}

}  // namespace

FileImage read_file_image(std::span<const std::byte> bytes, const std::string& file) {
  const auto header_span = header_bytes(bytes, file);
  ParsedHeader header = parse_header({reinterpret_cast<const char*>(header_span.data()), header_span.size()}, file);
  const auto data = bytes.subspan(kPrefixBytes + header_span.size());
  for (const auto& [name, entry] : header.tensors) check_entry(file, name, entry, data.size());
  check_coverage(file, header, data.size());

  FileImage image;
  image.metadata = std::move(header.metadata);
  while (!header.tensors.empty()) {
    auto node = header.tensors.extract(header.tensors.begin());
    HeaderEntry& entry = node.mapped();
    const auto tensor_bytes = data.subspan(entry.begin, entry.end - entry.begin);
    image.tensors.emplace_hint(image.tensors.end(), std::move(node.key()),
                               StoredTensor{entry.dtype, std::move(entry.shape), tensor_bytes, file});
  }
  return image;
}

}  // namespace treble::internal
