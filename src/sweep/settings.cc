#include "sweep/settings.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "base/fail.h"

namespace treble {

using namespace internal;

namespace {

constexpr std::array kTemperatures = {"0.95", "0.9", "0.85", "0.8", "0.7", "0.6", "log:64", "log:128"};
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

std::vector<Temperature> temperatures_of(const SweepOptions& options) {
  std::vector<Temperature> temperatures = {{}};
  const auto asked = options.temperatures ? *options.temperatures : default_sweep_temperatures();
  temperatures.insert(temperatures.end(), asked.begin(), asked.end());
  return temperatures;
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
  if (!variant.empty()) add(variant);
  if (max_length) add("max-length:" + std::to_string(*max_length));
  if (chunks) add(chunks->to_string());
  if (post) add(post->to_string());
  return name.empty() ? temperature.to_string() : name;
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
  for (const SweepBaseline& baseline : options.baselines ? *options.baselines : default_sweep_baselines()) {
    if (const auto* post = std::get_if<PostSpec>(&baseline)) fitted.push_back(*post);
    if (const auto* chunks = std::get_if<ChunkOptions>(&baseline)) pieces.push_back(*chunks);
  }
  const auto temperatures = temperatures_of(options);
  for (const Form& form : forms_of(encoder, options)) {
    // Those of one form and temperature stand together, as they share vectors.
    for (const Temperature& temperature : temperatures) {
      for (std::size_t place = 0; place < form.lengths.size(); ++place) {
        SweepSetting setting = {.temperature = temperature, .max_length = form.lengths[place], .variant = form.variant};
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

bool internal::extends(const ModelInfo& form, const ModelInfo& model) {
  if (form.extension == PositionExtension::none) return false;
  return form.extension != model.extension || form.max_length != model.max_length;
}

EncodeOptions internal::encode_options(const SweepSetting& setting, bool extended, EncodeOptions options) {
  options.temperature = setting.temperature;
  if (extended) options.max_length.reset();
  if (setting.max_length) options.max_length = setting.max_length;
  return options;
}

}  // namespace treble
