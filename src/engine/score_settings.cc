#include "engine/score_settings.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/fail_about.h"
#include "base/file_presence.h"
#include "base/json_file.h"
#include "models/classification_head.h"
#include "models/model_registry.h"
#include "safetensors/message_text.h"

namespace treble::internal {

namespace {

namespace fs = std::filesystem;

constexpr const char* kCrossEncoder = "CrossEncoder";
constexpr const char* kSuffix = "ForSequenceClassification";

/// The first of "architectures"; empty: none.
std::string architecture_of(const JsonObject& config) {
  const nlohmann::json* names = config.find("architectures");
  if (names == nullptr || !names->is_array() || names->empty() || !names->front().is_string()) return {};
  return names->front().get<std::string>();
}

/// "model_type" of config_sentence_transformers.json, which files before release 5 do not have.
std::string model_class_of(const fs::path& folder) {
  const fs::path path = folder / "config_sentence_transformers.json";
  if (!is_there(path)) return "SentenceTransformer";
  return JsonObject::from_file(path).string("model_type").value_or("SentenceTransformer");
}

bool has_modules(const ModelParts& parts) { return is_there(parts.folder / "modules.json"); }

[[noreturn]] void refuse_vectors(const ModelParts& parts) {
  constexpr const char* kWayOut =
      "load it as an embedding model (SentenceEncoder, treble embed), or name a cross-encoder, such as "
      "cross-encoder/ms-marco-MiniLM-L6-v2";
  if (has_modules(parts)) {
    fail_file(parts.folder, ErrorCode::unsupported, "the model is a {:.40}, not a CrossEncoder: it gives no scores; {}",
              for_message(model_class_of(parts.folder)), kWayOut);
  }
  const fs::path config = parts.weights / "config.json";
  const std::string architecture = architecture_of(JsonObject::from_file(config));
  if (architecture.ends_with("ForCausalLM")) {
    fail_file(config, ErrorCode::unsupported,
              "the architecture is {:.80}, which predicts tokens: which of them the score is of, a LogitScore says, so "
              "the folder needs a modules.json with a Transformer and a LogitScore, as CrossEncoder.save_pretrained "
              "writes it",
              for_message(architecture));
  }
  fail_file(config, ErrorCode::unsupported,
            "the architecture is {:.80}, which has no head for sequence classification: it gives no scores; {}",
            architecture.empty() ? "not named" : for_message(architecture), kWayOut);
}

/// 1_LogitScore/config.json
TokenScore read_token_score(const fs::path& file) {
  const auto json = JsonObject::from_file(file);
  if (const std::string input = json.string("module_input_name").value_or("causal_logits"); input != "causal_logits") {
    fail_at(json, ErrorCode::unsupported, R"("module_input_name" is "{:.40}"; Treble takes "causal_logits")",
            for_message(input));
  }
  return {.true_token = json.required_integer("true_token_id"), .false_token = json.integer("false_token_id")};
}

/// A chain of one Transformer, or of one and a LogitScore; what others may follow would change the scores.
std::optional<TokenScore> read_modules(const fs::path& folder) {
  const fs::path path = folder / "modules.json";
  const nlohmann::json modules = parse_json_file(path);
  if (!modules.is_array()) {
    fail_file(path, ErrorCode::invalid_file, "expected a list of modules, found {}", modules.type_name());
  }
  const auto text_of = [](const nlohmann::json& module, const char* key) {
    const bool there = module.is_object() && module.contains(key) && module.at(key).is_string();
    return there ? module.at(key).get<std::string>() : std::string();
  };
  std::string names;
  for (const auto& module : modules) {
    const std::string type = text_of(module, "type");
    names += fmt::format("{}{}", names.empty() ? "" : ", ", type.substr(type.rfind('.') + 1));
  }
  if (names == "Transformer") return std::nullopt;
  if (names == "Transformer, LogitScore") {
    return read_token_score(folder / text_of(modules.at(1), "path") / "config.json");
  }
  fail_file(path, ErrorCode::unsupported,
            "a cross-encoder of the modules {:.200}; Treble has those of one Transformer, whose classification head "
            "gives the scores, and those of a Transformer and a LogitScore",
            for_message(names));
}

struct StatedActivation {
  std::string path;   ///< "torch.nn.modules.activation.Sigmoid"
  std::string place;  ///< file and key
};

/// A name under `key`; nothing when it is absent or null.
std::optional<StatedActivation> activation_under(const JsonObject& json, const char* key) {
  const auto path = json.string(key);
  if (!path) return std::nullopt;
  return StatedActivation{*path, fmt::format("{}: \"{}\"", json.origin(), key)};
}

/// Of config.json, in the form since release 4 or in the old one.
std::optional<StatedActivation> activation_in_config(const JsonObject& config) {
  const nlohmann::json* own = config.find("sentence_transformers");
  if (own != nullptr && own->is_object() && own->contains("activation_fn")) {
    return activation_under(JsonObject::from_value(*own, config.origin(), config.file()), "activation_fn");
  }
  return activation_under(config, "sbert_ce_default_activation_function");
}

/// Nothing for code that is not PyTorch's, which sentence-transformers does not load either unless it is trusted.
std::optional<ScoreActivation> known_activation(const StatedActivation& stated, std::vector<std::string>& warnings) {
  if (!stated.path.starts_with("torch.")) {
    warnings.push_back(
        fmt::format("{} is \"{:.100}\", code of its own, which is not run; the default activation is used, as in "
                    "sentence-transformers without trust_remote_code",
                    stated.place, for_message(stated.path)));
    return std::nullopt;
  }
  constexpr std::array<std::pair<std::string_view, ScoreActivation>, 4> kKnown = {
      {{"Identity", ScoreActivation::identity},
       {"Sigmoid", ScoreActivation::sigmoid},
       {"Softmax", ScoreActivation::softmax},
       {"Tanh", ScoreActivation::tanh}}};
  const std::string_view name = std::string_view(stated.path).substr(stated.path.rfind('.') + 1);
  for (const auto& [known, activation] : kKnown) {
    if (name == known) return activation;
  }
  fail(ErrorCode::unsupported,
       "{} is \"{:.100}\"; there are Identity, Sigmoid, Softmax and Tanh of torch.nn. Write Identity there for raw "
       "scores",
       stated.place, for_message(stated.path));
}

ScoreActivation choose_activation(const ModelParts& parts, const JsonObject& config, ScoreSettings& settings) {
  if (has_modules(parts)) {
    const auto own = JsonObject::from_file(parts.folder / "config_sentence_transformers.json");
    if (const auto stated = activation_under(own, "activation_fn")) {
      if (const auto known = known_activation(*stated, settings.warnings)) return *known;
    }
  }
  if (const auto stated = activation_in_config(config)) {
    if (const auto known = known_activation(*stated, settings.warnings)) return *known;
  }
  return settings.labels.size() == 1 ? ScoreActivation::sigmoid : ScoreActivation::identity;
}

}  // namespace

bool is_cross_encoder(const ModelParts& parts) {
  if (has_modules(parts)) return model_class_of(parts.folder) == kCrossEncoder;
  const fs::path config = parts.weights / "config.json";
  return is_there(config) && architecture_of(JsonObject::from_file(config)).ends_with(kSuffix);
}

ScoreSettings read_score_settings(const ModelParts& parts) {
  if (!is_cross_encoder(parts)) refuse_vectors(parts);
  const auto config = JsonObject::from_file(parts.weights / "config.json");
  ScoreSettings settings;
  if (has_modules(parts)) settings.tokens = read_modules(parts.folder);
  if (settings.tokens) {
    settings.labels = {"LABEL_0"};
  } else {
    settings.labels = read_labels(config);
    settings.padding = read_head_config(config).padding;
  }
  settings.activation = choose_activation(parts, config, settings);
  return settings;
}

}  // namespace treble::internal
