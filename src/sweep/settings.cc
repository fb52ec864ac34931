#include "sweep/settings.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "base/fail.h"
#include "engine/sentence_encoder_impl.h"
#include "treble/outputs.h"

namespace treble {

using namespace internal;

namespace {

constexpr std::array kTemperatures = {"0.95", "0.9", "0.85", "0.8", "0.7", "0.6", "log:64", "log:128"};
/// The setting of arXiv 2410.07145, and windows: texts no longer than the window keep their vectors.
constexpr std::array kStates = {"rri:0.9999,0.75", "window:512", "window:2048"};
constexpr std::array kBaselines = {"centring", "whitening", "all-but-the-top", "length-direction"};

void add_new(SweepSetting setting, std::vector<SweepSetting>& settings) {
  const auto same = [&](const SweepSetting& other) { return other.name() == setting.name(); };
  if (std::none_of(settings.begin(), settings.end(), same)) settings.push_back(std::move(setting));
}

/// The model in one form, and the limits that are tried with it.
struct Form {
  std::string variant;
  const SentenceEncoder* encoder;
  std::vector<std::optional<std::int64_t>> lengths;  ///< the first is what the untouched model reads
  bool extended = false;                             ///< reads as much as it was loaded for, and is tried at that
};

std::int64_t limit_of(const Form& form, const std::optional<std::int64_t>& length, const EncodeOptions& options) {
  const std::int64_t loaded = form.encoder->info().max_length;
  return form.extended ? loaded : length.value_or(options.max_length.value_or(loaded));
}

std::vector<Form> forms_of(const SentenceEncoder& encoder, const SweepOptions& options) {
  std::vector<Form> forms = {{"", &encoder, {std::nullopt}, false}};
  for (const SweepVariant& variant : options.variants) {
    if (variant.encoder == nullptr || variant.name.empty()) {
      fail(ErrorCode::invalid_argument, "SweepOptions::variants: \"{}\" has no {}", variant.name,
           variant.name.empty() ? "name" : "encoder");
    }
    const bool extended = extends(variant.encoder->info(), encoder.info());
    forms.push_back({variant.name, variant.encoder, {std::nullopt}, extended});
  }
  if (!options.max_lengths.empty() && encoder.info().extension != PositionExtension::none) {
    fail(ErrorCode::invalid_argument,
         "SweepOptions::max_lengths: the model extends its positions ({}), and another limit would be another "
         "extension; give that as one of SweepOptions::variants",
         to_string(encoder.info().extension));
  }
  std::vector<std::int64_t> lengths = options.max_lengths;
  std::sort(lengths.begin(), lengths.end());
  for (Form& form : forms) {
    if (form.extended) continue;
    for (const std::int64_t length : lengths) {
      const std::int64_t loaded = form.encoder->info().max_length;
      if (length < 1 || length > loaded) {
        fail(ErrorCode::invalid_argument, "SweepOptions::max_lengths {}: {} was loaded for 1 to {} tokens", length,
             form.variant.empty() ? "the model" : form.variant, loaded);
      }
      if (length != limit_of(form, std::nullopt, options.encode)) form.lengths.emplace_back(length);
    }
  }
  return forms;
}

/// Whether pieces make a setting of their own here: those of N tokens are the same under every limit from N on, and
/// where positions are extended only for longer texts. Late pieces see as much as the limit lets them see.
bool tries(const Form& form, std::size_t place, const ChunkOptions& chunks, const EncodeOptions& options) {
  if (chunks.max_tokens == 0) return true;
  const auto fits = [&](const auto& length) { return chunks.max_tokens <= limit_of(form, length, options); };
  if (!fits(form.lengths[place])) return false;
  if (chunks.late) return true;
  if (form.extended) return chunks.max_tokens > form.encoder->info().position_limit;
  return std::none_of(form.lengths.begin(), form.lengths.begin() + static_cast<std::ptrdiff_t>(place), fits);
}

/// The untouched model, then what is asked for; unset: the default where the model has what it acts on. Throws what the
/// model says of one that it cannot be encoded with.
template <typename Value>
std::vector<Value> values_of(const SentenceEncoder& encoder, const std::optional<std::vector<Value>>& asked,
                             const std::vector<Value>& default_values, Value EncodeOptions::* field) {
  std::vector<Value> values = {{}};
  for (const Value& value : asked ? *asked : default_values) {
    EncodeOptions options = {.prompt = ""};
    options.*field = value;
    // Of queries that a table of weights reads, nothing is changed; of documents it is.
    validate_outputs(encoder, std::span(encoder.info().outputs).first(1),
                     {.encode = options, .role = TextRole::document});
    values.push_back(value);
  }
  return values;
}

std::vector<Temperature> temperatures_of(const SentenceEncoder& encoder, const SweepOptions& options) {
  const bool tempered = encoder.info().tempered_layers > 0;
  return values_of(encoder, options.temperatures, tempered ? default_sweep_temperatures() : std::vector<Temperature>(),
                   &EncodeOptions::temperature);
}

std::vector<StateControl> states_of(const SentenceEncoder& encoder, const SweepOptions& options) {
  const bool recurrent = encoder.info().state_layers > 0;
  return values_of(encoder, options.states, recurrent ? default_sweep_states() : std::vector<StateControl>(),
                   &EncodeOptions::state);
}

/// What is done to the layers.
struct Intervention {
  Temperature temperature;
  StateControl state;
};

/// A model has attention or states, so this is the one list or the other.
std::vector<Intervention> interventions_of(const SentenceEncoder& encoder, const SweepOptions& options) {
  std::vector<Intervention> result;
  const auto states = states_of(encoder, options);
  for (const Temperature& temperature : temperatures_of(encoder, options)) {
    for (const StateControl& state : states) result.push_back({temperature, state});
  }
  return result;
}

void check_pieces(const std::vector<ChunkOptions>& pieces, const std::vector<SweepSetting>& settings) {
  for (const ChunkOptions& one : pieces) {
    const auto same = [&](const SweepSetting& s) { return s.chunks && s.chunks->to_string() == one.to_string(); };
    if (std::any_of(settings.begin(), settings.end(), same)) continue;
    fail(ErrorCode::invalid_argument,
         "SweepOptions::baselines {}: the model does not read pieces of {} tokens; try longer texts too by "
         "SweepOptions::max_lengths",
         one.to_string(), one.max_tokens);
  }
}

}  // namespace

std::string SweepSetting::name() const {
  std::string name = temperature.is_identity() ? "" : temperature.to_string();
  const auto add = [&name](const std::string& part) { name += (name.empty() ? "" : " + ") + part; };
  if (!state.is_identity()) add(state.to_string());
  if (!variant.empty()) add(variant);
  if (max_length) add("max-length:" + std::to_string(*max_length));
  if (chunks) add(chunks->to_string());
  if (post) add(post->to_string());
  if (!name.empty()) return name;
  return of_state_layers ? state.to_string() : temperature.to_string();
}

SweepBaseline parse_sweep_baseline(std::string_view text) {
  if (ChunkOptions::names(text)) return ChunkOptions::parse(text);
  return PostSpec::parse(text);
}

std::vector<Temperature> default_sweep_temperatures() {
  std::vector<Temperature> temperatures;
  temperatures.reserve(kTemperatures.size());
  for (const char* text : kTemperatures) temperatures.push_back(Temperature::parse(text));
  return temperatures;
}

std::vector<StateControl> default_sweep_states() {
  std::vector<StateControl> states;
  states.reserve(kStates.size());
  for (const char* text : kStates) states.push_back(StateControl::parse(text));
  return states;
}

std::vector<SweepBaseline> default_sweep_baselines() {
  std::vector<SweepBaseline> baselines;
  baselines.reserve(kBaselines.size());
  for (const char* text : kBaselines) baselines.push_back(parse_sweep_baseline(text));
  return baselines;
}

std::string to_string(SweepSide side) {
  constexpr std::array<const char*, 3> kNames = {"both", "query", "document"};
  return kNames[static_cast<std::size_t>(side)];
}

std::vector<SweepSetting> sweep_settings(const SentenceEncoder& encoder, const SweepOptions& options) {
  std::vector<SweepSetting> settings;
  std::vector<PostSpec> fitted;
  std::vector<ChunkOptions> pieces;
  const OutputKind output = ranked_output(encoder.info());
  const bool dense = output == OutputKind::dense;
  if (!dense && options.baselines && !options.baselines->empty()) {
    fail(ErrorCode::invalid_argument,
         "SweepOptions::baselines: fitted steps and pieces are for models of one dense vector a text, and {} gives {} "
         "vectors; leave them out",
         encoder.info().name, to_string(output));
  }
  const auto defaults = !dense ? std::vector<SweepBaseline>() : default_sweep_baselines();
  for (const SweepBaseline& baseline : options.baselines ? *options.baselines : defaults) {
    if (const auto* post = std::get_if<PostSpec>(&baseline)) fitted.push_back(*post);
    if (const auto* chunks = std::get_if<ChunkOptions>(&baseline)) pieces.push_back(*chunks);
  }
  const auto interventions = interventions_of(encoder, options);
  for (const Form& form : forms_of(encoder, options)) {
    // Those of one form and intervention stand together, as they share vectors.
    for (const auto& [temperature, state] : interventions) {
      for (std::size_t place = 0; place < form.lengths.size(); ++place) {
        SweepSetting setting = {.temperature = temperature,
                                .state = state,
                                .max_length = form.lengths[place],
                                .variant = form.variant,
                                .of_state_layers = encoder.info().state_layers > 0};
        add_new(setting, settings);
        for (const ChunkOptions& chunks : pieces) {
          setting.chunks = chunks;
          if (tries(form, place, chunks, options.encode)) add_new(setting, settings);
        }
      }
    }
  }
  check_pieces(pieces, settings);
  for (const PostSpec& post : fitted) add_new({.post = post}, settings);
  return settings;
}

OutputKind internal::ranked_output(const ModelInfo& model) {
  return model.dim > 0 || model.outputs.empty() ? OutputKind::dense : model.outputs.front();
}

bool internal::reads_queries_by_table(const SentenceEncoder& encoder) {
  return EncoderAccess::implementation(encoder).heads.queries != nullptr;
}

bool internal::extends(const ModelInfo& form, const ModelInfo& model) {
  if (form.extension == PositionExtension::none) return false;
  return form.extension != model.extension || form.max_length != model.max_length;
}

EncodeOptions internal::encode_options(const SweepSetting& setting, bool extended, EncodeOptions options) {
  options.temperature = setting.temperature;
  options.state = setting.state;
  if (extended) options.max_length.reset();
  if (setting.max_length) options.max_length = setting.max_length;
  return options;
}

}  // namespace treble
