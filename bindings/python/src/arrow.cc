#include "arrow.h"

#include <cstring>
#include <string>
#include <utility>

#include "treble/error.h"

namespace nb = nanobind;

namespace treble::python {

namespace {

constexpr const char* kStream = "__arrow_c_stream__";
constexpr const char* kArray = "__arrow_c_array__";

bool is_valid(const ArrowArray& array, std::int64_t row) {
  const auto* bits = static_cast<const std::uint8_t*>(array.n_buffers > 0 ? array.buffers[0] : nullptr);
  if (bits == nullptr || array.null_count == 0) return true;
  const auto bit = static_cast<std::uint64_t>(array.offset + row);
  return ((bits[bit / 8] >> (bit % 8)) & 1U) != 0;
}

template <typename Offset>
std::string_view with_offsets(const ArrowArray& array, std::int64_t row) {
  const auto* offsets = static_cast<const Offset*>(array.buffers[1]) + array.offset + row;
  const auto* data = static_cast<const char*>(array.buffers[2]);
  const auto size = static_cast<std::size_t>(offsets[1] - offsets[0]);
  return size == 0 ? std::string_view() : std::string_view(data + offsets[0], size);
}

/// 16 bytes a text: its length, then the text itself where it has up to 12 bytes, else its first 4 bytes, the number of
/// a buffer and the place in it.
std::string_view of_view(const ArrowArray& array, std::int64_t row) {
  const char* view = static_cast<const char*>(array.buffers[1]) + 16 * (array.offset + row);
  std::int32_t parts[4];
  std::memcpy(parts, view, sizeof parts);
  const auto size = static_cast<std::size_t>(parts[0]);
  if (size <= 12) return {view + 4, size};
  return {static_cast<const char*>(array.buffers[2 + parts[2]]) + parts[3], size};
}

using Reader = std::string_view (*)(const ArrowArray&, std::int64_t);

/// nullptr: no texts.
Reader reader_of(std::string_view format) {
  if (format == "u") return with_offsets<std::int32_t>;
  if (format == "U") return with_offsets<std::int64_t>;
  if (format == "vu") return of_view;
  return nullptr;
}

template <typename Index>
std::int64_t index_at(const ArrowArray& array, std::int64_t row) {
  return static_cast<std::int64_t>(static_cast<const Index*>(array.buffers[1])[array.offset + row]);
}

using IndexReader = std::int64_t (*)(const ArrowArray&, std::int64_t);

/// nullptr: no type of an index.
IndexReader index_reader_of(std::string_view format) {
  if (format == "c") return index_at<std::int8_t>;
  if (format == "C") return index_at<std::uint8_t>;
  if (format == "s") return index_at<std::int16_t>;
  if (format == "S") return index_at<std::uint16_t>;
  if (format == "i") return index_at<std::int32_t>;
  if (format == "I") return index_at<std::uint32_t>;
  if (format == "l") return index_at<std::int64_t>;
  if (format == "L") return index_at<std::uint64_t>;
  return nullptr;
}

[[noreturn]] void fail_null(std::size_t row) {
  throw Error(ErrorCode::invalid_argument,
              "text " + std::to_string(row) + " is null; fill nulls with \"\" or drop their rows first",
              {.text_index = static_cast<std::int64_t>(row)});
}

[[noreturn]] void fail_type(const ArrowSchema& schema) {
  throw Error(ErrorCode::invalid_argument,
              "the Arrow data have the format \"" + std::string(schema.format) +
                  "\", which is not one of texts; give a column of strings, such as table[\"text\"]");
}

template <typename Struct>
Struct& unwrap(nb::handle capsule, const char* name) {
  void* pointer = PyCapsule_GetPointer(capsule.ptr(), name);
  if (pointer == nullptr) throw nb::python_error();
  return *static_cast<Struct*>(pointer);
}

void check(int code, ArrowArrayStream& stream) {
  if (code == 0) return;
  const char* message = stream.get_last_error(&stream);
  throw Error(ErrorCode::invalid_argument, std::string("the Arrow stream could not be read: ") +
                                               (message == nullptr ? std::strerror(code) : message));
}

}  // namespace

bool ArrowTexts::speaks(nb::handle object) {
  return PyObject_HasAttrString(object.ptr(), kStream) != 0 || PyObject_HasAttrString(object.ptr(), kArray) != 0;
}

ArrowTexts::ArrowTexts(nb::handle column) {
  if (PyObject_HasAttrString(column.ptr(), kArray) != 0) {
    const nb::tuple pair = nb::cast<nb::tuple>(column.attr(kArray)());
    ArrowOwned<ArrowSchema> schema(unwrap<ArrowSchema>(pair[0], "arrow_schema"));
    add(*schema, ArrowOwned<ArrowArray>(unwrap<ArrowArray>(pair[1], "arrow_array")));
    return;
  }
  const nb::object capsule = column.attr(kStream)();
  ArrowOwned<ArrowArrayStream> stream(unwrap<ArrowArrayStream>(capsule, "arrow_array_stream"));
  ArrowOwned<ArrowSchema> schema;
  check(stream->get_schema(&*stream, &*schema), *stream);
  for (;;) {
    ArrowOwned<ArrowArray> chunk;
    check(stream->get_next(&*stream, &*chunk), *stream);
    if (chunk->release == nullptr) return;
    add(*schema, std::move(chunk));
  }
}

void ArrowTexts::add(const ArrowSchema& schema, ArrowOwned<ArrowArray> chunk) {
  const ArrowArray& array = *chunk;
  const bool encoded = schema.dictionary != nullptr;
  const Reader read = reader_of(encoded ? schema.dictionary->format : schema.format);
  const IndexReader index = encoded ? index_reader_of(schema.format) : nullptr;
  if (read == nullptr || (encoded && index == nullptr)) fail_type(schema);
  views_.reserve(views_.size() + static_cast<std::size_t>(array.length));
  for (std::int64_t row = 0; row < array.length; ++row) {
    if (!is_valid(array, row)) fail_null(views_.size());
    if (!encoded) {
      views_.push_back(read(array, row));
      continue;
    }
    const std::int64_t value = index(array, row);
    if (!is_valid(*array.dictionary, value)) fail_null(views_.size());
    views_.push_back(read(*array.dictionary, value));
  }
  chunks_.push_back(std::move(chunk));
}

}  // namespace treble::python
