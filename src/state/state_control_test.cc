#include "treble/state_control.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <limits>

#include "treble/error.h"

namespace treble {
namespace {

std::string message_of(const auto& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(StateControl, WrittenFormsComeBack) {
  for (const char* text : {"rri:0.9999,0.75", "rri:1,0.5", "window:512", "norm:3.5"}) {
    const auto control = StateControl::parse(text);
    EXPECT_EQ(control.to_string(), text);
    EXPECT_EQ(control.canonical(), text);
    EXPECT_FALSE(control.is_identity()) << text;
  }
  const auto less = StateControl::parse("rri:0.9999,0.75");
  EXPECT_EQ(less.retain(), 0.9999);
  EXPECT_EQ(less.insert(), 0.75);
  EXPECT_FALSE(less.window());
  EXPECT_EQ(less.max_norm(0, 0), std::numeric_limits<double>::infinity());
  EXPECT_EQ(StateControl::parse("window:7").window(), 7);
  EXPECT_EQ(StateControl::parse("norm:2").max_norm(5, 9), 2);
}

TEST(StateControl, WhatChangesNothingIsTheIdentity) {
  for (const char* text : {"none", "rri:1,1", "rri:1.0,1.0", "norm:inf"}) {
    const auto control = StateControl::parse(text);
    EXPECT_TRUE(control.is_identity()) << text;
    EXPECT_EQ(control.to_string(), "none");
  }
  EXPECT_EQ(StateControl().retain(), 1);
  EXPECT_EQ(StateControl().insert(), 1);
}

TEST(StateControl, OtherFormsAreErrorsThatNameTheForms) {
  for (const char* text : {"", "rri", "rri:", "rri:0.9", "rri:0.9;0.5", "rri:a,b", "rri:0.9,0.5,1", "window:",
                           "window:x", "window:1.5", "norm:", "norm:x", "0.8", "none:1", "Norm:1", " window:3"}) {
    EXPECT_NE(message_of([&] { StateControl::parse(text); }).find("write none, rri:A,B"), std::string::npos) << text;
  }
  for (const char* text : {"rri:0,1", "rri:1.1,1", "rri:-1,1", "rri:0.5,0", "rri:0.5,-1", "rri:nan,1", "rri:0.5,inf",
                           "window:0", "window:-3", "norm:0", "norm:-1", "norm:nan"}) {
    EXPECT_NE(message_of([&] { StateControl::parse(text); }).find("must be"), std::string::npos) << text;
  }
}

class NormsFile : public ::testing::Test {
 protected:
  NormsFile() { std::filesystem::create_directories(folder_); }
  ~NormsFile() override { std::filesystem::remove_all(folder_); }
  std::string write(const std::string& text) const {
    const auto path = folder_ / "norms.json";
    std::ofstream(path) << text;
    return path.string();
  }
  std::filesystem::path folder_ = std::filesystem::path(::testing::TempDir()) / "treble_state_norms";
};

TEST_F(NormsFile, ComesBackAndHoldsForItsModelAlone) {
  StateNorms norms;
  norms.max_norms = {{1.5, 2.25}, {0.1, 1e-3}, {4, 5}};
  norms.model = "tiny";
  norms.tokens = 512;
  norms.texts = 3;
  const auto path = folder_ / "norms.json";
  write_state_norms(path, norms);
  const StateNorms read = read_state_norms(path);
  EXPECT_EQ(read.max_norms, norms.max_norms);
  EXPECT_EQ(read.model, "tiny");
  EXPECT_EQ(read.tokens, 512);
  const auto control = StateControl::parse("norm:" + path.string());
  EXPECT_EQ(control.max_norm(1, 1), 1e-3);
  EXPECT_EQ(control.to_string(), "norm:" + path.string());
  EXPECT_EQ(control.canonical(), StateControl::from_norms(norms, "elsewhere.json").canonical());
  control.check_fits(3, 2);
  EXPECT_NE(message_of([&] { control.check_fits(2, 3); }).find("3 layers of 2 heads, the model has 2 layers of 3"),
            std::string::npos);
}

TEST_F(NormsFile, BadOnesAreNamed) {
  const auto message = [&](const std::string& text) {
    return message_of([&] { StateControl::parse("norm:" + write(text)); });
  };
  EXPECT_NE(message("{}").find("schema"), std::string::npos);
  EXPECT_NE(message(R"({"schema":"treble.state_norms/2"})").find("this version reads"), std::string::npos);
  EXPECT_NE(message(R"({"schema":"treble.state_norms/1"})").find("\"max_norms\" is missing"), std::string::npos);
  EXPECT_NE(message(R"({"schema":"treble.state_norms/1","max_norms":[]})").find("is empty"), std::string::npos);
  EXPECT_NE(message(R"({"schema":"treble.state_norms/1","max_norms":3})").find("list of layers"), std::string::npos);
  EXPECT_NE(message(R"({"schema":"treble.state_norms/1","max_norms":[[1,2],[1]]})").find("1 heads, layer 0 has 2"),
            std::string::npos);
  EXPECT_NE(message(R"({"schema":"treble.state_norms/1","max_norms":[[1,0]]})").find("[0][1] is 0"), std::string::npos);
  EXPECT_NE(message_of([&] { StateControl::parse("norm:/nowhere/x.json"); }).find("/nowhere/x.json"),
            std::string::npos);
}

}  // namespace
}  // namespace treble
