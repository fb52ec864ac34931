#include "treble/report_page.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "base/fail.h"
#include "base/json_text.h"
#include "diagnostics/report_template.h"
#include "treble/collapse_report.h"

namespace treble {

using namespace internal;

namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kPlaceholder = "@REPORT_JSON@";

Json parse(std::string_view text) {
  Json report = try_parse_ordered(text);
  if (!report.is_object()) fail(ErrorCode::invalid_argument, "the report is no JSON object ({} bytes)", text.size());
  const auto kind = report.find("kind");
  const std::string name = kind != report.end() && kind->is_string() ? kind->get<std::string>() : std::string();
  constexpr std::array<std::string_view, 5> kKinds = {"inspect", "sweep", "collapse-model", "passkey", "perplexity"};
  if (std::find(kKinds.begin(), kKinds.end(), name) == kKinds.end()) {
    fail(
        ErrorCode::invalid_argument,
        R"(the report's "kind" is "{}"; a page is made of the JSON of treble inspect, sweep, collapse-model and passkey)",
        name);
  }
  return report;
}

void round_numbers(Json& json) {
  if (json.is_number_float()) json = std::round(json.get<double>() * 1e4) / 1e4;
  if (json.is_structured()) {
    for (auto& item : json) round_numbers(item);
  }
}

/// {"i": 3, "cosine": 0.8} becomes [3, 0.8]: lists of neighbours are most of a large report.
void shorten_neighbors(Json& list) {
  for (Json& neighbor : list) {
    if (neighbor.is_object()) neighbor = Json::array({neighbor.value("i", Json()), neighbor.value("cosine", Json())});
  }
}

/// The member of that name, if it is an object.
Json* member(Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_object() ? &*found : nullptr;
}

void shorten_map(Json& map) {
  const auto texts = map.find("texts");
  if (texts == map.end() || !texts->is_array()) return;
  for (Json& text : *texts) {
    if (!text.is_object()) continue;
    const auto lists = text.find("neighbors");
    if (lists != text.end() && lists->is_array()) {
      for (Json& list : *lists) {
        if (list.is_array()) shorten_neighbors(list);
      }
    }
    round_numbers(text);
  }
}

/// Heads whose curves a page holds of each setting: more of them, and it holds the worst of each layer alone.
constexpr std::size_t kMaxHeads = 64;

/// Leaves the heads that are the worst of their layer under some setting.
void shorten_states(Json& states) {
  const auto heads = states.find("heads");
  const auto layers = states.find("layers");
  if (heads == states.end() || layers == states.end() || !heads->is_array() || !layers->is_array()) return;
  const auto place = [](const Json& row, const char* head) {
    return std::pair(row.value("layer", Json()), row.value(head, Json()));
  };
  std::set<std::pair<Json, Json>> all;
  std::set<std::pair<Json, Json>> worst;
  for (const Json& head : *heads) {
    if (head.is_object()) all.insert(place(head, "head"));
  }
  if (all.size() <= kMaxHeads) return;
  for (const Json& layer : *layers) {
    if (layer.is_object()) worst.insert(place(layer, "worst_head"));
  }
  Json left = Json::array();
  for (Json& head : *heads) {
    if (head.is_object() && worst.contains(place(head, "head"))) left.push_back(std::move(head));
  }
  *heads = std::move(left);
}

/// Leaves what the page draws. Nothing is expected to be there: a report may come from a file.
void shorten(Json& report) {
  for (Json* of : {&report, member(report, "classes")}) {
    if (Json* map = of == nullptr ? nullptr : member(*of, "map")) shorten_map(*map);
  }
  if (Json* states = member(report, "states")) shorten_states(*states);
  const auto attention = report.find("attention");
  if (attention == report.end() || !attention->is_array()) return;
  Json means = Json::array();
  for (Json& row : *attention) {
    if (row.is_object() && !row.value("head", Json()).is_number()) means.push_back(std::move(row));
  }
  *attention = std::move(means);
}

/// JSON that may stand inside a script element. Outside of strings there is no '<', and the escape is the same string:
/// so neither "</script" nor "<!--" can end or change the element. U+2028 and U+2029 end lines for JavaScript of old.
std::string escape_for_script(std::string_view json) {
  std::string out;
  out.reserve(json.size() + json.size() / 64);
  for (std::size_t at = 0; at < json.size(); ++at) {
    const std::string_view rest = json.substr(at, 3);
    if (json[at] == '<') {
      out += "\\u003c";
    } else if (rest == "\xE2\x80\xA8" || rest == "\xE2\x80\xA9") {
      out += rest.back() == '\xA8' ? "\\u2028" : "\\u2029";
      at += 2;
    } else {
      out += json[at];
    }
  }
  return out;
}

}  // namespace

std::string report_page(std::string_view report_json) {
  Json report = parse(report_json);
  shorten(report);
  std::string page(report_template());
  const std::size_t place = page.find(kPlaceholder);
  if (place == std::string::npos) fail(ErrorCode::internal, "the page of reports has no {}", kPlaceholder);
  page.replace(place, kPlaceholder.size(), escape_for_script(json_text(report)));
  return page;
}

std::string to_html(const CollapseReport& report) { return report_page(to_json(report)); }

}  // namespace treble
