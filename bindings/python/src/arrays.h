// Arrays of NumPy over memory of ours.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "treble/sentence_encoder.h"

namespace treble::python {

using Vectors = nanobind::ndarray<nanobind::numpy, float, nanobind::c_contig>;
using Counts = nanobind::ndarray<nanobind::numpy, std::int64_t, nanobind::ndim<2>, nanobind::c_contig>;

/// Memory that becomes an array without a copy.
template <typename Number>
class Buffer {
 public:
  /// Not initialized.
  explicit Buffer(std::size_t size) : data_(new Number[size]), size_(size) {}
  std::span<Number> span() { return {data_.get(), size_}; }

  template <typename Array>
  Array to_array(std::initializer_list<std::size_t> shape) {
    Number* data = data_.release();
    const nanobind::capsule owner(data, [](void* pointer) noexcept { delete[] static_cast<Number*>(pointer); });
    return Array(data, shape, owner);
  }

 private:
  std::unique_ptr<Number[]> data_;
  std::size_t size_;
};

/// Without a copy.
inline Vectors to_array(std::vector<float> values, std::initializer_list<std::size_t> shape) {
  auto* kept = new std::vector<float>(std::move(values));
  const nanobind::capsule owner(kept, [](void* pointer) noexcept { delete static_cast<std::vector<float>*>(pointer); });
  return Vectors(kept->data(), shape, owner);
}

/// [count, 2]: tokens that a text has, and that the model read.
inline Counts counts_array(const std::vector<TokenCount>& counts) {
  Buffer<std::int64_t> buffer(counts.size() * 2);
  auto* to = buffer.span().data();
  for (const TokenCount& count : counts) {
    *to++ = count.tokens;
    *to++ = count.used;
  }
  return buffer.to_array<Counts>({counts.size(), 2});
}

}  // namespace treble::python
