#include "info_command.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string_view>

#include "json.h"
#include "model_outputs.h"
#include "progress.h"
#include "standard_streams.h"

namespace treble::cli {

namespace {

constexpr const char* kInfoExamples = R"(Examples:
  treble info --model models/all-MiniLM-L6-v2
  treble info --model models/all-MiniLM-L6-v2 --json)";

void append_row(std::string& out, std::string_view label, std::string_view value) {
  out += fmt::format("  {:<18}{}\n", label, value);
}

/// A prompt may hold line breaks and quotes; JSON's way of writing them is known to everyone.
std::string quoted(const std::string& text) { return dump(Json(text), -1); }

void append_limits(const ModelInfo& info, std::string& out) {
  append_row(out, "longest text",
             fmt::format("{} tokens: {} (--max-length may go up to {})", info.max_length, info.max_length_source,
                         info.position_limit));
  append_row(out, "temperature",
             info.tempered_layers > 0 ? fmt::format("acts on {} attention layers", info.tempered_layers)
                                      : std::string("refused: there is no attention layer that it acts on"));
  if (info.state_layers > 0) {
    append_row(out, "state",
               fmt::format("acts on {} layers, each of {} heads of {} x {} numbers (--state)", info.state_layers,
                           info.num_heads, info.state_head_dim, info.state_size));
  }
  if (!info.baked_temperature.empty()) append_row(out, "in the weights", "temperature " + info.baked_temperature);
  append_row(out, "threads", fmt::format("{}", info.threads));
}

void append_prompts(const ModelInfo& info, std::string& out) {
  out += "\nPrompts\n";
  if (info.prompts.empty()) append_row(out, "none", "");
  for (const auto& [name, prompt] : info.prompts) {
    append_row(out, name, quoted(prompt) + (name == info.default_prompt_name ? "  (default)" : ""));
  }
}

}  // namespace

std::string info_table(const SentenceEncoder& encoder, const Reranker* reranker) {
  const ModelInfo& info = encoder.info();
  std::string out = fmt::format(
      "{}: {} ({}), {}\n\n", info.name, info.architecture, info.model_type,
      reranker == nullptr ? outputs_text(info) : "a cross-encoder: " + counted(info.dim, "score") + " a pair");
  append_row(out, "folder", info.path.string());
  const std::string layers = info.num_layers == 0 ? "no layers"
                                                  : fmt::format("{} layers, hidden size {}, {} heads", info.num_layers,
                                                                info.hidden_size, info.num_heads);
  append_row(out, "size",
             fmt::format("{}, {} parameters, vocabulary of {} tokens", layers, grouped(info.num_parameters),
                         grouped(info.vocab_size)));
  if (info.num_experts > 0) {
    append_row(out, "experts",
               fmt::format("{} of {} for each token: it goes through {} of the parameters", info.active_experts,
                           info.num_experts, grouped(info.active_parameters)));
  }
  append_row(out, "precision",
             fmt::format("stored as {}, computed in {} with {}", to_string(info.weights_dtype),
                         to_string(info.compute_dtype), info.cpu_isa));
  if (!info.dtype_reason.empty()) append_row(out, "", info.dtype_reason);
  if (!info.prepared_from.empty()) append_row(out, "", "prepared: " + info.prepared_from);
  if (reranker == nullptr && info.dim == 0) {
    append_row(out, "similarity", to_string(info.similarity));
  } else if (reranker == nullptr) {
    append_row(out, "pooling",
               to_string(info.pooling) + (info.normalizes ? ", normalised to length 1" : ", not normalised"));
    append_row(out, "similarity", to_string(info.similarity));
  } else {
    append_row(out, "labels", fmt::format("{}", fmt::join(reranker->labels(), ", ")));
    append_row(out, "activation", to_string(reranker->activation()) + " (--raw-scores: none)");
  }
  append_limits(info, out);
  if (!info.adapter.empty()) append_row(out, "adapter", info.adapter + ", merged");
  if (!info.task.empty()) append_row(out, "task", info.task);
  append_row(out, "weights SHA-256", encoder.weights_sha256());
  out += "\nModules\n";
  for (std::size_t i = 0; i < info.modules.size(); ++i) append_row(out, fmt::format("{}", i), info.modules[i]);
  append_prompts(info, out);
  if (!info.warnings.empty()) out += "\nWarnings\n";
  for (const std::string& warning : info.warnings) out += "  " + warning + "\n";
  out += "\nSwitches of the family\n";
  for (const auto& [name, value] : info.switches) append_row(out, name, value);
  return out;
}

namespace {

Json outputs_json(const ModelInfo& info, bool scores) {
  Json kinds = Json::array();
  if (scores) kinds.push_back("scores");
  for (const OutputKind kind : info.outputs) {
    if (!scores) kinds.push_back(to_string(kind));
  }
  return kinds;
}

}  // namespace

std::string info_json(const SentenceEncoder& encoder, const Reranker* reranker) {
  const ModelInfo& info = encoder.info();
  Json switches = Json::object();
  for (const auto& [name, value] : info.switches) switches[name] = value;
  const Json json = {{"name", info.name},
                     {"path", info.path.string()},
                     {"model_type", info.model_type},
                     {"architecture", info.architecture},
                     {"weights_dtype", to_string(info.weights_dtype)},
                     {"compute_dtype", to_string(info.compute_dtype)},
                     {"dtype_reason", info.dtype_reason},
                     {"prepared_from", info.prepared_from},
                     {"cpu_isa", info.cpu_isa},
                     {"weights_sha256", encoder.weights_sha256()},
                     {"adapter", info.adapter.empty() ? Json() : Json(info.adapter)},
                     {"task", info.task.empty() ? Json() : Json(info.task)},
                     {"outputs", outputs_json(info, reranker != nullptr)},
                     {"dim", info.dim},
                     {"labels", reranker == nullptr ? Json() : Json(reranker->labels())},
                     {"activation", reranker == nullptr ? Json() : Json(to_string(reranker->activation()))},
                     {"pooling", to_string(info.pooling)},
                     {"normalizes", info.normalizes},
                     {"position_extension", to_string(info.extension)},
                     {"similarity", to_string(info.similarity)},
                     {"max_length", info.max_length},
                     {"max_length_source", info.max_length_source},
                     {"position_limit", info.position_limit},
                     {"tempered_layers", info.tempered_layers},
                     {"state_layers", info.state_layers},
                     {"state_head_dim", info.state_head_dim},
                     {"state_size", info.state_size},
                     {"baked_temperature", info.baked_temperature.empty() ? Json() : Json(info.baked_temperature)},
                     {"hidden_size", info.hidden_size},
                     {"num_layers", info.num_layers},
                     {"num_heads", info.num_heads},
                     {"vocab_size", info.vocab_size},
                     {"num_parameters", info.num_parameters},
                     {"num_experts", info.num_experts},
                     {"active_experts", info.active_experts},
                     {"active_parameters", info.active_parameters},
                     {"modules", info.modules},
                     {"prompts", info.prompts},
                     {"default_prompt_name", info.default_prompt_name},
                     {"switches", std::move(switches)},
                     {"threads", info.threads},
                     {"warnings", info.warnings}};
  return dump(json, 2) + "\n";
}

void InfoCommand::add_to(CLI::App& app) {
  command_ = app.add_subcommand("info", "Say what a model is: sizes, limits, pooling, prompts, where temperature acts");
  model_.add_to(*command_);
  command_->add_flag("--json", json_, "As JSON");
  command_->footer(kInfoExamples);
}

int InfoCommand::run() const {
  const auto form = json_ ? info_json : info_table;
  if (!model_.options.model.empty() && is_cross_encoder(model_.options.model)) {
    const Reranker reranker = model_.load_reranker();
    print_out(form(reranker.encoder(), &reranker));
  } else {
    print_out(form(model_.load(), nullptr));
  }
  return 0;
}

}  // namespace treble::cli
