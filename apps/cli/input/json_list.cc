#include "input/json_list.h"

#include <algorithm>

#include "fail.h"

namespace treble::cli {

namespace {

constexpr std::size_t kMaxElementBytes = std::size_t{256} << 20;

bool is_space(int c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

}  // namespace

int JsonElements::look() {
  const std::string_view piece = bytes_.peek();
  return piece.empty() ? -1 : static_cast<unsigned char>(piece.front());
}

void JsonElements::pass() {
  if (bytes_.peek().front() == '\n') ++line_;
  bytes_.consume(1);
}

void JsonElements::skip_space() {
  while (is_space(look())) pass();
}

void JsonElements::fail_here(const char* what) const {
  fail(ErrorCode::invalid_file, "{}:{}: not valid JSON: {} (after {} elements)", bytes_.name(), line_, what, elements_);
}

void JsonElements::start() {
  started_ = true;
  skip_space();
  if (look() == -1) fail_here("there is nothing in it; an empty list is []");
  in_list_ = look() == '[';
  if (in_list_) pass();
}

/// Skips what is between elements; false at the end.
bool JsonElements::find_element() {
  if (ended_) return false;
  skip_space();
  if (!in_list_) return look() != -1;
  if (look() != ']') {
    if (elements_ == 0) return true;
    if (look() == -1) fail_here("it ends within the list; it may be cut short");
    if (look() != ',') fail_here("a comma or ] is missing between the elements of the list");
    pass();
    skip_space();
    if (look() == ']' || look() == ',') fail_here("an element is missing after a comma");
    return true;
  }
  pass();
  ended_ = true;
  skip_space();
  if (look() != -1) fail_here("something comes after the end of the list");
  return false;
}

/// Takes what belongs to the element; true when that is all of it.
bool JsonElements::take_piece(std::string_view piece, std::string& element) {
  std::size_t size = 0;
  bool done = false;
  for (; size < piece.size() && !done; ++size) {
    const char c = piece[size];
    if (in_string_) {
      if (!escaped_ && c == '"') {
        in_string_ = false;
        done = depth_ == 0;
      }
      escaped_ = !escaped_ && c == '\\';
    } else if (c == '"') {
      in_string_ = true;
    } else if (c == '{' || c == '[') {
      ++depth_;
    } else if (c == '}' || c == ']' || c == ',' || is_space(c)) {
      // At depth 0 these end a bare word, such as a number, and are not part of it.
      if (depth_ == 0) {
        done = true;
        break;
      }
      if (c == '}' || c == ']') done = --depth_ == 0;
    }
  }
  element.append(piece, 0, size);
  line_ +=
      static_cast<std::uint64_t>(std::count(piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(size), '\n'));
  bytes_.consume(size);
  return done;
}

void JsonElements::take_element(std::string& element) {
  depth_ = 0;
  in_string_ = escaped_ = false;
  while (true) {
    const std::string_view piece = bytes_.peek();
    if (piece.empty()) break;
    if (take_piece(piece, element)) return;
    if (element.size() > kMaxElementBytes) {
      fail(ErrorCode::invalid_file,
           "{}:{}: an element of more than {} MiB; a list inside an object is taken out so: jq -c '.FIELD[]' {} | "
           "treble … --format jsonl -",
           bytes_.name(), element_line_, kMaxElementBytes >> 20, bytes_.name());
    }
  }
  if (depth_ > 0 || in_string_) fail_here("it ends within an element; it may be cut short");
  if (in_list_) fail_here("it ends within the list; it may be cut short");
}

bool JsonElements::next(std::string& element) {
  element.clear();
  if (!started_) start();
  if (!find_element()) return false;
  element_line_ = line_;
  element_offset_ = bytes_.offset();
  take_element(element);
  if (element.empty()) fail_here("an element is missing");
  ++elements_;
  return true;
}

/// A data set is often one object with a list inside: the texts are not where they are expected.
void JsonListSource::check_single_object(const std::string& element) const {
  JsonValue value;
  try {
    value = parse_json(element);
  } catch (const JsonFault&) {
    return;  // named by what reads it next
  }
  const JsonValue* text = find_field(value, fields_.text_field());
  if (text != nullptr && text->kind != JsonValue::Kind::list) return;
  for (const auto& [key, member] : value.members) {
    if (member.kind != JsonValue::Kind::list) continue;
    fail(ErrorCode::invalid_file,
         "{}:{}: one object with a list inside, \"{}\"; texts are the elements of a list, so take it out: "
         "jq -c '.\"{}\"[]' {} | treble … --format jsonl -",
         elements_.name(), elements_.place().line, key, key, elements_.name());
  }
}

bool JsonListSource::next(TextRecord& record) {
  if (!elements_.next(element_)) return false;
  if (!elements_.in_list()) check_single_object(element_);
  replaced_ += fields_.read(element_, elements_.place(), record);
  return true;
}

}  // namespace treble::cli
