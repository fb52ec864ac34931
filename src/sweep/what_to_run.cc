#include "sweep/what_to_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "sweep/settings.h"

namespace treble::internal {

namespace {

/// As a shell reads it back.
std::string quoted(const std::string& text) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=,+@%-";
  if (!text.empty() && text.find_first_not_of(kPlain) == text.npos) return text;
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

/// Flags and their values.
class Arguments {
 public:
  void add(const char* flag) { text_ += std::string(text_.empty() ? "" : " ") + flag; }
  void add(const char* flag, const std::string& value) {
    add(flag);
    text_ += ' ';
    text_ += quoted(value);
  }
  const std::string& text() const noexcept { return text_; }

 private:
  std::string text_;
};

class Use {
 public:
  Use(const SentenceEncoder& encoder, const SweepOptions& options, const SweepReport& report)
      : model_(encoder.info()), queries_by_table_(reads_queries_by_table(encoder)), options_(options), report_(report) {
    const bool helps = benefit_of(report.held_out) == Benefit::helps;
    recommended_ = report.settings[helps ? report.winner : 0];
  }

  /// In what a setting differs from the untouched model.
  std::string difference(const SweepSetting& setting) const {
    Arguments arguments;
    if (!setting.temperature.is_identity()) arguments.add("--temperature", setting.temperature.to_string());
    if (!setting.state.is_identity()) arguments.add("--state", setting.state.to_string());
    const ModelInfo& form = form_of(setting);
    if (form.compute_dtype != model_.compute_dtype) arguments.add("--dtype", to_string(form.compute_dtype));
    add_length(setting, false, arguments);
    if (setting.chunks) arguments.add("--post", setting.chunks->to_string());
    if (setting.post) arguments.add("--post", "FILE");
    return arguments.text();
  }

  /// Whole commands for the setting that the outcome recommends.
  /// `one_kind`: of texts, rather than queries and documents.
  std::vector<std::string> commands(bool one_kind) const {
    if (report_.reranker) return {rerank_command()};
    std::vector<std::string> lines;
    const std::string corpus = one_kind ? "texts.jsonl" : "corpus.jsonl";
    if (recommended_.post) {
      lines.push_back(fmt::format("treble fit{} --transform {} {} -o {}", shared(report_.document_prompt),
                                  recommended_.post.value().to_string(), corpus, post_file()));
    }
    const auto embed = [&](const std::string& texts, const SweepPrompt& prompt, bool tempered) {
      Arguments own;
      if (tempered && !recommended_.temperature.is_identity()) {
        own.add("--temperature", recommended_.temperature.to_string());
      }
      if (tempered && !recommended_.state.is_identity()) own.add("--state", recommended_.state.to_string());
      if (recommended_.chunks) own.add("--post", recommended_.chunks->to_string());
      if (recommended_.post) own.add("--post", post_file());
      const OutputKind output = ranked_output(model_);
      const bool dense = output == OutputKind::dense;
      if (!dense) own.add("--output-kind", to_string(output));
      if (!dense) own.add("--role", texts == "queries" ? "query" : "document");
      lines.push_back(fmt::format("treble embed{}{}{} {}.jsonl -o {}.{}", shared(prompt), own.text().empty() ? "" : " ",
                                  own.text(), texts, texts, dense ? "npy" : "npz"));
    };
    embed(one_kind ? "texts" : "corpus", report_.document_prompt, report_.side != SweepSide::query);
    if (!one_kind) embed("queries", report_.query_prompt, report_.side != SweepSide::document && !queries_by_table_);
    return lines;
  }

 private:
  const ModelInfo& form_of(const SweepSetting& setting) const {
    const auto found = std::find_if(options_.variants.begin(), options_.variants.end(),
                                    [&](const SweepVariant& variant) { return variant.name == setting.variant; });
    return found == options_.variants.end() ? model_ : found->encoder->info();
  }

  /// `whole`: also what the untouched model was told.
  void add_length(const SweepSetting& setting, bool whole, Arguments& arguments) const {
    const ModelInfo& form = form_of(setting);
    const bool own = extends(form, model_);
    if (own || (whole && form.extension != PositionExtension::none)) {
      arguments.add("--extend", to_string(form.extension));
    }
    const bool told = options_.encode.max_length || model_.max_length_source == "asked for";
    if (!own && !setting.max_length && !(whole && told)) return;
    const std::int64_t untouched = own ? form.max_length : options_.encode.max_length.value_or(form.max_length);
    arguments.add("--max-length", fmt::format("{}", setting.max_length.value_or(untouched)));
  }

  /// Model and options that are no part of the setting, with what the setting changes of the model.
  std::string shared(const SweepPrompt& prompt) const {
    Arguments arguments;
    const ModelInfo& form = form_of(recommended_);
    const bool hub = model_.name.find('/') != std::string::npos;
    arguments.add("--model", hub ? model_.name : model_.path.string());
    if (form.compute_dtype != ComputeType::float32) arguments.add("--dtype", to_string(form.compute_dtype));
    add_length(recommended_, true, arguments);
    const EncodeOptions& encode = options_.encode;
    if (!encode.temper_position_bias) arguments.add("--temper-position-bias", "false");
    if (encode.truncation) arguments.add("--truncate", to_string(*encode.truncation));
    if (encode.normalize) arguments.add(*encode.normalize ? "--normalize" : "--no-normalize");
    if (encode.dimensions) arguments.add("--dimensions", fmt::format("{}", *encode.dimensions));
    // A role brings its own.
    if (ranked_output(model_) != OutputKind::dense && prompt.name) return std::string(1, ' ').append(arguments.text());
    if (prompt.name && *prompt.name != model_.default_prompt_name) arguments.add("--prompt-name", *prompt.name);
    if (!prompt.name && !prompt.text.value_or("").empty()) arguments.add("--prompt", *prompt.text);
    const bool none = !prompt.name && prompt.text.value_or("").empty();
    if (none && !model_.default_prompt_name.empty()) arguments.add("--prompt-name", "");
    return std::string(1, ' ').append(arguments.text());
  }

  std::string rerank_command() const {
    Arguments own;
    if (!recommended_.temperature.is_identity()) own.add("--temperature", recommended_.temperature.to_string());
    return fmt::format("treble rerank{}{}{} --query QUERY corpus.jsonl", shared(report_.query_prompt),
                       own.text().empty() ? "" : " ", own.text());
  }

  std::string post_file() const {
    std::string name = recommended_.post.value().to_string() + ".safetensors";
    std::replace(name.begin(), name.end(), ':', '-');
    return name;
  }

  const ModelInfo& model_;
  bool queries_by_table_;  ///< without attention
  const SweepOptions& options_;
  const SweepReport& report_;
  SweepSetting recommended_;
};

}  // namespace

void describe_use(const SentenceEncoder& encoder, const SweepOptions& options, SweepReport& report) {
  const Use use(encoder, options, report);
  report.embed_arguments = use.difference(report.settings[report.winner]);
  report.commands = use.commands(report.queries_read.empty() || !report.labelled);
}

}  // namespace treble::internal
