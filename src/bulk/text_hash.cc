#include "bulk/text_hash.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace treble::internal {

void TextHash::add_bytes(std::string_view bytes) {
  std::array<std::byte, sizeof(std::uint64_t)> size = {};
  for (std::size_t i = 0; i < size.size(); ++i)
    size[i] = static_cast<std::byte>(std::uint64_t{bytes.size()} >> (8 * i));
  hash_.update(size);
  hash_.update(std::as_bytes(std::span(bytes.data(), bytes.size())));
}

void TextHash::add(const TextRecord& record) {
  add_bytes(record.text);
  add_bytes(record.id);
}

}  // namespace treble::internal
