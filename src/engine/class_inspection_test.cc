// Labelled texts in an inspection: which are measured, in which layers, and what is said of them.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "engine/encoder_access.h"
#include "engine/golden_support.h"
#include "treble/collapse_report.h"
#include "treble/error.h"

namespace treble::internal {
namespace {

using test::source_path;

SentenceEncoder tiny_encoder(int threads = 2, const char* family = "bert") {
  return SentenceEncoder::load(
      {.model = source_path(fmt::format("tests/golden/{}/model", family)).string(), .threads = threads});
}

InspectOptions quick_options() {
  InspectOptions options;
  options.temperatures = {Temperature::parse("0.5")};
  options.bootstrap = 40;
  options.cut_lengths = {};
  options.bucket_edges = {24};
  options.label_sample = 100;
  return options;
}

/// Texts of a few words of their class's own, and of others; `lengths`: how many words they have, in turn.
std::vector<InspectText> texts_of(int classes, int count, std::vector<int> lengths = {6, 30}) {
  const std::vector<std::string> words = {"harbour", "ferry", "letter", "garden", "window", "paper"};
  std::vector<InspectText> texts;
  for (int i = 0; i < count; ++i) {
    const auto k = static_cast<std::size_t>(i % classes);
    std::string text = words[k % words.size()];
    for (int word = 1; word < lengths[static_cast<std::size_t>(i / classes) % lengths.size()]; ++word) {
      text += word % 3 == 0 ? fmt::format(" {}", words[k % words.size()]) : fmt::format(" {}", (word * (i + 7)) % 23);
    }
    texts.push_back({.id = "", .text = text, .label = fmt::format("class {}", k)});
  }
  return texts;
}

CollapseReport inspected(const SentenceEncoder& encoder, const std::vector<InspectText>& texts,
                         const InspectOptions& options) {
  std::size_t next = 0;
  return inspect_collapse(
      encoder,
      [&](InspectText& text) {
        if (next == texts.size()) return false;
        text = texts[next++];
        return true;
      },
      options);
}

/// The mean of a text's hidden states, or the first of them.
struct PooledStates : AttentionObserver {
  void on_attention(std::int64_t, const PackedBatch&, const AttentionInputs&) override {}
  void on_hidden_states(std::int64_t layer, const PackedBatch&, ConstMatrixView hidden) override {
    if (layer != wanted) return;
    const std::int64_t rows = first_token ? 1 : hidden.rows;
    pooled.assign(static_cast<std::size_t>(hidden.cols), 0);
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t col = 0; col < hidden.cols; ++col) {
        pooled[static_cast<std::size_t>(col)] += double{hidden.row(row)[col]} / static_cast<double>(rows);
      }
    }
  }
  bool first_token = false;
  std::int64_t wanted = 0;
  std::vector<double> pooled;
};

TEST(LayerVectors, ArePooledHiddenStatesAndFinalVectors) {
  for (const char* family : {"bert", "mpnet", "modernbert"}) {
    const auto encoder = tiny_encoder(2, family);
    const auto texts = texts_of(3, 40);
    std::vector<std::string_view> views;
    for (const auto& text : texts) views.emplace_back(text.text);
    EncodeOptions options;
    options.temperature = Temperature::parse("0.7");
    const std::vector<std::int64_t> layers = {0, 2};
    LayerVectors vectors = EncoderAccess::room_for_layers(encoder, options, texts.size(), layers.size());
    const auto all = std::span(views);
    EncoderAccess::encode_layers(encoder, {all.first(15), layers, 0}, options, vectors);
    EncoderAccess::encode_layers(encoder, {all.subspan(15), layers, 15}, options, vectors);
    const Embeddings final_vectors = encoder.encode(views, options);
    ASSERT_EQ(vectors.final_vectors.size(), final_vectors.values.size());
    for (std::size_t i = 0; i < final_vectors.values.size(); ++i) {
      ASSERT_NEAR(vectors.final_vectors[i], final_vectors.values[i], 1e-6) << family;
    }
    PooledStates observer;
    observer.first_token = encoder.info().pooling.front() == PoolingMode::cls;
    for (std::size_t place = 0; place < layers.size(); ++place) {
      observer.wanted = layers[place];
      for (const std::size_t text : {0U, 14U, 15U, 39U}) {
        EncoderAccess::observe(encoder, all.subspan(text, 1), options, observer);
        const float* row = vectors.at(place).row(static_cast<std::int64_t>(text));
        for (std::size_t col = 0; col < observer.pooled.size(); ++col)
          ASSERT_NEAR(row[col], observer.pooled[col], 2e-6);
      }
    }
  }
}

TEST(ClassInspection, MeasuresEveryLayerTemperatureAndLength) {
  const auto encoder = tiny_encoder();
  const CollapseReport report = inspected(encoder, texts_of(3, 60), quick_options());
  ASSERT_TRUE(report.classes.has_value());
  const ClassReport& classes = *report.classes;
  EXPECT_EQ(classes.labelled_texts, 60);
  EXPECT_EQ(classes.unlabelled_texts, 0);
  EXPECT_EQ(classes.pooling, "mean");
  ASSERT_EQ(classes.classes.size(), 3U);
  EXPECT_EQ(classes.classes[1].label, "class 1");
  EXPECT_EQ(classes.classes[1].texts, 20);
  // Two temperatures; embeddings, two layers, final vectors; all lengths and two buckets.
  ASSERT_EQ(classes.estimates.size(), 2U * 4 * 3);
  std::size_t index = 0;
  for (const std::int64_t setting : {0, 1}) {
    for (const std::int64_t layer : {0, 1, 2, -1}) {
      for (const std::int64_t bucket : {-1, 0, 1}) {
        const ClassEstimate& e = classes.estimates[index++];
        EXPECT_EQ(e.setting, setting);
        EXPECT_EQ(e.layer, layer);
        EXPECT_EQ(e.bucket, bucket);
        EXPECT_EQ(e.texts, bucket < 0 ? 60 : 30);
        EXPECT_EQ(e.classes, 3);
        EXPECT_TRUE(e.reason.empty());
        EXPECT_EQ(e.held_out_texts, bucket < 0 ? 30 : 15);
      }
    }
  }
  // The temperature acts on attention alone.
  EXPECT_EQ(classes.estimates[0].nc1_traces->value, classes.estimates[12].nc1_traces->value);
  EXPECT_NE(classes.estimates[9].nc1_traces->value, classes.estimates[21].nc1_traces->value);
  EXPECT_EQ(classes.findings.first_layer, 1);
  EXPECT_EQ(classes.findings.last_layer, 2);
  const double ratio = classes.estimates[3].nc1_traces->value / classes.estimates[6].nc1_traces->value;
  EXPECT_NEAR(classes.findings.tighter_by_layer.value().value, ratio, 1e-12);
  ASSERT_EQ(classes.map.texts.size(), 60U);
  EXPECT_EQ(classes.map.texts.front().at.size(), 2U);
  EXPECT_TRUE(classes.map.class_mean_axes);
  EXPECT_NE(classes.verdict.find("60 labelled texts of 3 classes"), std::string::npos) << classes.verdict;
  EXPECT_NE(classes.verdict.find("Temperature 0.5"), std::string::npos) << classes.verdict;
}

TEST(ClassInspection, OnlyTheLayersAskedFor) {
  const auto encoder = tiny_encoder();
  InspectOptions options = quick_options();
  const auto layers_of = [&] {
    std::vector<std::int64_t> layers;
    const CollapseReport report = inspected(encoder, texts_of(2, 20), options);
    for (const auto& e : report.classes->estimates) {
      if (e.setting == 0 && e.bucket < 0) layers.push_back(e.layer);
    }
    return layers;
  };
  options.layers = std::vector<std::int64_t>{1};
  EXPECT_EQ(layers_of(), (std::vector<std::int64_t>{1, 2, -1}));
  options.layers = std::vector<std::int64_t>{};
  EXPECT_EQ(layers_of(), (std::vector<std::int64_t>{-1}));
}

TEST(ClassInspection, UnlabelledTextsAreCountedNamedAndLeftOut) {
  const auto encoder = tiny_encoder();
  auto texts = texts_of(2, 30);
  for (std::size_t i = 0; i < 30; i += 4) {
    texts[i].label.clear();
    if (i > 0) texts[i].place = fmt::format("file.jsonl:{}", i + 1);
  }
  const CollapseReport report = inspected(encoder, texts, quick_options());
  EXPECT_EQ(report.texts, 30);
  EXPECT_EQ(report.classes->labelled_texts, 22);
  EXPECT_EQ(report.classes->unlabelled_texts, 8);
  EXPECT_EQ(report.classes->unlabelled,
            (std::vector<std::string>{"text 0", "file.jsonl:5", "file.jsonl:9", "file.jsonl:13", "file.jsonl:17"}));
  EXPECT_EQ(report.classes->estimates.front().texts, 22);
  EXPECT_NE(to_table(report).find("8 of 30 texts have no label"), std::string::npos);
}

TEST(ClassInspection, TheSampleIsBounded) {
  const auto encoder = tiny_encoder();
  InspectOptions options = quick_options();
  options.label_sample = 20;
  const CollapseReport report = inspected(encoder, texts_of(2, 200), options);
  EXPECT_EQ(report.classes->labelled_texts, 200);
  std::int64_t sampled = 0;
  for (const ClassSize& size : report.classes->classes) sampled += size.texts;
  EXPECT_EQ(sampled, 20);
  EXPECT_EQ(report.classes->map.texts.size(), 20U);
  EXPECT_NE(report.classes->verdict.find("of 200 in the input"), std::string::npos) << report.classes->verdict;
}

TEST(ClassInspection, HasAnAnswerForLittle) {
  const auto encoder = tiny_encoder();
  struct Case {
    const char* what;
    std::vector<InspectText> texts;
    const char* verdict;
  };
  auto unlabelled = texts_of(2, 6);
  for (auto& text : unlabelled) text.label.clear();
  auto same = texts_of(2, 12);
  for (auto& text : same) text.text = "a";
  auto copies = texts_of(2, 12);
  for (std::size_t i = 2; i < 12; ++i) copies[i].text = copies[i % 2].text;
  const std::vector<Case> cases = {
      {"nothing", {}, "no text has a label"},
      {"no labels", unlabelled, "no text has a label"},
      {"one text", texts_of(1, 1), "Classes of 1 labelled text cannot be measured"},
      {"one class", texts_of(1, 12), "two classes of at least two texts are needed"},
      {"a text a class", texts_of(12, 12), "two classes of at least two texts are needed"},
      {"one text over and over", same, "Layers 1 and 2 cannot be compared"},
      {"copies in each class", copies, "the class means, or the texts of every class, are all alike"},
      {"one length", texts_of(2, 24, {3}), "24 labelled texts of 2 classes"},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.what);
    const CollapseReport report = inspected(encoder, one.texts, quick_options());
    EXPECT_NE(report.classes->verdict.find(one.verdict), std::string::npos) << report.classes->verdict;
    EXPECT_EQ(to_table(report).find("nan"), std::string::npos);
    EXPECT_EQ(report.classes->verdict.find("nan"), std::string::npos);
    for (const ClassEstimate& e : report.classes->estimates) {
      EXPECT_TRUE(e.nc1_traces.has_value() || !e.reason.empty());
    }
  }
  // Texts of one length are one bucket, whose measures are those of all lengths.
  const CollapseReport report = inspected(encoder, texts_of(2, 24, {3}), quick_options());
  EXPECT_EQ(report.classes->estimates[0].bucket, -1);
  EXPECT_EQ(report.classes->estimates[1].bucket, 0);
  EXPECT_EQ(report.classes->estimates[1].nc1->value, report.classes->estimates[0].nc1->value);
}

TEST(ClassInspection, StopsWithinTheMeasuring) {
  const auto encoder = tiny_encoder();
  for (const std::string_view stage : {"encoding labelled texts", "measuring classes"}) {
    InspectOptions options = quick_options();
    std::stop_source source;
    options.stop = source.get_token();
    options.progress = [&](const Progress& progress) {
      if (progress.stage == stage) source.request_stop();
    };
    try {
      inspected(encoder, texts_of(3, 60), options);
      ADD_FAILURE() << "not stopped";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::interrupted) << error.what();
    }
  }
}

TEST(ClassInspection, LabelsAreNotLookedAtUnasked) {
  const auto encoder = tiny_encoder();
  InspectOptions options = quick_options();
  options.label_sample.reset();
  const CollapseReport report = inspected(encoder, texts_of(2, 12), options);
  EXPECT_FALSE(report.classes.has_value());
  EXPECT_TRUE(nlohmann::json::parse(to_json(report)).at("classes").is_null());
  options.label_sample = 1;
  EXPECT_THROW(inspected(encoder, texts_of(2, 12), options), Error);
}

// Byte for byte, as the rest of the report.
TEST(ClassInspection, IsTheSameForEveryNumberOfThreads) {
  const auto report = [](int threads) {
    return to_json(inspected(tiny_encoder(threads), texts_of(4, 80), quick_options()));
  };
  const std::string one = report(1);
  EXPECT_EQ(report(1), one);
  for (const int threads : {2, 3}) EXPECT_EQ(report(threads), one) << threads;
}

}  // namespace
}  // namespace treble::internal
