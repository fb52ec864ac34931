// Chat templates: messages to one text, as `apply_chat_template` of transformers renders them with Jinja.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

struct TrebleTokChatTemplate;

namespace treble::internal {

/// A compiled template. Immutable: any number of threads may render with it at once. What Jinja does by Python alone
/// (tojson, the time of day, printed lists) is an error when it is met, and so is a template that does not end.
class ChatTemplate {
 public:
  /// `file` is where `source` stands. Throws Error{invalid_file} naming it and the line of a mistake.
  static ChatTemplate compile(std::string_view source, std::filesystem::path file);

  /// `variables` is a JSON object. Throws Error{unsupported} naming the file where the template refuses them (its own
  /// raise_exception) or asks for what is not there.
  std::string render(std::string_view variables) const;

 private:
  struct Free {
    void operator()(TrebleTokChatTemplate* handle) const noexcept;
  };

  ChatTemplate(std::unique_ptr<TrebleTokChatTemplate, Free> handle, std::filesystem::path file)
      : handle_(std::move(handle)), file_(std::move(file)) {}

  std::unique_ptr<TrebleTokChatTemplate, Free> handle_;
  std::filesystem::path file_;
};

}  // namespace treble::internal
