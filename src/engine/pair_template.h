// How a cross-encoder with a chat template reads a pair: as a conversation, one message a text, rendered to one text.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

#include "tokenizer/chat_template.h"
#include "tokenizer/tokenized_text.h"
#include "tokenizer/tokenizer.h"

namespace treble::internal {

/// What sentence_bert_config.json says of a chat template.
struct ChatSettings {
  /// Of a message's content: the text itself, or a list of parts with types. automatic: as the template looks at it.
  enum class Format { automatic, flat, structured };
  Format format = Format::automatic;
  /// "chat_template" of "processing_kwargs": variables of the template, and which one it is.
  nlohmann::json arguments = nlohmann::json::object();
};

/// One message of a conversation.
struct ChatTurn {
  const char* role;  ///< "query" and "document" of a pair, "user" of a text that stands alone
  std::string_view content;
};

/// The chat template of a model's folder, filled in as CrossEncoder of sentence-transformers 6.2 does it: a prompt is a
/// message of the role "system" before the others; no special token is added to what the template gives; and where a
/// long text is cut at its end, the tokens that the template puts behind it are written back over the last ones left.
/// Immutable: any number of threads may use it at once.
class PairTemplate {
 public:
  /// Whether the folder has one.
  static bool is_in(const std::filesystem::path& folder);

  /// Throws Error{not_found, invalid_file, unsupported} naming the file: there is no such template; it has a mistake;
  /// it does not carry both texts of a pair; arguments ask for what cannot be followed.
  static PairTemplate load(const std::filesystem::path& folder, const ChatSettings& settings);

  /// Throws Error{unsupported} where the template refuses the texts; Error{invalid_argument} for invalid UTF-8, and
  /// where the template alone fills the limit, so that nothing of the texts would be read; else as Tokenizer::encode.
  TokenizedText encode(const Tokenizer& tokenizer, std::string_view prompt, std::span<const ChatTurn> turns,
                       TokenizeOptions options) const;

 private:
  PairTemplate(ChatTemplate chat, bool structured, nlohmann::json variables)
      : chat_(std::move(chat)), structured_(structured), variables_(std::move(variables)) {}

  nlohmann::json message(const char* role, std::string_view content) const;
  std::string render(std::string_view prompt, std::span<const ChatTurn> turns) const;
  void check_roles(const std::filesystem::path& folder) const;
  void write_back_suffix(const Tokenizer& tokenizer, std::string_view prompt, std::span<const ChatTurn> turns,
                         TokenizedText& text) const;

  ChatTemplate chat_;
  bool structured_;
  nlohmann::json variables_;  ///< all but the messages
  bool restores_suffix_ = true;
};

}  // namespace treble::internal
