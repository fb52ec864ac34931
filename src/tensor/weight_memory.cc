#include "tensor/weight_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <mutex>
#include <new>

#include "base/round_up.h"

namespace treble::internal {

namespace {

constexpr std::size_t kLargePage = std::size_t{2} << 20;
/// Address space: memory is only taken as it is written to.
constexpr std::size_t kSlab = 32 * kLargePage;
constexpr std::size_t kCacheLine = 64;

std::shared_ptr<std::byte> make_slab(std::size_t size) {
  constexpr std::align_val_t alignment{kLargePage};
  auto* memory = static_cast<std::byte*>(::operator new(size, alignment));
  // A wish: where the system has no large pages to give, small ones do.
  madvise(memory, size, MADV_HUGEPAGE);
  return {memory, [](std::byte* pointer) { ::operator delete(pointer, alignment); }};
}

/// The slab that blocks are being taken from. It does not keep the slab alive: the blocks do.
struct OpenSlab {
  std::mutex mutex;
  std::weak_ptr<std::byte> slab;
  std::size_t used = 0;
};

OpenSlab& open_slab() {
  static OpenSlab slab;
  return slab;
}

}  // namespace

WeightMemory::WeightMemory(std::size_t bytes) {
  const std::size_t size = round_up(std::max<std::size_t>(bytes, 1), kCacheLine);
  if (size > kSlab / 2) {
    slab_ = make_slab(round_up(size, kLargePage));
    data_ = slab_.get();
    return;
  }
  OpenSlab& open = open_slab();
  const std::scoped_lock lock(open.mutex);
  slab_ = open.slab.lock();
  if (!slab_ || open.used + size > kSlab) {
    slab_ = make_slab(kSlab);
    open.slab = slab_;
    open.used = 0;
  }
  data_ = slab_.get() + open.used;
  open.used += size;
}

}  // namespace treble::internal
