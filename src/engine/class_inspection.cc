#include "engine/class_inspection.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <string>
#include <utility>

#include "base/stop.h"
#include "diagnostics/class_verdict.h"
#include "diagnostics/length_buckets.h"
#include "engine/encoder_access.h"
#include "engine/text_map.h"

namespace treble::internal {

namespace {

/// Texts read in one call.
constexpr std::size_t kCallTexts = 256;
/// Units measured between two reports of progress.
constexpr std::size_t kUnitsAtATime = 8;

/// The hidden states before and after each of `layers`.
std::vector<std::int64_t> states_around(std::span<const std::int64_t> layers) {
  std::vector<std::int64_t> states;
  for (const std::int64_t layer : layers) states.insert(states.end(), {layer, layer + 1});
  std::sort(states.begin(), states.end());
  states.erase(std::unique(states.begin(), states.end()), states.end());
  return states;
}

}  // namespace

ClassInspection::ClassInspection(const SentenceEncoder& encoder, const InspectOptions& options, TextSample& sample,
                                 std::span<const std::int64_t> layers)
    : encoder_(encoder), options_(options), texts_(std::move(sample.labelled)), layers_(states_around(layers)) {
  report_.labelled_texts = sample.labelled_texts;
  report_.unlabelled_texts = sample.unlabelled_texts;
  report_.unlabelled = std::move(sample.unlabelled);
  report_.sample = options.label_sample.value_or(0);
  report_.resamples = options.bootstrap;
  report_.pooling = to_string(encoder.info().pooling);
  name_classes();
  group_texts(sample.buckets);
}

void ClassInspection::name_classes() {
  std::map<std::string, std::int64_t> counts;
  for (const SampledText& text : texts_) ++counts[text.label];
  for (auto& [label, count] : counts) {
    report_.classes.push_back({label, count});
    count = std::ssize(report_.classes) - 1;
  }
  std::map<std::string_view, std::int64_t> known;
  for (const SampledText& text : texts_) {
    labels_.push_back(counts.at(text.label));
    copies_.push_back(known.emplace(text.text, std::ssize(known)).first->second);
  }
}

void ClassInspection::group_texts(std::span<const LengthBucket> buckets) {
  std::vector<std::int64_t> all(texts_.size());
  std::iota(all.begin(), all.end(), 0);
  const ClassLabels labels{labels_, copies_};
  groups_.push_back({-1, group_classes(all, labels, options_.seed)});
  std::vector<std::vector<std::int64_t>> by_bucket(buckets.size());
  for (const std::int64_t row : all) {
    const std::int64_t bucket = bucket_of(buckets, texts_[static_cast<std::size_t>(row)].used);
    if (bucket >= 0) by_bucket[static_cast<std::size_t>(bucket)].push_back(row);
  }
  for (std::size_t bucket = 0; bucket < buckets.size(); ++bucket) {
    const auto& rows = by_bucket[bucket];
    if (rows.empty()) continue;
    const auto index = static_cast<std::int64_t>(bucket);
    if (rows.size() == all.size()) {
      only_bucket_ = index;
    } else {
      groups_.push_back({index, group_classes(rows, labels, options_.seed)});
    }
  }
}

LayerVectors ClassInspection::encode(const EncodeOptions& encode, const Advance& advance) const {
  LayerVectors vectors = EncoderAccess::room_for_layers(encoder_, encode, texts_.size(), layers_.size());
  for (std::size_t begin = 0; begin < texts_.size(); begin += kCallTexts) {
    const std::size_t end = std::min(texts_.size(), begin + kCallTexts);
    std::vector<std::string_view> part;
    for (std::size_t i = begin; i < end; ++i) part.emplace_back(texts_[i].text);
    EncoderAccess::encode_layers(encoder_, {part, layers_, begin}, encode, vectors);
    advance("encoding labelled texts", part.size());
  }
  return vectors;
}

std::vector<ClassInspection::Unit> ClassInspection::measure_units(const LayerVectors& vectors,
                                                                  const Advance& advance) const {
  std::vector<Unit> units;
  for (std::size_t place = 0; place <= layers_.size(); ++place) {
    for (std::size_t group = 0; group < groups_.size(); ++group) units.push_back({place, group});
  }
  const BootstrapOptions bootstrap{options_.bootstrap, options_.seed};
  for (std::size_t first = 0; first < units.size(); first += kUnitsAtATime) {
    const std::size_t end = std::min(units.size(), first + kUnitsAtATime);
    EncoderAccess::parallel_for(encoder_, static_cast<std::int64_t>(end - first), [&](std::int64_t index) {
      check_stop(options_.stop, "the inspection");
      Unit& unit = units[first + static_cast<std::size_t>(index)];
      unit.measures = measure_classes(vectors.at(unit.place), groups_[unit.group].classes, bootstrap);
    });
    advance("measuring classes", texts_.size() * end / units.size() - texts_.size() * first / units.size());
  }
  return units;
}

void ClassInspection::add_estimates(const std::vector<Unit>& units) {
  for (const Unit& unit : units) {
    ClassEstimate estimate = unit.measures.estimate;
    estimate.setting = setting_;
    estimate.layer = unit.place == layers_.size() ? -1 : layers_[unit.place];
    estimate.bucket = groups_[unit.group].bucket;
    report_.estimates.push_back(estimate);
    if (unit.group != 0 || !only_bucket_) continue;
    estimate.bucket = *only_bucket_;
    report_.estimates.push_back(std::move(estimate));
  }
}

void ClassInspection::compare(const std::vector<Unit>& units) {
  const auto measures_at = [&](std::size_t place) -> const ClassMeasures& {
    return units[place * groups_.size()].measures;
  };
  ClassFindings& findings = report_.findings;
  const ClassMeasures& last = measures_at(layers_.size());
  if (setting_ > 0) {
    findings.tighter_by_temperature.push_back(nc1_ratio(untouched_, last));
    findings.accuracy_change.push_back(accuracy_difference(last, untouched_, {options_.bootstrap, options_.seed}));
    return;
  }
  findings.tighter_by_temperature.emplace_back();
  findings.accuracy_change.emplace_back();
  untouched_ = last;
  const auto first = std::find_if(layers_.begin(), layers_.end(), [](std::int64_t layer) { return layer > 0; });
  if (first == layers_.end() || first + 1 == layers_.end()) return;
  findings.first_layer = *first;
  findings.last_layer = layers_.back();
  findings.tighter_by_layer =
      nc1_ratio(measures_at(static_cast<std::size_t>(first - layers_.begin())), measures_at(layers_.size() - 1));
}

/// The means of two classes lie on one line.
Spectrum ClassInspection::map_axes(ConstMatrixView vectors) {
  report_.map.class_mean_axes = report_.classes.size() > 2;
  if (!report_.map.class_mean_axes) return covariance_spectrum(vectors, 2);
  const auto dim = static_cast<std::size_t>(vectors.cols);
  std::vector<float> means(report_.classes.size() * dim);
  for (std::int64_t row = 0; row < vectors.rows; ++row) {
    const auto k = static_cast<std::size_t>(labels_[static_cast<std::size_t>(row)]);
    const auto count = static_cast<float>(report_.classes[k].texts);
    for (std::size_t i = 0; i < dim; ++i) means[k * dim + i] += vectors.row(row)[i] / count;
  }
  return covariance_spectrum({means.data(), std::ssize(report_.classes), vectors.cols}, 2);
}

void ClassInspection::add_to_map(const LayerVectors& vectors) {
  const ConstMatrixView all = vectors.at(layers_.size());
  ClassMap& map = report_.map;
  if (setting_ == 0) {
    axes_ = map_axes(all);
    const std::size_t count = std::min(texts_.size(), kMaxMapTexts);
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t row = i * texts_.size() / count;
      const SampledText& text = texts_[row];
      shown_.push_back(static_cast<std::int64_t>(row));
      map.texts.push_back({.id = text.id.empty() ? std::to_string(text.index) : text.id,
                           .label = labels_[row],
                           .tokens = text.used,
                           .text = beginning_of(text.text)});
    }
  }
  std::vector<float> rows;
  for (const std::int64_t row : shown_) rows.insert(rows.end(), all.row(row), all.row(row) + all.cols);
  const Projection projection = project({rows.data(), std::ssize(shown_), all.cols}, axes_);
  for (std::size_t i = 0; i < map.texts.size(); ++i) map.texts[i].at.push_back(projection.at[i]);
  map.explained.push_back(projection.explained);
}

void ClassInspection::measure(const EncodeOptions& encode_options, const Advance& advance) {
  const LayerVectors vectors = encode(encode_options, advance);
  const std::vector<Unit> units = measure_units(vectors, advance);
  add_estimates(units);
  compare(units);
  add_to_map(vectors);
  ++setting_;
}

ClassReport ClassInspection::take(std::span<const std::string> settings) {
  report_.verdict = describe_classes(report_, settings);
  return std::move(report_);
}

}  // namespace treble::internal
