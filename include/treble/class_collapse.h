// Labelled texts in an inspection: how far the vectors of each class have drawn together ("neural collapse"), layer by
// layer, at every temperature and by length, and whether the nearest class mean knows the class of texts that it was
// not made of. What each measure is and how to read it: docs/neural-collapse.md.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "treble/evaluation.h"

namespace treble {

/// Classes in one place of the model, of one group of texts. Texts whose class has no second text in the group are left
/// out. A measure that could not be taken is unset, and `reason` says why.
///
/// Intervals are of InspectOptions::bootstrap resamples: of the scatters, texts are resampled within their class, and
/// the percentiles of the resamples' logarithms are centred on the measure's own, as texts drawn twice make classes
/// tighter; of the held-out shares, the texts that are judged are resampled, means and probe staying as they are.
struct ClassEstimate {
  std::int64_t setting = 0;  ///< index into CollapseReport::settings: a temperature
  /// Blocks before it, 0: after the embeddings: hidden states pooled as the model pools, and nothing after that. −1:
  /// the final vectors.
  std::int64_t layer = 0;
  std::int64_t bucket = -1;         ///< index into CollapseReport::buckets; −1: texts of all lengths
  std::int64_t dim = 0;             ///< of the vectors
  std::int64_t texts = 0;           ///< measured
  std::int64_t classes = 0;         ///< of these texts
  std::int64_t texts_left_out = 0;  ///< each the only one of its class
  std::string reason = {};          ///< empty: nothing is unset

  /// The measures of NeuralCollapse (treble/neural_collapse.h), over all of the texts.
  std::optional<Interval> within = {};
  std::optional<Interval> between = {};
  std::optional<Interval> nc1_traces = {};
  std::optional<Interval> nc1 = {};
  std::optional<Interval> nc2 = {};
  /// Resamples for the intervals of nc1 and nc2, the dear ones: at most as many as of the others.
  std::int64_t spectral_resamples = 0;

  /// Half of each class, drawn by the seed, that nothing was fitted on; class means and probe are of the other half.
  /// Texts that are the same are dealt together.
  std::int64_t held_out_texts = 0;
  std::optional<Interval> accuracy = {};  ///< share of them whose nearest class mean is that of their own class
  /// The same of a linear probe: a logistic regression (LogisticRegression of scikit-learn, C = 1, at most 100 steps)
  /// on vectors centred and scaled to a mean variance of 1.
  std::optional<Interval> probe_accuracy = {};
  std::optional<Interval> agreement = {};  ///< share of them that both give the same class (as NC3: 1 in a collapse)
};

/// A class of the sampled texts.
struct ClassSize {
  std::string label;       ///< as given
  std::int64_t texts = 0;  ///< sampled
};

/// A labelled text on the map.
struct ClassMapText {
  std::string id = {};                         ///< as given, else its index in the input
  std::int64_t label = 0;                      ///< index into ClassReport::classes
  std::int64_t tokens = 0;                     ///< that the model read
  std::string text = {};                       ///< its beginning
  std::vector<std::array<double, 2>> at = {};  ///< [temperature]
};

/// Final vectors of the labelled texts on two axes of the untouched model; other temperatures lie on the same axes.
struct ClassMap {
  bool class_mean_axes = false;  ///< the principal axes of the class means; else, with two classes, those of the texts
  std::vector<std::array<double, 2>> explained = {};  ///< [temperature]: share of its variance that each axis carries
  std::vector<ClassMapText> texts = {};               ///< at most 2000, evenly spaced in the sample
};

/// The numbers behind the verdict, over texts of all lengths. Intervals are paired: every layer and temperature sees
/// the same resamples.
struct ClassFindings {
  std::int64_t first_layer = -1;  ///< the first measured behind a block; −1: no two are
  std::int64_t last_layer = -1;   ///< and the last
  /// ÑC1 after `first_layer` over ÑC1 after `last_layer`, untouched model: above 1, classes are tighter after the last.
  std::optional<Interval> tighter_by_layer = {};
  /// [temperature]: ÑC1 of the untouched model's final vectors over that at the temperature: above 1, classes are
  /// tighter there. The first is unset.
  std::vector<std::optional<Interval>> tighter_by_temperature = {};
  /// [temperature]: accuracy there less that of the untouched model. The first is unset.
  std::vector<std::optional<Interval>> accuracy_change = {};
};

/// What an inspection found about labelled texts. Memory: at a time the sampled texts' vectors of one temperature in
/// every measured layer, texts x (layers + 2) x dimensions x 4 bytes (for 2000 texts, 25 MB with all-MiniLM-L6-v2 and
/// 86 MB with all-mpnet-base-v2), and on each thread three copies of one layer's in 8 bytes.
struct ClassReport {
  std::int64_t labelled_texts = 0;           ///< of the input
  std::int64_t unlabelled_texts = 0;         ///< of the input: measured for everything else
  std::vector<std::string> unlabelled = {};  ///< the first few of them: InspectText::place, else "text N", from 0
  std::int64_t sample = 0;                   ///< as asked
  std::int64_t resamples = 0;                ///< InspectOptions::bootstrap
  std::string pooling = {};                  ///< of hidden states: "mean", "cls", …
  std::vector<ClassSize> classes = {};       ///< of the sampled texts, in the order of their labels
  std::vector<ClassEstimate> estimates =
      {};  ///< by setting, layer (the final vectors last), bucket (all lengths first)
  ClassFindings findings = {};
  std::string verdict = {};  ///< a few sentences for people
  ClassMap map = {};
};

}  // namespace treble
