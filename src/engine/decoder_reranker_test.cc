// Rerankers made of decoders: what their chat templates and heads may not be. What they compute is held against
// sentence-transformers with all the others (reranker_test.cc).
#include <gtest/gtest.h>

#include "engine/encoder_access.h"
#include "engine/golden_support.h"
#include "engine/model_copy.h"
#include "treble/reranker.h"

namespace treble::internal {
namespace {

using nlohmann::json;
using test::error_of;
using test::expect_words;
using test::ModelCopy;

class DecoderCopy : public ModelCopy {
 public:
  explicit DecoderCopy(const std::string& name) : ModelCopy("rerankers/" + name) {}

  Reranker load() const { return Reranker::load({.model = path().string(), .threads = 1}); }
  std::string error() const {
    return error_of([this] { load(); });
  }
  /// Of processing_kwargs in sentence_bert_config.json.
  void set_arguments(const json& arguments) const {
    set("sentence_bert_config.json", "processing_kwargs", json({{"chat_template", arguments}}));
  }
};

std::vector<std::int32_t> ids_of(const Reranker& reranker, const TextPair& pair, const EncodeOptions& options = {}) {
  return EncoderAccess::tokenize_pair(reranker.encoder(), EncoderAccess::plan(reranker.encoder(), options), pair, 0)
      .ids;
}

TEST(ChatReranker, NamesATemplateThatCarriesNoPair) {
  const DecoderCopy model("qwen3-logit");
  model.write("chat_template.jinja",
              "{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}{% endif %}{% endfor %}");
  expect_words(model.error(), {"unsupported", "chat_template.jinja", "carries no text of a pair", "\"document\""});
  model.write("chat_template.jinja", "{{ (messages | first).content }}");
  expect_words(model.error(), {"unsupported", "carries no document"});
  model.write("chat_template.jinja", "{{ raise_exception('roles must alternate') }}");
  expect_words(model.error(), {"unsupported", "roles must alternate", "\"query\""});
  model.write("chat_template.jinja", "{% if %}");
  expect_words(model.error(), {"invalid_file", "chat_template.jinja", "line 1"});
}

TEST(ChatReranker, FindsTheTemplateWhereTransformersDoes) {
  const DecoderCopy model("qwen3-logit");
  const TextPair pair{"a", "b"};
  const auto ids = ids_of(model.load(), pair);
  const char* other = "{% for m in messages %}{{ m.content }}.{% endfor %}";
  // A file of its own comes before tokenizer_config.json.
  model.set("tokenizer_config.json", "chat_template", other);
  EXPECT_EQ(ids_of(model.load(), pair), ids);
  model.write("additional_chat_templates/short.jinja", other);
  EXPECT_EQ(ids_of(model.load(), pair), ids);
  model.set_arguments({{"chat_template", "short"}});
  const auto short_ids = ids_of(model.load(), pair);
  EXPECT_NE(short_ids, ids);
  model.set_arguments({{"chat_template", other}});
  EXPECT_EQ(ids_of(model.load(), pair), short_ids);
  model.erase("chat_template.jinja");
  model.erase("additional_chat_templates");
  model.set_arguments(json::object());
  EXPECT_EQ(ids_of(model.load(), pair), short_ids);
  model.set("tokenizer_config.json", "chat_template", json::array({{{"name", "one"}, {"template", other}}}));
  expect_words(model.error(), {"unsupported", "several chat templates (one)", "sentence_bert_config.json"});
  model.set("tokenizer_config.json", "chat_template", 3);
  expect_words(model.error(), {"invalid_file", "chat_template"});
  model.set("tokenizer_config.json", "chat_template", nullptr);
  expect_words(model.error(), {"not_found", "chat template", "tokenizer_config.json"});
}

TEST(ChatReranker, RefusesArgumentsThatItDoesNotObey) {
  const DecoderCopy model("qwen3-logit");
  for (const char* key : {"tools", "continue_final_message", "max_length"}) {
    model.set_arguments({{key, 1}});
    expect_words(model.error(), {"unsupported", "chat template", key});
  }
}

TEST(ChatReranker, ReadsAPlainFoldersTemplateToo) {
  const DecoderCopy model("qwen3-score");
  const TextPair pair{"a", "b"};
  const auto plain = ids_of(model.load(), pair);
  model.write("chat_template.jinja", "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}");
  EXPECT_GT(ids_of(model.load(), pair).size(), plain.size());
}

TEST(ChatReranker, KeepsTheEndOfItsTemplateWhicheverEndIsCut) {
  const DecoderCopy model("qwen3-logit");
  const Reranker reranker = model.load();
  const std::string text(400, 'x');
  const auto whole = ids_of(reranker, {"q", "d"});
  for (const auto truncation : {Truncation::end, Truncation::start}) {
    EncodeOptions options;
    options.truncation = truncation;
    const auto cut = ids_of(reranker, {"q", text}, options);
    ASSERT_EQ(std::ssize(cut), reranker.info().max_length);
    EXPECT_TRUE(std::equal(whole.end() - 5, whole.end(), cut.end() - 5));
    EXPECT_EQ(cut.front() == whole.front(), truncation == Truncation::end);
  }
}

TEST(ChatReranker, SaysWhenNothingOfTheTextsWouldBeRead) {
  const DecoderCopy model("qwen3-logit");
  const Reranker reranker = model.load();
  RerankOptions options;
  options.encode.max_length = 8;
  const std::vector<TextPair> pairs = {{"q", "the ferry"}};
  expect_words(error_of([&] { reranker.score(pairs, options); }),
               {"invalid_argument", "text 0", "chat template", "the limit is 8"});
  options.encode.truncation = Truncation::error;
  expect_words(error_of([&] { reranker.score(pairs, options); }), {"text_too_long", "text 0"});
  const std::vector<TextPair> bad = {{"q", "a"}, {"q", "\xff"}};
  expect_words(error_of([&] { reranker.score(bad); }), {"invalid_argument", "text 1", "UTF-8"});
}

TEST(ChatReranker, PromptsAreMessagesOfTheSystem) {
  const DecoderCopy model("qwen3-logit");
  const Reranker reranker = model.load();
  EncodeOptions options;
  options.prompt = "";
  const auto without = ids_of(reranker, {"q", "d"}, options);
  options.prompt = "is it?";  // what the template says where there is none
  EXPECT_EQ(ids_of(reranker, {"q", "d"}, options), without);
  options.prompt = "is it not?";
  EXPECT_NE(ids_of(reranker, {"q", "d"}, options), without);
}

TEST(BadDecoderReranker, NamesAHeadThatIsNotThere) {
  const DecoderCopy tied("qwen3-logit");
  tied.set("config.json", "tie_word_embeddings", false);
  expect_words(tied.error(), {"invalid_file", "lm_head.weight"});
  const DecoderCopy score("qwen3-score");
  score.set("config.json", "architectures", json({"Qwen3ForSequenceClassification"}));
  score.set("config.json", "id2label", json({{"0", "a"}, {"1", "b"}}));
  expect_words(score.error(), {"invalid_file", "score.weight", "1 rows", "2 labels"});
}

TEST(BadDecoderReranker, NamesTokensThatAreNotThere) {
  const DecoderCopy model("qwen3-logit");
  model.set("1_LogitScore/config.json", "true_token_id", 100000);
  expect_words(model.error(), {"invalid_file", "100000", "293"});
  model.set("1_LogitScore/config.json", "true_token_id", 3);
  model.set("1_LogitScore/config.json", "false_token_id", -1);
  expect_words(model.error(), {"invalid_file", "-1"});
  model.set("1_LogitScore/config.json", "false_token_id", nullptr);
  model.set("1_LogitScore/config.json", "module_input_name", "scores");
  expect_words(model.error(), {"unsupported", "module_input_name", "causal_logits"});
  model.set("1_LogitScore/config.json", "true_token_id", nullptr);
  EXPECT_NE(model.error(), "no error");
}

TEST(BadDecoderReranker, OfADecoderThatAttendsBothWaysIsNamed) {
  const DecoderCopy model("qwen3-score");
  model.set("config.json", "is_causal", false);
  expect_words(model.error(), {"unsupported", "both ways", "is_causal"});
  const DecoderCopy gemma("gemma3-score");
  gemma.set("config.json", "use_bidirectional_attention", true);
  expect_words(gemma.error(), {"unsupported", "both ways", "use_bidirectional_attention"});
}

TEST(BadDecoderReranker, WithModulesOfNoSenseIsNamed) {
  const DecoderCopy model("llama-logit");
  model.write("modules.json", R"([{"type": "x.Transformer", "path": ""}, {"type": "x.LogitScore", "path": 3}])");
  expect_words(model.error(), {"true_token_id"});
  model.write("modules.json", R"([{"type": 3, "path": ""}, 7])");
  expect_words(model.error(), {"unsupported", "modules.json"});
}

TEST(BadDecoderReranker, WithoutALogitScoreIsNamed) {
  const DecoderCopy model("llama-logit");
  model.erase("modules.json");
  EXPECT_FALSE(treble::is_cross_encoder(model.path().string()));
  expect_words(model.error(), {"unsupported", "LlamaForCausalLM", "LogitScore", "modules.json"});
}

}  // namespace
}  // namespace treble::internal
