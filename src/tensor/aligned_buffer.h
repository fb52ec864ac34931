// Memory for activations and packed weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace treble::internal {

/// Elements aligned to a cache line (64 bytes), uninitialised. Grows, never shrinks, keeps nothing when it grows.
template <typename T>
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t size) { ensure(size); }

  /// At least `size` elements; contents are lost when the buffer has to grow.
  T* ensure(std::size_t size) {
    if (size > size_) {
      data_.reset();
      size_ = 0;
      data_.reset(static_cast<T*>(::operator new(size * sizeof(T), kAlignment)));
      size_ = size;
    }
    return data_.get();
  }

  T* data() noexcept { return data_.get(); }
  const T* data() const noexcept { return data_.get(); }
  std::size_t size() const noexcept { return size_; }

 private:
  static constexpr std::align_val_t kAlignment{64};
  struct Free {
    void operator()(T* pointer) const noexcept { ::operator delete(pointer, kAlignment); }
  };
  std::unique_ptr<T, Free> data_;
  std::size_t size_ = 0;
};

}  // namespace treble::internal
