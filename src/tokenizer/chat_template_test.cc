#include "tokenizer/chat_template.h"

#include <gtest/gtest.h>

#include "treble/error.h"

namespace treble::internal {
namespace {

Error error_from(std::string_view source, std::string_view variables) {
  try {
    ChatTemplate::compile(source, "folder/chat_template.jinja").render(variables);
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << source << " was rendered";
  return {ErrorCode::internal, ""};
}

TEST(ChatTemplates, RenderVariables) {
  const auto chat = ChatTemplate::compile(
      "{{ bos }}{% for m in messages %}\n<{{ m.role }}>{{ m.content }}\n{% endfor %}", "chat_template.jinja");
  EXPECT_EQ(chat.render(R"({"bos": "<s>", "messages": [{"role": "query", "content": "é\u0000\""}]})"),
            std::string("<s><query>é\0\"\n", 15));
}

TEST(ChatTemplates, NameTheFileAndTheMistake) {
  const Error mistake = error_from("one\n{% if %}", "{}");
  EXPECT_EQ(mistake.code(), ErrorCode::invalid_file);
  EXPECT_EQ(mistake.file(), "folder/chat_template.jinja");
  EXPECT_NE(std::string(mistake.what()).find("line 2"), std::string::npos) << mistake.what();
  const Error refusal = error_from("{{ raise_exception('only user and assistant') }}", "{}");
  EXPECT_EQ(refusal.code(), ErrorCode::unsupported);
  EXPECT_NE(std::string(refusal.what()).find("only user and assistant"), std::string::npos) << refusal.what();
  EXPECT_EQ(error_from("\xff", "{}").code(), ErrorCode::invalid_file);
}

TEST(ChatTemplates, EndEvenIfTheyLoopForEver) {
  const Error error = error_from(
      "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}{% endfor %}{% endfor %}{% endfor "
      "%}",
      "{}");
  EXPECT_NE(std::string(error.what()).find("fuel"), std::string::npos) << error.what();
}

}  // namespace
}  // namespace treble::internal
