#include "engine/pair_template.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <iterator>
#include <map>
#include <utility>
#include <vector>

#include "base/fail_about.h"
#include "base/file_presence.h"
#include "base/json_file.h"
#include "base/text_file.h"

namespace treble::internal {

namespace {

namespace fs = std::filesystem;

struct TemplateSource {
  std::string text;
  fs::path file;
};
using TemplateSources = std::map<std::string, TemplateSource>;

constexpr const char* kTemplateFile = "chat_template.jinja";
constexpr const char* kTemplateFolder = "additional_chat_templates";
constexpr const char* kDefaultName = "default";

TemplateSource read_template(const fs::path& file) {
  const auto in = open_text(file);
  return {std::string(std::istreambuf_iterator<char>(*in), {}), file};
}

/// tokenizer_config.json has one template, or several with names.
void add_from_config(const fs::path& folder, TemplateSources& sources) {
  const fs::path path = folder / "tokenizer_config.json";
  if (!is_there(path)) return;
  const auto json = JsonObject::from_file(path);
  const nlohmann::json* stated = json.find("chat_template");
  if (stated == nullptr) return;
  if (stated->is_string()) {
    sources[kDefaultName] = {stated->get<std::string>(), path};
    return;
  }
  const auto is_text = [](const nlohmann::json& entry, const char* key) {
    return entry.is_object() && entry.contains(key) && entry.at(key).is_string();
  };
  if (!stated->is_array()) {
    fail_at(json, ErrorCode::invalid_file, "\"chat_template\" must be a string or a list, found {}",
            stated->type_name());
  }
  for (const auto& entry : *stated) {
    if (!is_text(entry, "name") || !is_text(entry, "template")) {
      fail_at(json, ErrorCode::invalid_file, R"(an entry of "chat_template" must have a "name" and a "template")");
    }
    sources[entry.at("name").get<std::string>()] = {entry.at("template").get<std::string>(), path};
  }
}

/// By name, as transformers finds them: files of their own first.
TemplateSources find_templates(const fs::path& folder) {
  TemplateSources sources;
  if (is_there(folder / kTemplateFile)) sources[kDefaultName] = read_template(folder / kTemplateFile);
  if (is_there(folder / kTemplateFolder)) {
    for (const auto& entry : fs::directory_iterator(folder / kTemplateFolder)) {
      if (entry.path().extension() == ".jinja") sources[entry.path().stem().string()] = read_template(entry.path());
    }
  }
  if (sources.empty()) add_from_config(folder, sources);
  return sources;
}

TemplateSource choose_template(const fs::path& folder, const ChatSettings& settings) {
  const TemplateSources sources = find_templates(folder);
  const auto asked = settings.arguments.find("chat_template");
  if (asked != settings.arguments.end() && asked->is_string()) {
    const auto named = sources.find(asked->get<std::string>());
    // A template itself, where it is no name.
    return named != sources.end() ? named->second : TemplateSource{asked->get<std::string>(), folder};
  }
  if (const auto found = sources.find(kDefaultName); found != sources.end()) return found->second;
  if (sources.empty()) {
    fail_file(folder, ErrorCode::not_found,
              "pairs are to go through a chat template, but there is none: neither {} nor \"chat_template\" in "
              "tokenizer_config.json",
              kTemplateFile);
  }
  std::string names;
  for (const auto& [name, source] : sources) names += (names.empty() ? "" : ", ") + name;
  fail_file(
      folder, ErrorCode::unsupported,
      R"(there are several chat templates ({:.200}) and none is the default; say which one by "chat_template" of )"
      R"("processing_kwargs" in sentence_bert_config.json)",
      names);
}

/// "<s>", or {"content": "<s>", …}, under a name such as bos_token.
void add_special_tokens(const fs::path& folder, nlohmann::json& variables) {
  for (const char* file : {"tokenizer_config.json", "special_tokens_map.json"}) {
    if (!is_there(folder / file)) continue;
    const auto json = JsonObject::from_file(folder / file);
    for (const char* name :
         {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}) {
      const nlohmann::json* token = json.find(name);
      if (token == nullptr || variables.contains(name)) continue;
      if (token->is_object() && token->contains("content")) token = &token->at("content");
      if (token->is_string()) variables[name] = *token;
    }
  }
}

/// sentence-transformers' guess at what a template makes of the content of a message.
bool looks_structured(const std::string& source) {
  constexpr std::array kSigns = {"content[0]", ".type", "'type'", "\"type\"", "item.type", "message.content["};
  return std::any_of(kSigns.begin(), kSigns.end(),
                     [&](const char* sign) { return source.find(sign) != std::string::npos; });
}

/// Those that set how the result is tokenized, and those with more than text in them.
void refuse_arguments(const fs::path& folder, const nlohmann::json& arguments) {
  for (const char* key : {"tools", "documents", "continue_final_message", "tokenize", "padding", "truncation",
                          "max_length", "return_tensors", "return_dict", "return_assistant_tokens_mask",
                          "tokenizer_kwargs", "sanitize_control_tokens", "messages"}) {
    if (!arguments.contains(key)) continue;
    fail_file(
        folder, ErrorCode::unsupported,
        R"("processing_kwargs" of sentence_bert_config.json gives "{}": {:.60} to the chat template, which Treble )"
        "does not obey",
        key, arguments.at(key).dump());
  }
}

/// Tokens that both end in; 0 where one is the end of the other, so that no text stands between.
std::size_t common_suffix(const std::vector<std::int32_t>& a, const std::vector<std::int32_t>& b) {
  const auto [end, other] = std::mismatch(a.rbegin(), a.rend(), b.rbegin(), b.rend());
  const auto count = static_cast<std::size_t>(end - a.rbegin());
  return count < std::min(a.size(), b.size()) ? count : 0;
}

}  // namespace

bool PairTemplate::is_in(const fs::path& folder) { return !find_templates(folder).empty(); }

PairTemplate PairTemplate::load(const fs::path& folder, const ChatSettings& settings) {
  refuse_arguments(folder, settings.arguments);
  const TemplateSource source = choose_template(folder, settings);
  const bool structured = settings.format == ChatSettings::Format::structured ||
                          (settings.format == ChatSettings::Format::automatic && looks_structured(source.text));
  nlohmann::json variables = {{"tools", nullptr}, {"documents", nullptr}, {"add_generation_prompt", false}};
  for (const auto& [key, value] : settings.arguments.items()) {
    if (key != "chat_template" && key != "restore_suffix") variables[key] = value;
  }
  add_special_tokens(folder, variables);
  PairTemplate result(ChatTemplate::compile(source.text, source.file), structured, std::move(variables));
  const auto restore = settings.arguments.find("restore_suffix");
  result.restores_suffix_ = restore == settings.arguments.end() || *restore != nlohmann::json(false);
  result.check_roles(source.file);
  return result;
}

nlohmann::json PairTemplate::message(const char* role, std::string_view content) const {
  if (!structured_) return {{"role", role}, {"content", content}};
  return {{"role", role}, {"content", nlohmann::json::array({{{"type", "text"}, {"text", content}}})}};
}

std::string PairTemplate::render(std::string_view prompt, std::span<const ChatTurn> turns) const {
  nlohmann::json variables = variables_;
  nlohmann::json& messages = variables["messages"] = nlohmann::json::array();
  if (!prompt.empty()) messages.push_back(message("system", prompt));
  for (const ChatTurn& turn : turns) messages.push_back(message(turn.role, turn.content));
  std::string text;
  try {
    text = variables.dump();
  } catch (const nlohmann::json::type_error&) {
    fail(ErrorCode::invalid_argument, "the prompt, the query or the text is not valid UTF-8; give it as UTF-8");
  }
  return chat_.render(text);
}

/// A template for chats alone would leave out the query or the text, and every pair would get one score.
void PairTemplate::check_roles(const fs::path& file) const {
  const auto probe = [&](std::string_view query, std::string_view document) {
    return render({}, std::array{ChatTurn{"query", query}, ChatTurn{"document", document}});
  };
  constexpr const char* kWayOut =
      "give the model the template that it was trained with, one that renders messages of the roles \"query\" and "
      "\"document\"";
  std::string base;
  try {
    base = probe("alpha", "bravo");
  } catch (const Error& error) {
    fail_about(file, ErrorCode::unsupported, "{}; {}", error.what(), kWayOut);
  }
  const bool no_query = probe("charlie", "bravo") == base;
  const bool no_document = probe("alpha", "foxtrot") == base;
  if (!no_query && !no_document) return;
  fail_file(file, ErrorCode::unsupported, "the chat template carries no {} of a pair; {}",
            no_query && no_document ? "text"
            : no_query              ? "query"
                                    : "document",
            kWayOut);
}

TokenizedText PairTemplate::encode(const Tokenizer& tokenizer, std::string_view prompt, std::span<const ChatTurn> turns,
                                   TokenizeOptions options) const {
  options.add_special_tokens = false;
  TokenizedText text = tokenizer.encode(render(prompt, turns), options);
  const bool cut_at_end = options.truncation.value_or(tokenizer.default_truncation()) == Truncation::end;
  if (text.num_tokens > text.ids.size() && cut_at_end) write_back_suffix(tokenizer, prompt, turns, text);
  return text;
}

/// What the template puts behind the texts is what it gives whatever they are.
void PairTemplate::write_back_suffix(const Tokenizer& tokenizer, std::string_view prompt,
                                     std::span<const ChatTurn> turns, TokenizedText& text) const {
  const auto filled = [&](std::string_view filler) {
    std::vector<ChatTurn> fillers;
    for (const ChatTurn& turn : turns) fillers.push_back({turn.role, filler});
    TokenizeOptions options;
    options.add_special_tokens = false;
    return tokenizer.encode(render(prompt, fillers), options).ids;
  };
  const auto shortest = filled("0");
  if (shortest.size() > text.ids.size()) {
    fail(ErrorCode::invalid_argument,
         "the chat template with the prompt has {} tokens even around a text of one, and the limit is {}: nothing of "
         "the texts would be read; raise the limit, or shorten the prompt",
         shortest.size(), text.ids.size());
  }
  const std::size_t suffix = restores_suffix_ ? common_suffix(shortest, filled("1 2 3 4")) : 0;
  std::copy(shortest.end() - static_cast<std::ptrdiff_t>(suffix), shortest.end(),
            text.ids.end() - static_cast<std::ptrdiff_t>(suffix));
}

}  // namespace treble::internal
