#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/fail_about.h"
#include "base/json_text.h"
#include "evaluation/json_line.h"
#include "evaluation/line_file.h"
#include "treble/evaluation.h"

namespace treble {

using namespace internal;

namespace {

namespace fs = std::filesystem;

/// What mteb calls the text and the label.
constexpr std::array<const char*, 2> kTextKeys = {"text", "sentences"};
constexpr std::array<const char*, 2> kLabelKeys = {"label", "labels"};

const char* key_of(const nlohmann::json& json, const std::array<const char*, 2>& keys) {
  return json.contains(keys[1]) && !json.contains(keys[0]) ? keys[1] : keys[0];
}

struct LabelledTexts {
  std::vector<std::string> texts;
  std::vector<std::string> labels;
  std::vector<std::string> groups;
};

std::string label_of(const nlohmann::json& json, const std::string& place) {
  const char* key = key_of(json, kLabelKeys);
  const auto found = json.find(key);
  if (found != json.end() && found->is_number_integer()) return found->dump();
  if (found == json.end() || !found->is_string()) {
    fail(ErrorCode::invalid_file, R"({}: "{}" must be one label, a text or a whole number)", place, key);
  }
  return found->get<std::string>();
}

LabelledTexts read_labelled(const fs::path& path, const std::string& group_field) {
  return about_file(path, [&] {
    LineFile file(path);
    LabelledTexts result;
    for (std::string line; file.next(line);) {
      const auto json = parse_object(line, file.place());
      result.texts.push_back(text_field(json, key_of(json, kTextKeys), file.place()));
      result.labels.push_back(label_of(json, file.place()));
      if (!group_field.empty()) result.groups.push_back(group_of(json, group_field, file.place()));
    }
    return result;
  });
}

/// "train.jsonl", or compressed; nothing where it is not there.
fs::path file_of(const fs::path& folder, const std::string& name) {
  for (const char* extension : {".jsonl", ".jsonl.gz", ".jsonl.zst"}) {
    if (fs::exists(folder / (name + extension))) return folder / (name + extension);
  }
  return {};
}

std::vector<std::int64_t> numbered(const std::vector<std::string>& labels, const std::vector<std::string>& names) {
  std::vector<std::int64_t> numbers;
  numbers.reserve(labels.size());
  for (const std::string& label : labels) {
    numbers.push_back(std::lower_bound(names.begin(), names.end(), label) - names.begin());
  }
  return numbers;
}

std::vector<std::string> names_of(std::vector<std::string> labels, const std::vector<std::string>& more) {
  labels.insert(labels.end(), more.begin(), more.end());
  std::sort(labels.begin(), labels.end());
  labels.erase(std::unique(labels.begin(), labels.end()), labels.end());
  return labels;
}

/// `whose`: "training texts".
void check_labels(const fs::path& file, const std::vector<std::string>& labels, const char* whose) {
  if (labels.empty()) fail_file(file, ErrorCode::invalid_file, "no texts; those of two labels are needed");
  const bool several =
      std::any_of(labels.begin(), labels.end(), [&](const auto& one) { return one != labels.front(); });
  if (several) return;
  fail_file(file, ErrorCode::invalid_file, "all {} have the label \"{:.100}\"; two labels are needed", whose,
            labels.front());
}

}  // namespace

bool is_labelled(const fs::path& path) {
  if (fs::is_directory(path)) {
    if (!file_of(path, "corpus").empty()) return false;
    return !file_of(path, "train").empty() || !file_of(path, "clustering").empty();
  }
  LineFile file(path);
  std::string line;
  if (!file.next(line)) return false;
  const auto json = try_parse_json(line);
  return json.is_object() && json.contains(key_of(json, kTextKeys)) && json.contains(key_of(json, kLabelKeys));
}

LabelData read_labels(const fs::path& path, const std::string& split, const std::string& group_field) {
  const bool folder = fs::is_directory(path);
  const fs::path train_file = folder ? file_of(path, "train") : fs::path();
  fs::path judged_file = folder ? file_of(path, train_file.empty() ? "clustering" : split) : path;
  // Its absence is then the error.
  if (judged_file.empty()) judged_file = path / (split + ".jsonl");
  LabelledTexts judged = read_labelled(judged_file, group_field);
  LabelledTexts train;
  if (!train_file.empty()) {
    train = read_labelled(train_file, {});
    check_labels(train_file, train.labels, "training texts");
  }
  check_labels(judged_file, judged.labels, "texts");
  LabelData data;
  data.names = names_of(train.labels, judged.labels);
  data.train_labels = numbered(train.labels, data.names);
  data.labels = numbered(judged.labels, data.names);
  data.train = std::move(train.texts);
  data.texts = std::move(judged.texts);
  data.groups = std::move(judged.groups);
  return data;
}

}  // namespace treble
