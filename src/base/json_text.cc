#include "base/json_text.h"

namespace treble::internal {

using OrderedJson = nlohmann::ordered_json;

OrderedJson parse_ordered(std::string_view text) { return OrderedJson::parse(text); }

OrderedJson try_parse_ordered(std::string_view text) { return OrderedJson::parse(text, nullptr, false); }

nlohmann::json parse_json(std::string_view text) { return nlohmann::json::parse(text); }

nlohmann::json try_parse_json(std::string_view text) { return nlohmann::json::parse(text, nullptr, false); }

std::string json_text(const nlohmann::json& json, int indent) {
  return json.dump(indent, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string json_text(const OrderedJson& json, int indent) {
  return json.dump(indent, ' ', false, OrderedJson::error_handler_t::replace);
}

}  // namespace treble::internal
