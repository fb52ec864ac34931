// JSON files: a list of objects or strings, read element by element.
#pragma once

#include <cstddef>
#include <string>

#include "input/byte_reader.h"
#include "input/text_fields.h"
#include "input/text_source.h"

namespace treble::cli {

/// The elements of a JSON list, one after the other; or, where the file does not begin with a list, the values in it,
/// as files of JSONL that are called .json have them.
class JsonElements {
 public:
  explicit JsonElements(const std::string& path, const StopSignal* stop = nullptr) : bytes_(path, stop) {}

  /// The next element as it is written; false at the end. An element is found by its brackets and quotes: it may still
  /// be invalid. Throws Error{invalid_file} naming the line where the list itself is damaged, and for elements above
  /// 256 MiB; and what ByteReader throws.
  bool next(std::string& element);

  /// Where the element that next() gave begins.
  Place place() const noexcept { return {&bytes_.name(), element_line_, element_offset_}; }
  /// Whether the elements are those of a list.
  bool in_list() const noexcept { return in_list_; }
  const std::string& name() const noexcept { return bytes_.name(); }
  std::uint64_t file_bytes() const noexcept { return bytes_.file_bytes(); }

 private:
  /// The next byte, not yet consumed; -1 at the end.
  int look();
  void pass();
  void skip_space();
  void start();
  bool find_element();
  void take_element(std::string& element);
  bool take_piece(std::string_view piece, std::string& element);
  [[noreturn]] void fail_here(const char* what) const;

  ByteReader bytes_;
  bool started_ = false;
  bool in_list_ = false;
  bool ended_ = false;
  std::uint64_t elements_ = 0;
  std::uint64_t line_ = 1;
  std::uint64_t element_line_ = 1;
  std::uint64_t element_offset_ = 0;
  /// Of the element that is being taken.
  std::size_t depth_ = 0;
  bool in_string_ = false;
  bool escaped_ = false;
};

class JsonListSource : public TextSource {
 public:
  JsonListSource(const std::string& path, const InputOptions& options, const StopSignal* stop = nullptr)
      : elements_(path, stop), fields_(options) {}

  bool next(TextRecord& record) override;
  std::uint64_t bytes_read() const override { return elements_.file_bytes(); }
  std::int64_t replaced() const override { return replaced_; }

 private:
  void check_single_object(const std::string& element) const;

  JsonElements elements_;
  TextFields fields_;
  std::int64_t replaced_ = 0;
  std::string element_;
};

}  // namespace treble::cli
