// The arrays of a kernel within a thread's scratch.
#pragma once

#include <cstddef>

#include "tensor/aligned_buffer.h"

namespace treble::internal::simd {

/// Bytes; what a prefetch fetches.
inline constexpr std::size_t kCacheLine = 64;

/// Hands out arrays one after the other, each from a cache line on.
class ScratchArena {
 public:
  /// Without memory it only counts what is taken, and hands out null pointers.
  explicit ScratchArena(float* memory) : memory_(memory) {}

  template <typename T>
  T* take(std::size_t count) {
    T* array = memory_ == nullptr ? nullptr : reinterpret_cast<T*>(memory_ + floats_);
    const std::size_t lines = (count * sizeof(T) + kCacheLine - 1) / kCacheLine;
    floats_ += lines * (kCacheLine / sizeof(float));
    return array;
  }

  /// Taken so far.
  std::size_t floats() const noexcept { return floats_; }

 private:
  float* memory_;
  std::size_t floats_ = 0;
};

/// What `layout` makes of an arena. It is called twice, to count and to place, so that the size of the scratch and the
/// places in it come from one function.
template <typename Layout>
auto place_arrays(AlignedBuffer<float>& scratch, const Layout& layout) {
  ScratchArena count(nullptr);
  layout(count);
  ScratchArena arena(scratch.ensure(count.floats()));
  return layout(arena);
}

}  // namespace treble::internal::simd
