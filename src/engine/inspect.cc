// The collapse inspection: samples, encodes at every temperature or under every state control, measures.
#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

#include "base/fail.h"
#include "base/stop.h"
#include "diagnostics/advice.h"
#include "diagnostics/layer_probe.h"
#include "diagnostics/length_slope.h"
#include "diagnostics/pairwise_cosine.h"
#include "diagnostics/verdict.h"
#include "engine/class_inspection.h"
#include "engine/encoder_access.h"
#include "engine/output_collector.h"
#include "engine/state_inspection.h"
#include "engine/text_map.h"
#include "engine/text_sample.h"
#include "engine/token_inspection.h"
#include "engine/vector_measures.h"
#include "treble/collapse_report.h"
#include "treble/outputs.h"
#include "treble/provenance.h"

namespace treble {

using namespace internal;

namespace {

/// Texts encoded in one call.
constexpr std::size_t kCallTexts = 256;

std::vector<std::string_view> views(const std::vector<SampledText>& texts) {
  std::vector<std::string_view> result;
  result.reserve(texts.size());
  for (const SampledText& text : texts) result.emplace_back(text.text);
  return result;
}

ConstMatrixView matrix(const Embeddings& embeddings) {
  return {embeddings.values.data(), embeddings.count, embeddings.dim};
}

/// At most `max_texts` of a sample, spread evenly over it.
std::vector<std::string_view> evenly_spaced(const std::vector<std::string_view>& texts, std::size_t max_texts) {
  if (texts.size() <= max_texts) return texts;
  std::vector<std::string_view> chosen;
  chosen.reserve(max_texts);
  for (std::size_t i = 0; i < max_texts; ++i) chosen.push_back(texts[(2 * i + 1) * texts.size() / (2 * max_texts)]);
  return chosen;
}

/// Which of the model's vectors are measured. Throws Error{unsupported} for what has no measures.
OutputKind measured_output(const SentenceEncoder& encoder, const InspectOptions& options) {
  const auto& outputs = encoder.info().outputs;
  const auto gives = [&](OutputKind kind) { return std::find(outputs.begin(), outputs.end(), kind) != outputs.end(); };
  const bool tokens_alone = !gives(OutputKind::dense) && gives(OutputKind::multi_vector);
  const OutputKind kind = options.output.value_or(tokens_alone ? OutputKind::multi_vector : OutputKind::dense);
  if (kind == OutputKind::sparse) {
    fail(ErrorCode::unsupported, "sparse vectors have no measures of collapse; InspectOptions::output is dense or {}",
         to_string(OutputKind::multi_vector));
  }
  return kind;
}

class Inspection {
 public:
  Inspection(const SentenceEncoder& encoder, const InspectOptions& options)
      : encoder_(encoder),
        options_(options),
        output_(measured_output(encoder, options)),
        recurrent_(EncoderAccess::is_recurrent(encoder)) {
    check_options();
    choose_settings();
    if (output_ == OutputKind::multi_vector) {
      // Counted, cut and probed is what its vectors are of: with the mark and the limit of documents.
      options_.encode = reading_options(encoder_, {.encode = options_.encode});
      token_vectors_.emplace(encoder_, options_, [this](auto stage, auto steps) { advance(stage, steps); });
    }
    layers_.resize(static_cast<std::size_t>(encoder_.info().num_layers));
    std::iota(layers_.begin(), layers_.end(), 0);
    if (options_.layers) layers_ = *options_.layers;
  }

  CollapseReport run(const InspectSource& source) {
    sample_ = draw_sample(encoder_, source, options_);
    start_report();
    if (options_.label_sample) {
      classes_.emplace(encoder_, options_, sample_, layers_);
      work_ += settings_.size() * classes_->steps();
    }
    if (recurrent_ && !layers_.empty()) {
      states_.emplace(encoder_, options_, encode_options(0), texts_, layers_);
      work_ += settings_.size() * static_cast<std::size_t>(states_->steps());
    }
    TextMapBuilder map(texts_, options_.neighbors);
    for (std::size_t t = 0; t < settings_.size(); ++t) {
      if (token_vectors_) {
        token_vectors_->measure(texts_, ends_, encode_options(t));
        token_vectors_->measure_cuts(sample_.cuts, report_.cut_lengths, encode_options(t));
      } else {
        measure_sample(t, map);
        measure_cuts(t);
      }
      probe_layers(t);
      if (states_) states_->measure(encode_options(t), [this](auto steps) { advance("probing states", steps); });
      if (classes_) classes_->measure(encode_options(t), [this](auto stage, auto steps) { advance(stage, steps); });
    }
    measure_posts();
    if (classes_) report_.classes = classes_->take(report_.settings);
    if (states_) report_.states = states_->take();
    if (token_vectors_) {
      report_.token_vectors = token_vectors_->take();
    } else {
      report_.map = map.take();
    }
    report_.findings = find_collapse(report_);
    report_.verdict = describe_collapse(report_);
    report_.advice = collapse_advice(report_);
    return std::move(report_);
  }

 private:
  /// How the model is run.
  struct Setting {
    Temperature temperature;
    StateControl state;
  };

  /// The untouched model first; what would change nothing is refused.
  void choose_settings() {
    settings_.emplace_back();
    for (const auto& temperature : options_.temperatures) {
      if (!temperature.is_identity()) settings_.push_back({temperature, {}});
    }
    for (const auto& state : options_.states) {
      if (!state.is_identity()) settings_.push_back({{}, state});
    }
    // The first is what encoding would refuse anyway, but for token vectors it is known before anything is read.
    const bool multi_vector = output_ == OutputKind::multi_vector;
    for (std::size_t t = multi_vector ? 0 : 1; t < settings_.size(); ++t) {
      validate_outputs(encoder_, {&output_, 1}, {.encode = encode_options(t)});
    }
  }

  void check_options() const {
    const auto at_least = [](const char* field, std::int64_t value, std::int64_t min) {
      if (value < min) fail(ErrorCode::invalid_argument, "{} must be at least {}, got {}", field, min, value);
    };
    at_least("sample (texts of each length)", options_.sample, 2);
    at_least("bootstrap (resamples)", options_.bootstrap, 0);
    at_least("probe_texts", options_.probe_texts, 1);
    at_least("neighbors", options_.neighbors, 1);
    at_least("max_sim_documents (that each text is compared with)", options_.max_sim_documents.value_or(1), 1);
    if (options_.max_sim_documents && output_ != OutputKind::multi_vector) {
      fail(ErrorCode::invalid_argument,
           "InspectOptions::max_sim_documents {} is of token vectors, and this inspection is of dense ones; leave it "
           "out",
           *options_.max_sim_documents);
    }
    at_least("label_sample (labelled texts)", options_.label_sample.value_or(2), 2);
    at_least("training_length (tokens)", options_.training_length.value_or(1), 1);
    if (options_.training_length && !recurrent_) {
      fail(ErrorCode::unsupported, "training_length {}: {} has no states to judge by it, only Mamba-2 models have",
           *options_.training_length, encoder_.info().name);
    }
    for (const std::int64_t layer : options_.layers.value_or(std::vector<std::int64_t>{})) {
      if (layer < 0 || layer >= encoder_.info().num_layers) {
        fail(ErrorCode::invalid_argument, "layer {} does not exist: {} has layers 0 to {}", layer, encoder_.info().name,
             encoder_.info().num_layers - 1);
      }
    }
  }

  void start_report() {
    report_.model = encoder_.info().name;
    EncodeOptions untouched = options_.encode;
    untouched.state = {};
    report_.provenance = provenance_json(encoder_, output_, {.encode = untouched});
    report_.baked_temperature = encoder_.info().baked_temperature;
    report_.texts = sample_.texts;
    report_.truncated_texts = sample_.truncated_texts;
    report_.extended_texts = sample_.extended_texts;
    report_.position_limit = encoder_.info().position_limit;
    report_.text_tokens = sample_.text_tokens;
    report_.read_tokens = sample_.read_tokens;
    report_.max_length = options_.encode.max_length.value_or(encoder_.info().max_length);
    report_.sample = options_.sample;
    report_.seed = options_.seed;
    report_.neighbors = options_.neighbors;
    report_.buckets = sample_.buckets;
    report_.cut_lengths = sample_.cut_lengths;
    const auto& asked = options_.cut_lengths;
    report_.shortest_cut_asked = asked.empty() ? 0 : *std::min_element(asked.begin(), asked.end());
    report_.cut_texts = static_cast<std::int64_t>(sample_.cuts.size());
    for (const Setting& setting : settings_) {
      report_.settings.push_back(recurrent_ ? setting.state.to_string() : setting.temperature.to_string());
      if (recurrent_) {
        report_.states_canonical.push_back(setting.state.canonical());
      } else {
        report_.temperatures_canonical.push_back(setting.temperature.canonical());
      }
    }
    report_.num_temperatures = std::ssize(report_.temperatures_canonical);
    report_.num_states = std::ssize(report_.states_canonical);
    for (auto& bucket : sample_.by_bucket) {
      std::move(bucket.begin(), bucket.end(), std::back_inserter(texts_));
      ends_.push_back(static_cast<std::int64_t>(texts_.size()));
    }
    sample_.by_bucket.clear();
    const auto lengths = report_.cut_lengths.size();
    const auto probed =
        layers_.empty() ? 0 : std::min(sample_.cuts.size(), static_cast<std::size_t>(options_.probe_texts));
    const std::size_t encoded = texts_.size() + options_.queries.size() + lengths * sample_.cuts.size();
    work_ = settings_.size() * ((token_vectors_ ? TokenInspection::steps(encoded) : encoded) + lengths * probed);
  }

  EncodeOptions encode_options(std::size_t t) const {
    EncodeOptions encode = options_.encode;
    encode.temperature = settings_[t].temperature;
    encode.state = settings_[t].state;
    encode.progress = {};
    encode.stop = options_.stop;
    // Cutting is the point here, or has been counted in the report.
    if (encode.truncation == Truncation::error) encode.truncation.reset();
    return encode;
  }

  void measure_sample(std::size_t t, TextMapBuilder& map) {
    Embeddings embeddings = encode_texts("encoding", views(texts_), encode_options(t));
    const ConstMatrixView vectors = matrix(embeddings);
    Spectrum spectrum = measure_vectors(vectors, ends_, options_, report_);
    if (t == 0) axes_ = std::move(spectrum);
    map.add(vectors, axes_);
    measure_queries(t, vectors);
    if (t == 0 && !options_.posts.empty()) untouched_ = std::move(embeddings);
  }

  std::vector<std::int64_t> sample_tokens() const {
    std::vector<std::int64_t> tokens;
    tokens.reserve(texts_.size());
    for (const SampledText& text : texts_) tokens.push_back(text.used);
    return tokens;
  }

  void measure_posts() {
    const std::vector<std::int64_t> tokens = sample_tokens();
    for (const PostSpec& spec : options_.posts) {
      check_stop(options_.stop, "the inspection");
      measure_post(spec,
                   {.sample = matrix(untouched_),
                    .tokens = tokens,
                    .ends = ends_,
                    .cuts = untouched_cuts_,
                    .queries = options_.queries.empty() ? nullptr : &untouched_queries_},
                   options_, report_);
    }
  }

  void measure_queries(std::size_t t, ConstMatrixView vectors) {
    if (options_.queries.empty()) return;
    EncodeOptions encode = encode_options(t);
    if (options_.query_prompt_name) {
      encode.prompt_name = options_.query_prompt_name;
      encode.prompt.reset();
    }
    const std::vector<std::string_view> queries(options_.queries.begin(), options_.queries.end());
    Embeddings embeddings = encode_texts("encoding", queries, encode);
    report_.query_length_slope.push_back(
        length_slope(matrix(embeddings), vectors, sample_tokens(), {options_.bootstrap, options_.seed}));
    if (t == 0) untouched_queries_ = std::move(embeddings);
  }

  void measure_cuts(std::size_t t) {
    EncodeOptions encode = encode_options(t);
    auto& row = report_.cut_cosine.emplace_back();
    for (const std::int64_t length : report_.cut_lengths) {
      encode.max_length = length;
      Embeddings embeddings = encode_texts("cutting", views(sample_.cuts), encode);
      row.push_back(mean_pairwise_cosine(matrix(embeddings), {options_.bootstrap, options_.seed}));
      if (t == 0 && !options_.posts.empty()) untouched_cuts_.push_back(std::move(embeddings));
    }
  }

  void probe_layers(std::size_t t) {
    if (layers_.empty()) return;
    EncodeOptions encode = encode_options(t);
    const auto chosen = evenly_spaced(views(sample_.cuts), static_cast<std::size_t>(options_.probe_texts));
    for (const std::int64_t length : report_.cut_lengths) {
      encode.max_length = length;
      LayerProbe probe({static_cast<std::int64_t>(t), length, layers_}, [&](std::int64_t count, const auto& body) {
        EncoderAccess::parallel_for(encoder_, count, body);
      });
      for (const std::string_view text : chosen) {
        EncoderAccess::observe(encoder_, {&text, 1}, encode, probe);
        advance("probing layers", 1);
      }
      const auto attention = probe.attention();
      report_.attention.insert(report_.attention.end(), attention.begin(), attention.end());
      const auto tokens = probe.tokens();
      report_.tokens.insert(report_.tokens.end(), tokens.begin(), tokens.end());
    }
  }

  void advance(std::string_view stage, std::size_t more) {
    done_ += more;
    if (options_.progress) {
      options_.progress({stage, static_cast<std::int64_t>(done_), static_cast<std::int64_t>(work_)});
    }
  }

  /// Some texts at a time, so that the progress moves.
  Embeddings encode_texts(std::string_view stage, std::span<const std::string_view> texts,
                          const EncodeOptions& encode) {
    Embeddings all;
    all.dim = encoder_.output_dim(encode);
    advance(stage, 0);
    for (std::size_t begin = 0; begin < texts.size(); begin += kCallTexts) {
      const auto part_texts = texts.subspan(begin, std::min(kCallTexts, texts.size() - begin));
      const Embeddings part = EncoderAccess::encode_repeatably(encoder_, part_texts, encode);
      all.count += part.count;
      all.values.insert(all.values.end(), part.values.begin(), part.values.end());
      all.token_counts.insert(all.token_counts.end(), part.token_counts.begin(), part.token_counts.end());
      advance(stage, part_texts.size());
    }
    return all;
  }

  const SentenceEncoder& encoder_;
  InspectOptions options_;
  OutputKind output_;
  bool recurrent_;
  std::vector<Setting> settings_;
  std::vector<std::int64_t> layers_;
  TextSample sample_;
  std::vector<SampledText> texts_;  ///< the buckets' samples, one after the other
  std::vector<std::int64_t> ends_;  ///< of the buckets in texts_
  Spectrum axes_;                   ///< of the untouched model
  std::optional<ClassInspection> classes_;
  std::optional<StateInspection> states_;
  std::optional<TokenInspection> token_vectors_;
  /// Of the untouched model, kept for the fitted steps.
  Embeddings untouched_;
  std::vector<Embeddings> untouched_cuts_;  ///< [cut length]
  Embeddings untouched_queries_;
  std::size_t work_ = 0;  ///< texts to encode, a text once for each setting and length
  std::size_t done_ = 0;
  CollapseReport report_;
};

}  // namespace

CollapseReport inspect_collapse(const SentenceEncoder& encoder, const InspectSource& texts,
                                const InspectOptions& options) {
  return Inspection(encoder, options).run(texts);
}

CollapseReport inspect_collapse(const SentenceEncoder& encoder, std::span<const std::string_view> texts,
                                const InspectOptions& options) {
  std::size_t next = 0;
  return inspect_collapse(
      encoder,
      [&](InspectText& text) {
        if (next == texts.size()) return false;
        text.id.clear();
        text.text = std::string(texts[next++]);
        return true;
      },
      options);
}

}  // namespace treble
