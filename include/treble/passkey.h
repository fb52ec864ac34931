// What a causal model with states still knows of a long prompt: a passkey hidden at a depth of it (Mohtashami & Jaggi,
// arXiv 2305.16300, section 4.3; Chen et al., arXiv 2410.07145, section 5), and how well it predicts the next token at
// each position of prompts that repeat themselves.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "treble/export.h"
#include "treble/progress.h"
#include "treble/sentence_encoder.h"
#include "treble/state_control.h"

namespace treble {

/// The parts of a prompt, one after the other: prefix, fillers with one of them replaced by the passkey, question.
/// Each is tokenized by itself, without special tokens.
struct PasskeyPrompt {
  std::string prefix =
      "There is an important piece of information hidden inside a lot of irrelevant text. Find it and memorize it. I "
      "will quiz you about it.";
  std::string filler = " The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again.";
  /// Each "{key}" stands for the key.
  std::string passkey = " The passkey is {key}. Remember it. {key} is the passkey.";
  std::string question = " What is the passkey? The passkey is";
};

/// What to try.
struct PasskeyOptions {
  /// Of prompts, in tokens, each from prefix + question + one filler to 16,777,216; a prompt has as many fillers as
  /// fit. Empty: 256, 512, … 8192.
  std::vector<std::int64_t> lengths = {};
  std::int64_t samples = 200;  ///< prompts of each length; sample i has the passkey at depth (i + 0.5) / samples
  /// Of the map: samples in equal shares by depth. Unset: 10, or as many as there are samples.
  std::optional<std::int64_t> rows = {};
  std::int64_t digits = 5;                  ///< of a key, 1 to 18
  std::int64_t new_tokens = 5;              ///< that the model may answer with, each the most likely one
  std::vector<StateControl> controls = {};  ///< besides the model as trained
  PasskeyPrompt prompt = {};
  std::uint64_t seed = 0;  ///< of the keys
  /// Stage "passkey"; steps are prompts.
  ProgressCallback progress = {};
  /// Heard before each prompt; ends the call with Error{interrupted}.
  std::stop_token stop = {};
};

/// The prompts of one length.
struct PasskeyColumn {
  std::int64_t length = 0;                 ///< asked for, in tokens
  std::int64_t tokens = 0;                 ///< of the first prompt, the passkey in place of one filler
  std::int64_t fillers = 0;                ///< places where the passkey may be
  std::vector<std::int64_t> right = {};    ///< [rows], the beginning first: answers that hold the key
  std::vector<std::int64_t> samples = {};  ///< [rows]
};

/// One control of the state.
struct PasskeyMap {
  std::string state;                   ///< as StateControl::to_string
  std::vector<PasskeyColumn> columns;  ///< a column a length
};

/// What came out.
struct PasskeyReport {
  std::string model;
  std::string weights_sha256;
  std::string treble_version;
  std::int64_t samples = 0;
  std::int64_t digits = 0;
  std::int64_t new_tokens = 0;
  std::uint64_t seed = 0;
  PasskeyPrompt prompt;
  std::vector<PasskeyMap> maps;  ///< of the model as trained, then of the controls
};

/// An answer is right when the key is part of it, white space aside. Throws Error{unsupported} for models that are not
/// causal state-space models with a language-model head (tied or "lm_head.weight"), Error{invalid_argument} for lengths
/// too short (naming both) and options out of range, Error{interrupted}.
TREBLE_API PasskeyReport passkey(const SentenceEncoder& encoder, const PasskeyOptions& options = {});

/// What the model is to read.
enum class RepetitivePrompt {
  newlines,  ///< "\n" over and over, the prompt in which states were first seen to collapse
  sentence,  ///< the filler of PasskeyPrompt over and over
};
/// "newlines", "sentence".
TREBLE_API std::string to_string(RepetitivePrompt prompt);

struct PerplexityOptions {
  RepetitivePrompt prompt = RepetitivePrompt::newlines;
  std::int64_t tokens = 8192;               ///< of the prompt, 2 to 16,777,216
  std::vector<StateControl> controls = {};  ///< besides the model as trained
  std::string sentence = PasskeyPrompt{}.filler;
  /// Stage "perplexity"; steps are tokens of all readings.
  ProgressCallback progress = {};
  /// Heard before each segment of some thousand tokens; ends the call with Error{interrupted}.
  std::stop_token stop = {};
};

/// exp of the mean of −ln p(token | what precedes it) over a range of positions, from 1 on: the first token has nothing
/// before it.
struct PerplexityRange {
  std::int64_t begin = 0;
  std::int64_t end = 0;                 ///< behind the last
  std::vector<double> perplexity = {};  ///< as trained, then of the controls
};

struct PerplexityReport {
  std::string model;
  std::string weights_sha256;
  std::string treble_version;
  std::string prompt;  ///< as to_string
  std::int64_t tokens = 0;
  std::vector<std::string> states;      ///< as trained, then the controls
  std::vector<PerplexityRange> ranges;  ///< each twice as long as the one before it, from 1 token on
};

/// Throws what `passkey` throws.
TREBLE_API PerplexityReport perplexity_by_position(const SentenceEncoder& encoder,
                                                   const PerplexityOptions& options = {});

/// "kind": "passkey"; docs/state.md describes it.
TREBLE_API std::string to_json(const PasskeyReport& report);
/// "kind": "perplexity".
TREBLE_API std::string to_json(const PerplexityReport& report);
/// For the terminal: a map a control, shares of right answers in percent.
TREBLE_API std::string to_table(const PasskeyReport& report);
/// For the terminal.
TREBLE_API std::string to_table(const PerplexityReport& report);

}  // namespace treble
