// What a sweep found, query by query: scores and rankings for other programs.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/fail.h"
#include "base/json_text.h"
#include "sweep/run_ids.h"
#include "treble/sweep.h"

namespace treble {

using namespace internal;

namespace {

/// What separates columns for programs in C, and beyond ASCII for those in Python, whose str.split() knows more.
constexpr std::array<std::string_view, 29> kSpaces = {" ",
                                                      "\t",
                                                      "\n",
                                                      "\v",
                                                      "\f",
                                                      "\r",
                                                      "\x1c",
                                                      "\x1d",
                                                      "\x1e",
                                                      "\x1f",
                                                      "\xc2\x85",
                                                      "\xc2\xa0",
                                                      "\xe1\x9a\x80",
                                                      "\xe2\x80\x80",
                                                      "\xe2\x80\x81",
                                                      "\xe2\x80\x82",
                                                      "\xe2\x80\x83",
                                                      "\xe2\x80\x84",
                                                      "\xe2\x80\x85",
                                                      "\xe2\x80\x86",
                                                      "\xe2\x80\x87",
                                                      "\xe2\x80\x88",
                                                      "\xe2\x80\x89",
                                                      "\xe2\x80\x8a",
                                                      "\xe2\x80\xa8",
                                                      "\xe2\x80\xa9",
                                                      "\xe2\x80\xaf",
                                                      "\xe2\x81\x9f",
                                                      "\xe3\x80\x80"};

bool has_space(std::string_view text) {
  return std::any_of(kSpaces.begin(), kSpaces.end(), [&](auto space) { return text.find(space) != text.npos; });
}

/// `text` with `by` wherever it has `what`.
std::string replaced(std::string_view text, std::string_view what, std::string_view by) {
  std::string result;
  for (auto at = text.find(what); at != text.npos; at = text.find(what)) {
    result.append(text.substr(0, at)).append(by);
    text.remove_prefix(at + what.size());
  }
  return result.append(text);
}

void check_ids(const std::string& data, const char* whose, const std::vector<std::string>& ids) {
  const auto bad = std::find_if(ids.begin(), ids.end(), [](const auto& id) { return id.empty() || has_space(id); });
  if (bad == ids.end()) return;
  fail(ErrorCode::invalid_file,
       "{}: the id \"{:.100}\" of a {} {}, which the columns of a TREC run cannot hold; rename it, or leave out "
       "SweepOptions::run_depth",
       data, *bad, whose, bad->empty() ? "is empty" : "has white space");
}

}  // namespace

void internal::check_run_ids(const SweepData& data) {
  const auto* retrieval = std::get_if<RetrievalData>(&data.data);
  if (retrieval == nullptr) {
    fail(ErrorCode::invalid_argument, "SweepOptions::run_depth: {} holds {}, which have no rankings", data.name,
         std::holds_alternative<PairData>(data.data) ? "pairs" : "labelled texts");
  }
  check_ids(data.name, "query", retrieval->query_ids);
  check_ids(data.name, "document", retrieval->document_ids);
}

std::string scores_jsonl(const SweepReport& report) {
  std::string lines;
  for (std::size_t item = 0; item < report.each.size(); ++item) {
    nlohmann::ordered_json scores = nlohmann::ordered_json::object();
    for (std::size_t s = 0; s < report.settings.size(); ++s) {
      scores[report.settings[s].name()] = report.scores[s][item];
    }
    const SweepItem& one = report.each[item];
    lines += json_text(nlohmann::ordered_json{{"id", one.id}, {"tokens", one.tokens}, {"scores", std::move(scores)}});
    lines += '\n';
  }
  return lines;
}

std::string run_tag(const SweepSetting& setting) {
  std::string tag = replaced(setting.name(), " + ", "+");
  for (const std::string_view space : kSpaces) tag = replaced(tag, space, "_");
  return tag;
}

std::string trec_run(const SweepReport& report, std::size_t setting) {
  if (setting >= report.rankings.size()) {
    fail(ErrorCode::invalid_argument, "there are rankings of {} settings, and none of setting {}{}",
         report.rankings.size(), setting, report.rankings.empty() ? "; ask for them by SweepOptions::run_depth" : "");
  }
  const std::string tag = run_tag(report.settings[setting]);
  std::string lines;
  for (std::size_t query = 0; query < report.rankings[setting].size(); ++query) {
    std::size_t rank = 0;
    for (const RankedDocument& found : report.rankings[setting][query]) {
      // Without a precision: the shortest digits that read back as the same number.
      fmt::format_to(std::back_inserter(lines), "{} Q0 {} {} {} {}\n", report.each[query].id,
                     report.document_ids[static_cast<std::size_t>(found.document)], ++rank, found.score, tag);
    }
  }
  return lines;
}

}  // namespace treble
