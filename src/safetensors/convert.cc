#include <algorithm>
#include <cmath>

#include "base/fail_about.h"
#include "safetensors/message_text.h"
#include "safetensors/safetensors.h"
#include "safetensors/tensor_revision.h"
#include "tensor/widen.h"

namespace treble::internal {

namespace {

// Elements at a time: the block stays in the first-level cache between the widening and the check.
constexpr std::size_t kBlock = 2048;

[[noreturn]] void fail_non_finite(const StoredTensor& tensor, std::string_view name, std::span<const float> out,
                                  std::size_t begin) {
  std::size_t index = begin;
  while (std::isfinite(out[index])) ++index;
  fail_file(tensor.file, ErrorCode::invalid_file,
            "tensor \"{}\": element {} of {} is {} as float32; the weights are damaged", for_message(name), index,
            out.size(), out[index]);
}

void copy_stored(const StoredTensor& tensor, std::string_view name, std::span<float> out) {
  const DType dtype = tensor.dtype;
  if (!is_float(dtype)) {
    fail_file(tensor.file, ErrorCode::unsupported, "tensor \"{}\" has dtype {}; weights must be F32, F16, BF16 or F64",
              for_message(name), dtype_name(dtype));
  }
  const std::size_t size = dtype_size(dtype);
  if (static_cast<std::int64_t>(out.size()) != tensor.num_elements() || tensor.bytes.size() != out.size() * size) {
    fail_file(tensor.file, ErrorCode::internal, "tensor \"{}\" has {} elements in {} bytes, room was made for {}",
              for_message(name), tensor.num_elements(), tensor.bytes.size(), out.size());
  }
  for (std::size_t begin = 0; begin < out.size(); begin += kBlock) {
    const std::span<float> block = out.subspan(begin, std::min(kBlock, out.size() - begin));
    widen(dtype, tensor.bytes.data() + begin * size, block);
    if (!has_no_nan_or_infinity(block)) fail_non_finite(tensor, name, out, begin);
  }
}

}  // namespace

void copy_as_float(const StoredTensor& tensor, std::string_view name, std::span<float> out) {
  if (tensor.revision == nullptr) return copy_stored(tensor, name, out);
  const TensorRevision& revision = *tensor.revision;
  if (revision.replacement) {
    copy_as_float(revision.replacement->tensor, revision.replacement->name, out);
  } else {
    copy_stored(tensor, name, out);
  }
  add_products(revision, out);
  if (!has_no_nan_or_infinity(out)) {
    fail_file(tensor.file, ErrorCode::invalid_file,
              "tensor \"{}\" has a NaN or an infinity once its adapter is added; the adapter belongs to another model, "
              "or is damaged",
              for_message(name));
  }
}

}  // namespace treble::internal
