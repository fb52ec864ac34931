// Every key of the configuration classes of transformers 5.24, as tools/golden/config_keys.py found what it does by
// changing it: what changes hidden states is read or refused, all else is read, refused or known to be harmless.
#include "models/config_keys.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "models/known_names.h"
#include "models/model_registry.h"
#include "treble/error.h"

namespace treble::internal {
namespace {

nlohmann::json families_of_transformers() {
  return parse_json_file(std::filesystem::path(TREBLE_SOURCE_DIR) / "tests/golden/config_keys.json");
}

/// What becomes of one key of a config.json.
enum class KeyFate { read, refused, unread };

KeyFate fate_of(const nlohmann::json& config, const std::string& key) {
  const auto json = JsonObject::from_value(config, "config.json");
  try {
    read_encoder_config(json);
  } catch (const Error& error) {
    EXPECT_NE(error.code(), ErrorCode::internal) << error.what();
    return KeyFate::refused;
  }
  const auto unread = json.unread_keys();
  return std::find(unread.begin(), unread.end(), key) == unread.end() ? KeyFate::read : KeyFate::unread;
}

TEST(ConfigKeys, WhatTransformersWritesIsAccepted) {
  const auto families = families_of_transformers();
  for (const auto& [model_type, family] : families.items()) {
    nlohmann::json config = family.at("config");
    config["model_type"] = model_type;
    EncoderConfig read;
    ASSERT_NO_THROW(read = read_encoder_config(JsonObject::from_value(config, "config.json"))) << model_type;
    EXPECT_EQ(read.warnings, std::vector<std::string>{}) << model_type;
  }
}

TEST(ConfigKeys, WhatChangesHiddenStatesIsReadOrRefused) {
  const auto families = families_of_transformers();
  for (const auto& [model_type, family] : families.items()) {
    for (const auto& [key, found] : family.at("keys").items()) {
      if (found.at("effect") != "changes") continue;
      nlohmann::json config = family.at("config");
      config["model_type"] = model_type;
      config[key] = found.at("value");
      EXPECT_NE(fate_of(config, key), KeyFate::unread) << model_type << ": " << key << " is " << found.at("value");
    }
  }
}

TEST(ConfigKeys, EveryOtherKeyIsReadRefusedOrKnownToBeHarmless) {
  const auto families = families_of_transformers();
  for (const auto& [model_type, family] : families.items()) {
    for (const auto& [key, value] : family.at("config").items()) {
      nlohmann::json config = family.at("config");
      config["model_type"] = model_type;
      EXPECT_TRUE(fate_of(config, key) != KeyFate::unread || is_harmless_key(model_type, key))
          << model_type << ": " << key;
    }
  }
}

/// What changes the logits of a head and not the hidden states.
TEST(ConfigKeys, WhatChangesAHeadsLogitsIsReadOrRefused) {
  const auto families = families_of_transformers();
  const std::vector<std::pair<const char*, HeadConfig (*)(const JsonObject&)>> heads = {
      {"classification", read_head_config}, {"tokens", read_language_head_config}};
  std::size_t tried = 0;
  for (const auto& [model_type, family] : families.items()) {
    for (const auto& [head, read_head] : heads) {
      if (!family.contains(head)) continue;
      for (const auto& [key, value] : family.at(head).items()) {
        nlohmann::json config = family.at("config");
        config["model_type"] = model_type;
        if (model_type == "gemma3_text") config["use_bidirectional_attention"] = false;
        const auto unchanged = JsonObject::from_value(config, "config.json");
        EXPECT_NO_THROW(read_head(unchanged)) << model_type << ": " << head;
        config[key] = value;
        const auto json = JsonObject::from_value(config, "config.json");
        ++tried;
        try {
          read_head(json);
        } catch (const Error&) {
          continue;
        }
        const auto unread = json.unread_keys();
        EXPECT_EQ(std::find(unread.begin(), unread.end(), key), unread.end())
            << model_type << ", " << head << ": " << key;
      }
    }
  }
  EXPECT_GT(tried, 8U);
}

/// A list that held everything would pass: a key that nobody has heard of is on none.
TEST(ConfigKeys, AnUnknownKeyIsNoneOfThese) {
  const auto families = families_of_transformers();
  for (const auto& [model_type, family] : families.items()) {
    nlohmann::json config = family.at("config");
    config["model_type"] = model_type;
    config["unheard_of"] = true;
    EXPECT_EQ(fate_of(config, "unheard_of"), KeyFate::unread) << model_type;
    EXPECT_FALSE(is_harmless_key(model_type, "unheard_of"));
  }
}

/// All but the published forms without a class of their own in transformers.
TEST(ConfigKeys, CoverEveryFamily) {
  const auto families = families_of_transformers();
  const std::string supported = supported_model_types();
  std::size_t begin = 0;
  std::vector<std::string> missing;
  while (begin < supported.size()) {
    const std::size_t end = std::min(supported.find(", ", begin), supported.size());
    const std::string model_type = supported.substr(begin, end - begin);
    if (!families.contains(model_type)) missing.push_back(model_type);
    begin = end + 2;
  }
  EXPECT_EQ(missing, (std::vector<std::string>{"embedding_gemma2", "jina_bert", "new"}));
}

}  // namespace
}  // namespace treble::internal
