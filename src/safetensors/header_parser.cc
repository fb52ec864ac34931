#include "safetensors/header_parser.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/fail_about.h"
#include "safetensors/message_text.h"

namespace treble::internal {

namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxDimensions = 64;  // as PyTorch and NumPy

constexpr std::array<std::string_view, 9> kUnreadDTypes = {
    "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "F6_E2M3", "F6_E3M2", "F4", "C64"};

/// Where in the header the parser stands, named after what it expects next.
enum class Place {
  document,
  tensor_name,
  metadata,
  metadata_key,
  metadata_value,
  tensor,
  field,
  dtype,
  shape,
  dimension,
  offsets,
  offset,
  nothing
};

const char* expectation(Place place) {
  switch (place) {
    case Place::document: return "the header to be a JSON object";
    case Place::tensor_name:
    case Place::metadata_key:
    case Place::field: return "a key";
    case Place::metadata: return "\"__metadata__\" to be an object";
    case Place::metadata_value: return "\"__metadata__\" to map strings to strings";
    case Place::tensor: return "an object with dtype, shape and data_offsets";
    case Place::dtype: return "\"dtype\" to be a string";
    case Place::shape: return "\"shape\" to be an array";
    case Place::dimension: return "dimensions in \"shape\" to be integers from 0 to 2^63-1";
    case Place::offsets: return "\"data_offsets\" to be an array";
    case Place::offset: return "\"data_offsets\" to be two integers that are not negative";
    case Place::nothing: return "the end of the header";
  }
  return "something else";
}

/// Receives the parser's events. A tree is never built, and unlike nlohmann's own tree a second value of the same key
/// is an error instead of a silent replacement.
class HeaderHandler final : public nlohmann::json_sax<Json> {
 public:
  explicit HeaderHandler(const std::string& file) : file_(file) {}

  ParsedHeader take() { return std::move(header_); }

  bool null() override { unexpected("null"); }
  bool boolean(bool value) override { unexpected(value ? "true" : "false"); }
  // nlohmann reports only numbers with a minus sign through this one.
  bool number_integer(number_integer_t value) override { unexpected(std::to_string(value)); }
  bool number_float(number_float_t, const string_t& text) override { unexpected(text); }
  bool binary(binary_t&) override { unexpected("binary data"); }
  bool number_unsigned(number_unsigned_t value) override;
  bool string(string_t& value) override;
  bool start_object(std::size_t) override;
  bool end_object() override;
  bool start_array(std::size_t) override;
  bool end_array() override;
  bool key(string_t& value) override;
  bool parse_error(std::size_t position, const std::string&, const Json::exception& error) override {
    fail_file(file_, ErrorCode::invalid_file, "the header is not valid JSON at byte {} of it: {}", position,
              for_message(error.what()));
  }

 private:
  [[noreturn]] void unexpected(std::string_view found) const {
    fail_file(file_, ErrorCode::invalid_file, "{}: expected {}, found {}", where(), expectation(place_),
              for_message(found));
  }
  std::string where() const { return name_.empty() ? "header" : "tensor \"" + for_message(name_) + "\""; }
  void add_tensor_name(std::string& value);
  void add_field(const std::string& value);
  void set_dtype(const std::string& value);
  void finish_tensor();

  const std::string& file_;
  ParsedHeader header_;
  Place place_ = Place::document;
  std::string name_;          // of the tensor being read
  std::string metadata_key_;  // of the entry being read
  bool has_metadata_ = false;
  HeaderEntry entry_;
  bool has_dtype_ = false;
  bool has_shape_ = false;
  bool has_offsets_ = false;
  std::size_t offsets_read_ = 0;
};

bool HeaderHandler::number_unsigned(number_unsigned_t value) {
  if (place_ == Place::dimension) {
    if (value > std::uint64_t{INT64_MAX}) unexpected(std::to_string(value));
    if (entry_.shape.size() == kMaxDimensions) {
      fail_file(file_, ErrorCode::invalid_file, "{}: more than {} dimensions", where(), kMaxDimensions);
    }
    entry_.shape.push_back(static_cast<std::int64_t>(value));
    return true;
  }
  if (place_ != Place::offset || offsets_read_ == 2) unexpected(std::to_string(value));
  (offsets_read_++ == 0 ? entry_.begin : entry_.end) = value;
  return true;
}

bool HeaderHandler::string(string_t& value) {
  if (place_ == Place::metadata_value) {
    header_.metadata.emplace(std::move(metadata_key_), std::move(value));
    place_ = Place::metadata_key;
  } else if (place_ == Place::dtype) {
    set_dtype(value);
    place_ = Place::field;
  } else {
    unexpected("the string \"" + value + "\"");
  }
  return true;
}

void HeaderHandler::set_dtype(const std::string& value) {
  const auto dtype = dtype_from_name(value);
  if (dtype) {
    entry_.dtype = *dtype;
    return;
  }
  if (std::find(kUnreadDTypes.begin(), kUnreadDTypes.end(), value) != kUnreadDTypes.end()) {
    fail_file(file_, ErrorCode::unsupported, "{}: Treble does not read dtype {}; save the model as F32, F16 or BF16",
              where(), value);
  }
  fail_file(file_, ErrorCode::invalid_file,
            "{}: unknown dtype \"{}\"; the format knows F32, F16, BF16, F64 and integer types", where(),
            for_message(value));
}

bool HeaderHandler::start_object(std::size_t) {
  switch (place_) {
    case Place::document: place_ = Place::tensor_name; return true;
    case Place::metadata: place_ = Place::metadata_key; return true;
    case Place::tensor: place_ = Place::field; return true;
    default: unexpected("an object");
  }
}

bool HeaderHandler::end_object() {
  if (place_ == Place::field) finish_tensor();
  place_ = place_ == Place::tensor_name ? Place::nothing : Place::tensor_name;
  return true;
}

void HeaderHandler::finish_tensor() {
  const char* missing = !has_dtype_ ? "dtype" : !has_shape_ ? "shape" : !has_offsets_ ? "data_offsets" : nullptr;
  if (missing != nullptr) fail_file(file_, ErrorCode::invalid_file, "{}: \"{}\" is missing", where(), missing);
  header_.tensors.emplace(std::exchange(name_, {}), std::exchange(entry_, {}));
}

bool HeaderHandler::start_array(std::size_t) {
  switch (place_) {
    case Place::shape: place_ = Place::dimension; return true;
    case Place::offsets: place_ = Place::offset; return true;
    default: unexpected("an array");
  }
}

bool HeaderHandler::end_array() {
  if (place_ == Place::offset && offsets_read_ != 2) unexpected(std::to_string(offsets_read_) + " of them");
  place_ = Place::field;
  return true;
}

bool HeaderHandler::key(string_t& value) {
  switch (place_) {
    case Place::tensor_name: add_tensor_name(value); return true;
    case Place::field: add_field(value); return true;
    case Place::metadata_key:
      if (header_.metadata.contains(value)) {
        fail_file(file_, ErrorCode::invalid_file, R"("__metadata__" has the key "{}" twice)", for_message(value));
      }
      metadata_key_ = std::move(value);
      place_ = Place::metadata_value;
      return true;
    default: unexpected("the key \"" + value + "\"");
  }
}

void HeaderHandler::add_tensor_name(std::string& value) {
  if (value == "__metadata__") {
    if (std::exchange(has_metadata_, true)) fail_file(file_, ErrorCode::invalid_file, "\"__metadata__\" appears twice");
    place_ = Place::metadata;
    return;
  }
  if (header_.tensors.contains(value)) {
    fail_file(file_, ErrorCode::invalid_file, "tensor \"{}\" appears twice in the header", for_message(value));
  }
  name_ = std::move(value);
  has_dtype_ = has_shape_ = has_offsets_ = false;
  offsets_read_ = 0;
  place_ = Place::tensor;
}

void HeaderHandler::add_field(const std::string& value) {
  bool* seen = nullptr;
  if (value == "dtype") {
    seen = &has_dtype_;
    place_ = Place::dtype;
  } else if (value == "shape") {
    seen = &has_shape_;
    place_ = Place::shape;
  } else if (value == "data_offsets") {
    seen = &has_offsets_;
    place_ = Place::offsets;
  } else {
    fail_file(file_, ErrorCode::invalid_file, "{}: unknown field \"{}\"; the format has dtype, shape and data_offsets",
              where(), for_message(value));
  }
  if (std::exchange(*seen, true)) {
    fail_file(file_, ErrorCode::invalid_file, "{}: the field \"{}\" appears twice", where(), value);
  }
}

}  // namespace

ParsedHeader parse_header(std::string_view text, const std::string& file) {
  if (!text.starts_with('{')) {
    fail_file(file, ErrorCode::invalid_file, "the header does not begin with \"{{\"; this is not a safetensors file");
  }
  // The parser takes a NUL for the end of its input and would ignore whatever follows.
  const auto nul = text.find('\0');
  if (nul != std::string_view::npos) {
    fail_file(file, ErrorCode::invalid_file, "the header is not valid JSON: NUL byte at byte {} of it", nul);
  }
  HeaderHandler handler(file);
  Json::sax_parse(text.begin(), text.end(), &handler);
  return handler.take();
}

}  // namespace treble::internal
