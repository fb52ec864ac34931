#include "json.h"

namespace treble::cli {

std::string dump(const Json& json, int indent) { return json.dump(indent, ' ', false, Json::error_handler_t::replace); }

Json parse_json_text(std::string_view text) { return Json::parse(text, nullptr, false); }

}  // namespace treble::cli
