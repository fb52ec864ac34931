// Where packed weights lie: on large pages, many matrices to a page.
#pragma once

#include <cstddef>
#include <memory>

namespace treble::internal {

/// Uninitialised bytes, aligned to a cache line. All the weights of a model go past the core for every text, and with
/// small pages the core waits for the pages' addresses as much as for the weights (docs/performance.md). Blocks are
/// taken from slabs that the system is asked to put on large pages; a slab is given back with its last block.
class WeightMemory {
 public:
  WeightMemory() = default;
  explicit WeightMemory(std::size_t bytes);

  std::byte* data() noexcept { return data_; }
  const std::byte* data() const noexcept { return data_; }

 private:
  std::shared_ptr<std::byte> slab_;
  std::byte* data_ = nullptr;
};

}  // namespace treble::internal
