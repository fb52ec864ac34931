// Columns of texts in Arrow's memory, read where they are: https://arrow.apache.org/docs/format/CDataInterface.html and
// its PyCapsule interface, which pyarrow, Polars, pandas, DuckDB and others speak.
#pragma once

#include <nanobind/nanobind.h>

#include <cstdint>
#include <string_view>
#include <vector>

namespace treble::python {

// Layouts that the specification fixes, names included.
struct ArrowSchema {
  const char* format;
  const char* name;
  const char* metadata;
  std::int64_t flags;
  std::int64_t n_children;
  ArrowSchema** children;
  ArrowSchema* dictionary;
  void (*release)(ArrowSchema*);
  void* private_data;
};

struct ArrowArray {
  std::int64_t length;
  std::int64_t null_count;
  std::int64_t offset;
  std::int64_t n_buffers;
  std::int64_t n_children;
  const void** buffers;
  ArrowArray** children;
  ArrowArray* dictionary;
  void (*release)(ArrowArray*);
  void* private_data;
};

struct ArrowArrayStream {
  int (*get_schema)(ArrowArrayStream*, ArrowSchema* out);
  int (*get_next)(ArrowArrayStream*, ArrowArray* out);
  const char* (*get_last_error)(ArrowArrayStream*);
  void (*release)(ArrowArrayStream*);
  void* private_data;
};

/// One of the structs above as its consumer holds it.
template <typename Struct>
class ArrowOwned {
 public:
  ArrowOwned() = default;
  /// Takes over what a producer gave.
  explicit ArrowOwned(Struct& given) : value_(given) { given.release = nullptr; }
  ArrowOwned(ArrowOwned&& other) noexcept : ArrowOwned(other.value_) {}
  ArrowOwned& operator=(ArrowOwned&&) = delete;
  ~ArrowOwned() {
    if (value_.release != nullptr) value_.release(&value_);
  }
  Struct& operator*() noexcept { return value_; }
  Struct* operator->() noexcept { return &value_; }

 private:
  Struct value_ = {};
};

/// The texts of a column: strings, large strings, string views, or a dictionary of them.
class ArrowTexts {
 public:
  /// Whether the object can give itself as Arrow.
  static bool speaks(nanobind::handle object);

  /// Throws Error{invalid_argument} naming the column's type when it is none of texts, and the row of a null.
  explicit ArrowTexts(nanobind::handle column);

  /// Valid as long as this lives.
  const std::vector<std::string_view>& views() const noexcept { return views_; }

 private:
  void add(const ArrowSchema& schema, ArrowOwned<ArrowArray> chunk);

  std::vector<ArrowOwned<ArrowArray>> chunks_;
  std::vector<std::string_view> views_;
};

}  // namespace treble::python
