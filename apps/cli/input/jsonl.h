// JSONL: an object a line, as BEIR and most data sets have it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "input/line_reader.h"
#include "input/text_source.h"

namespace treble::cli {

/// Lines of white space alone are passed over. The id is the field "_id", else "id", when it is a string or a number.
class JsonlSource : public TextSource {
 public:
  JsonlSource(const std::string& path, const InputOptions& options, const StopSignal* stop = nullptr);

  bool next(TextRecord& record) override;
  std::uint64_t bytes_read() const override { return lines_.position(); }
  std::int64_t replaced() const override { return replaced_; }

 private:
  void read_object(const nlohmann::json& object, TextRecord& record) const;
  std::string text_of(const nlohmann::json& object) const;
  std::string title_of(const nlohmann::json& object) const;
  [[noreturn]] void fail_field(const std::string& field, const nlohmann::json& found) const;

  LineReader lines_;
  std::string text_field_;
  std::string title_field_;
  bool title_is_default_;
  InvalidUtf8 invalid_utf8_;
  std::int64_t replaced_ = 0;
  std::string line_;
};

}  // namespace treble::cli
