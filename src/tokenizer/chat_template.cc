#include "tokenizer/chat_template.h"

#include <utility>

#include "base/fail_about.h"
#include "tokenizer/owned_bytes.h"

namespace treble::internal {

void ChatTemplate::Free::operator()(TrebleTokChatTemplate* handle) const noexcept { treble_tok_chat_free(handle); }

ChatTemplate ChatTemplate::compile(std::string_view source, std::filesystem::path file) {
  TrebleTokChatTemplate* handle = nullptr;
  OwnedBytes error;
  const auto status = treble_tok_chat_compile(bytes_of(source), source.size(), &handle, error.out());
  if (status != TREBLE_TOK_STATUS_OK) {
    fail_file(file, ErrorCode::invalid_file, "not a usable chat template: {}", error.str());
  }
  return ChatTemplate(std::unique_ptr<TrebleTokChatTemplate, Free>(handle), std::move(file));
}

std::string ChatTemplate::render(std::string_view variables) const {
  OwnedBytes text;
  OwnedBytes error;
  const auto status =
      treble_tok_chat_render(handle_.get(), bytes_of(variables), variables.size(), text.out(), error.out());
  if (status != TREBLE_TOK_STATUS_OK) {
    fail_file(file_, ErrorCode::unsupported, "the chat template gives no text: {}", error.str());
  }
  return text.str();
}

}  // namespace treble::internal
