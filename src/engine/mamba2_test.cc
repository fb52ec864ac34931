// Mamba-2 against transformers' Mamba2Model, layer by layer; the weights come from a formula (tools/golden/mamba2.py).
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <random>

#include "engine/formula_model.h"
#include "engine/golden_support.h"
#include "kernels/reference/reference.h"
#include "models/model_registry.h"
#include "treble/error.h"

namespace treble::internal {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr double kTolerance = 1e-5;
constexpr std::array<std::int64_t, 4> kLengths = {1, 63, 65, 193};

/// Keeps the hidden states of every layer.
class Recorder : public AttentionObserver {
 public:
  void on_attention(std::int64_t, const PackedBatch&, const AttentionInputs&) override { ++attention_layers; }
  void on_hidden_states(std::int64_t layer, const PackedBatch&, ConstMatrixView hidden) override {
    std::vector<float>& states = layers[layer];
    states.clear();
    for (std::int64_t row = 0; row < hidden.rows; ++row)
      states.insert(states.end(), hidden.row(row), hidden.row(row) + hidden.cols);
  }

  int attention_layers = 0;
  std::map<std::int64_t, std::vector<float>> layers;
};

PackedBatch batch_of(const std::vector<std::vector<std::int32_t>>& texts) {
  PackedBatch batch;
  batch.offsets = {0};
  for (const auto& ids : texts) {
    batch.ids.insert(batch.ids.end(), ids.begin(), ids.end());
    batch.offsets.push_back(std::ssize(batch.ids));
    batch.text_index.push_back(std::ssize(batch.text_index));
    batch.prompt_tokens.push_back(0);
  }
  return batch;
}

class Mamba2 : public ::testing::Test {
 protected:
  Mamba2() : cases_(parse_json_file(test::source_path("tests/golden/mamba2.json"))) {}
  ~Mamba2() override { fs::remove_all(folder_); }

  Encoder load(const Json& entry, ComputeType type = ComputeType::float32) const {
    test::write_model(folder_, entry, test::make_tensors(entry));
    return load_encoder(folder_, {1 << 20}, {type});
  }

  std::vector<float> run(const Encoder& encoder, const PackedBatch& batch, const StateControl& control = {},
                         AttentionObserver* observer = nullptr, RecurrentState* carried = nullptr) const {
    Workspace kernels;
    LayerWorkspace workspace;
    const ConstMatrixView hidden = encoder.run({.execution = Execution(kernels),
                                                .workspace = workspace,
                                                .state_controls = {&control, 1},
                                                .carried = carried,
                                                .observer = observer},
                                               batch);
    return {hidden.data, hidden.data + hidden.rows * hidden.cols};
  }

  std::vector<std::int32_t> ids(const Encoder& encoder, std::int64_t length) const {
    return test::text_ids(length, encoder.config().vocab_size);
  }

  std::string message(const Json& entry) const {
    try {
      load(entry);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

  Json cases_;
  fs::path folder_ = fs::path(::testing::TempDir()) / fmt::format("treble_mamba2_{}", ::getpid());
};

double largest_difference(std::span<const float> got, std::span<const float> expected) {
  double largest = got.size() == expected.size() ? 0 : INFINITY;
  for (std::size_t i = 0; i < std::min(got.size(), expected.size()); ++i) {
    const double difference = std::abs(double{got[i]} - double{expected[i]});
    largest = std::isfinite(difference) ? std::max(largest, difference) : INFINITY;
  }
  return largest;
}

/// The mean over the tokens and the last token, against what is stored.
double summary_difference(const std::vector<float>& states, std::int64_t width, const Json& expected) {
  const auto tokens = std::ssize(states) / width;
  double largest = 0;
  for (std::int64_t col = 0; col < width; ++col) {
    double mean = 0;
    for (std::int64_t row = 0; row < tokens; ++row) mean += states[static_cast<std::size_t>(row * width + col)];
    mean /= static_cast<double>(tokens);
    const double last = states[static_cast<std::size_t>((tokens - 1) * width + col)];
    for (const double difference :
         {mean - expected.at(0).at(col).get<double>(), last - expected.at(1).at(col).get<double>()}) {
      largest = std::isfinite(difference) ? std::max(largest, std::abs(difference)) : INFINITY;
    }
  }
  return largest;
}

TEST_F(Mamba2, EveryLayerEqualsTransformers) {
  ASSERT_GE(cases_.size(), 15U);
  for (const Json& entry : cases_) {
    SCOPED_TRACE(entry.at("name").get<std::string>());
    const Encoder encoder = load(entry);
    EXPECT_TRUE(encoder.is_recurrent());
    EXPECT_EQ(encoder.tempered_layers(), 0);
    for (std::size_t text = 0; text < kLengths.size(); ++text) {
      Recorder recorder;
      run(encoder, batch_of({ids(encoder, kLengths[text])}), {}, &recorder);
      EXPECT_EQ(recorder.attention_layers, 0);
      const Json& layers = entry.at("expected").at(text);
      for (std::size_t layer = 0; layer < layers.size(); ++layer) {
        EXPECT_LE(summary_difference(recorder.layers.at(static_cast<std::int64_t>(layer) + 1),
                                     encoder.config().hidden_size, layers.at(layer)),
                  kTolerance)
            << kLengths[text] << " tokens, layer " << layer;
      }
    }
  }
}

TEST_F(Mamba2, AloneIsAsInAnyBatch) {
  for (const Json& entry : cases_) {
    SCOPED_TRACE(entry.at("name").get<std::string>());
    const Encoder encoder = load(entry);
    std::vector<std::vector<std::int32_t>> texts;
    for (const std::int64_t length : {3, 65, 0, 193, 1, 64}) texts.push_back(ids(encoder, length));
    const auto together = run(encoder, batch_of(texts));
    std::size_t begin = 0;
    for (const auto& text : texts) {
      const std::size_t size = text.size() * static_cast<std::size_t>(encoder.config().hidden_size);
      if (!text.empty()) {
        EXPECT_LE(largest_difference(std::span(together).subspan(begin, size), run(encoder, batch_of({text}))), 1e-6);
      }
      begin += size;
    }
  }
}

TEST_F(Mamba2, InSegmentsIsAsAWhole) {
  for (const char* written : {"none", "rri:0.99,0.75", "window:40", "window:100", "window:500", "norm:0.5"}) {
    const auto control = StateControl::parse(written);
    for (const Json& entry : cases_) {
      SCOPED_TRACE(entry.at("name").get<std::string>() + ", " + written);
      const Encoder encoder = load(entry);
      const auto text = ids(encoder, 333);
      const auto whole = run(encoder, batch_of({text}), control);
      for (const std::vector<std::ptrdiff_t>& cuts :
           {std::vector<std::ptrdiff_t>{64, 128, 256}, {192}, {1, 2, 70, 71, 200}}) {
        RecurrentState state;
        state.total_tokens = std::ssize(text);
        std::vector<float> parts;
        std::ptrdiff_t begin = 0;
        auto ends = cuts;
        ends.push_back(std::ssize(text));
        for (const auto end : ends) {
          const auto part =
              run(encoder, batch_of({{text.begin() + begin, text.begin() + end}}), control, nullptr, &state);
          parts.insert(parts.end(), part.begin(), part.end());
          begin = end;
        }
        EXPECT_EQ(state.tokens, std::ssize(text));
        EXPECT_LE(largest_difference(parts, whole), kTolerance) << cuts.size() << " cuts";
      }
    }
  }
}

TEST_F(Mamba2, WhatDoesNotReachATextLeavesItUntouchedBitForBit) {
  for (const Json& entry : cases_) {
    const Encoder encoder = load(entry);
    const auto batch = batch_of({ids(encoder, 130), ids(encoder, 7)});
    const auto as_trained = run(encoder, batch);
    for (const char* control : {"rri:1,1", "norm:inf", "window:130", "window:1000000"}) {
      EXPECT_EQ(run(encoder, batch, StateControl::parse(control)), as_trained) << control;
    }
    for (const char* control : {"rri:0.9,1", "rri:1,0.5", "norm:0.01", "window:9"}) {
      EXPECT_NE(run(encoder, batch, StateControl::parse(control)), as_trained) << control;
    }
  }
}

TEST_F(Mamba2, TextsOfOneBatchMayHaveControlsOfTheirOwn) {
  const Encoder encoder = load(cases_.at(1));
  std::vector<std::vector<std::int32_t>> texts;
  std::vector<StateControl> controls;
  for (const char* control : {"none", "none", "window:20", "norm:0.5", "rri:0.9,0.5", "rri:0.9,0.5", "window:20"}) {
    texts.push_back(ids(encoder, 70 + std::ssize(texts)));
    controls.push_back(StateControl::parse(control));
  }
  const auto batch = batch_of(texts);
  Workspace kernels;
  LayerWorkspace workspace;
  const ConstMatrixView hidden =
      encoder.run({.execution = Execution(kernels), .workspace = workspace, .state_controls = controls}, batch);
  for (std::size_t text = 0; text < texts.size(); ++text) {
    const auto alone = run(encoder, batch_of({texts[text]}), controls[text]);
    const std::span<const float> own(hidden.row(batch.offsets[text]), alone.size());
    EXPECT_LE(largest_difference(own, alone), 1e-6) << text;
  }
}

/// The states that an observer is shown, by layer, head and token.
class StateRecorder : public AttentionObserver {
 public:
  void on_attention(std::int64_t, const PackedBatch&, const AttentionInputs&) override {}
  void on_hidden_states(std::int64_t, const PackedBatch&, ConstMatrixView) override {}
  void on_state(std::int64_t layer, const StateSample& sample) override {
    std::vector<float> values;
    for (std::int64_t row = 0; row < sample.state.rows; ++row) {
      values.insert(values.end(), sample.state.row(row), sample.state.row(row) + sample.state.cols);
    }
    const auto place = std::tuple(layer, sample.head, sample.tokens);
    EXPECT_TRUE(states.emplace(place, values).second);
    retention[place] = sample.log_retention;
  }

  std::map<std::tuple<std::int64_t, std::int64_t, std::int64_t>, std::vector<float>> states;
  std::map<std::tuple<std::int64_t, std::int64_t, std::int64_t>, double> retention;
};

TEST_F(Mamba2, ObserversSeeTheStatesOfAnyControlInSegmentsToo) {
  const Encoder encoder = load(cases_.at(1));
  const auto text = ids(encoder, 300);
  for (const char* written : {"none", "rri:0.9,0.5", "window:100", "norm:0.5"}) {
    const auto control = StateControl::parse(written);
    StateRecorder whole;
    const auto observed = run(encoder, batch_of({text}), control, &whole);
    EXPECT_EQ(observed, run(encoder, batch_of({text}), control)) << written;
    const auto& config = encoder.config();
    EXPECT_EQ(whole.states.size(), static_cast<std::size_t>(config.num_layers * config.num_heads * 5)) << written;
    StateRecorder parts;
    RecurrentState state;
    state.total_tokens = 300;
    run(encoder, batch_of({{text.begin(), text.begin() + 128}}), control, &parts, &state);
    run(encoder, batch_of({{text.begin() + 128, text.end()}}), control, &parts, &state);
    ASSERT_EQ(parts.states.size(), whole.states.size());
    for (const auto& [place, values] : whole.states) {
      EXPECT_LE(largest_difference(parts.states.at(place), values), kTolerance);
      const double kept = whole.retention.at(place);
      EXPECT_NEAR(std::exp(parts.retention.at(place)), std::exp(kept), 1e-9);
      EXPECT_LE(kept, 0);
    }
  }
}

TEST_F(Mamba2, BothFormsOfNamesAndTheAuthorsConfigGiveTheSame) {
  Json entry = cases_.at(0);
  const Encoder encoder = load(entry);
  const auto batch = batch_of({ids(encoder, 100)});
  const auto expected = run(encoder, batch);
  entry["prefix"] = "backbone.";
  EXPECT_EQ(run(load(entry), batch), expected);
  entry["tensors"]["embedding.weight"] = entry["tensors"]["embeddings.weight"];
  entry["tensors"].erase("embeddings.weight");
  std::vector<test::Tensor> tensors = test::make_tensors(entry);
  for (auto& tensor : tensors) {
    // The values come from the name, which was another before.
    if (tensor.name == "embedding.weight") tensor.values = test::make_tensors(cases_.at(0)).front().values;
  }
  entry["config"] = {{"d_model", 16},
                     {"n_layer", 2},
                     {"vocab_size", 58},
                     {"d_intermediate", 0},
                     {"rms_norm", true},
                     {"attn_layer_idx", Json::array()},
                     {"attn_cfg", Json::object()},
                     {"residual_in_fp32", true},
                     {"fused_add_norm", true},
                     {"pad_vocab_size_multiple", 61},
                     {"tie_embeddings", true},
                     {"ssm_cfg", {{"layer", "Mamba2"}, {"headdim", 8}, {"d_state", 16}}}};
  test::write_model(folder_, entry, tensors);
  const Encoder authors = load_encoder(folder_, {1 << 20});
  EXPECT_EQ(authors.config().model_type, "mamba2");
  EXPECT_TRUE(authors.config().warnings.empty());
  EXPECT_EQ(run(authors, batch), expected);
}

TEST_F(Mamba2, BadConfigsAreNamed) {
  const auto with = [&](const char* key, const Json& value) {
    Json entry = cases_.at(0);
    entry["config"][key] = value;
    return message(entry);
  };
  EXPECT_NE(with("n_groups", 3).find("4 heads cannot share 3 groups"), std::string::npos);
  EXPECT_NE(with("conv_kernel", 0).find("\"conv_kernel\" is 0"), std::string::npos);
  EXPECT_NE(with("num_heads", 5).find("5 heads of 8 are 40 wide, the inner width is 32"), std::string::npos);
  EXPECT_NE(with("hidden_act", "gelu").find("only \"silu\" is supported"), std::string::npos);
  EXPECT_NE(with("time_step_limit", 3).find("\"time_step_limit\" is 3"), std::string::npos);
  EXPECT_NE(with("time_step_limit", {0.5, 0.1}).find("0.5 and 0.1"), std::string::npos);
  EXPECT_NE(with("time_step_limit", {0.5, "x"}).find("numbers or \"Infinity\""), std::string::npos);
  EXPECT_NE(with("head_dim", std::int64_t{1} << 62).find("between 1 and"), std::string::npos);
  EXPECT_NE(with("state_size", 17).find("config.json asks for"), std::string::npos);
  EXPECT_NE(with("num_hidden_layers", 3).find("hold 2 layers"), std::string::npos);
  EXPECT_EQ(with("time_step_limit", {0.0, "Infinity"}), "no error");
  EXPECT_EQ(with("time_step_limit", {0.0, {{"__float__", "Infinity"}}}), "no error");
  EXPECT_EQ(with("time_step_limit", nullptr), "no error");
}

TEST_F(Mamba2, BareInfinityAsPythonWritesItIsRead) {
  load(cases_.at(0));
  const std::string text = cases_.at(0).at("config").dump();
  std::ofstream(folder_ / "config.json") << text.substr(0, text.size() - 1) << R"(,"time_step_limit":[0.0, Infinity]})";
  EXPECT_EQ(load_encoder(folder_, {1 << 20}).config().state_space.max_step, std::numeric_limits<double>::infinity());
}

TEST_F(Mamba2, DamagedWeightsAreNamed) {
  for (const char* name : {"layers.1.mixer.A_log", "layers.0.mixer.dt_bias"}) {
    auto tensors = test::make_tensors(cases_.at(0));
    for (auto& tensor : tensors) {
      if (tensor.name == name) tensor.values[2] = std::numeric_limits<float>::quiet_NaN();
    }
    test::write_model(folder_, cases_.at(0), tensors);
    try {
      load_encoder(folder_, {1 << 20});
      FAIL() << name;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_file);
      EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find("element 2 of 4 is nan"), std::string::npos) << error.what();
    }
  }
}

TEST_F(Mamba2, PositionsCannotBeExtended) {
  load(cases_.at(0));
  EXPECT_THROW(load_encoder(folder_, {1 << 20, PositionExtension::interpolate}), Error);
}

}  // namespace
}  // namespace treble::internal
