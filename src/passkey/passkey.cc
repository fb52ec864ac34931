#include "treble/passkey.h"

#include <algorithm>
#include <atomic>
#include <cctype>
#include <mutex>
#include <random>
#include <thread>

#include "base/fail.h"
#include "base/stop.h"
#include "engine/language_model.h"
#include "treble/version.h"

namespace treble {

using namespace internal;

namespace {

constexpr const char* kPasskeyField = "PasskeyOptions::prompt.passkey";
/// Of the map, where nobody asks for another number.
constexpr std::int64_t kRows = 10;

/// The parts of the prompts as tokens.
struct Parts {
  std::vector<std::int32_t> prefix;
  std::vector<std::int32_t> filler;
  std::vector<std::int32_t> question;
};

std::string replace_all(std::string text, std::string_view what, std::string_view by) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) {
    text.replace(at, what.size(), by);
  }
  return text;
}

std::string without_white_space(std::string text) {
  std::erase_if(text, [](unsigned char letter) { return std::isspace(letter) != 0; });
  return text;
}

void check_range(const char* name, std::int64_t value, std::int64_t min, std::int64_t max) {
  if (value >= min && value <= max) return;
  fail(ErrorCode::invalid_argument, "PasskeyOptions::{} is {}, it must be between {} and {}", name, value, min, max);
}

std::int64_t rows_of(const PasskeyOptions& options) { return options.rows.value_or(std::min(kRows, options.samples)); }

/// All prompts of one control.
class Prompts {
 public:
  Prompts(const LanguageModel& model, const PasskeyOptions& options, const Parts& parts, const StateControl& control,
          const std::function<void()>& step)
      : model_(model), options_(options), parts_(parts), control_(control), step_(step) {}

  PasskeyColumn run(std::int64_t length) const {
    PasskeyColumn column;
    column.length = length;
    column.fillers = fillers(length);
    const std::int64_t rows = rows_of(options_);
    column.right.resize(static_cast<std::size_t>(rows));
    column.samples.resize(static_cast<std::size_t>(rows));
    std::vector<char> right(static_cast<std::size_t>(options_.samples));
    const std::int64_t shares = std::min<std::int64_t>(model_.threads(), options_.samples);
    model_.for_each(shares, [&](std::int64_t share, int worker) {
      answer(worker, column.fillers, options_.samples * share / shares, options_.samples * (share + 1) / shares, right);
    });
    for (std::int64_t sample = 0; sample < options_.samples; ++sample) {
      const auto row = static_cast<std::size_t>(sample * rows / options_.samples);
      column.right[row] += right[static_cast<std::size_t>(sample)] != 0 ? 1 : 0;
      ++column.samples[row];
    }
    column.tokens = std::ssize(parts_.prefix) + (column.fillers - 1) * std::ssize(parts_.filler) +
                    std::ssize(passkey(key(0))) + std::ssize(parts_.question);
    return column;
  }

 private:
  std::int64_t fillers(std::int64_t length) const {
    return (length - std::ssize(parts_.prefix) - std::ssize(parts_.question)) / std::ssize(parts_.filler);
  }

  /// The same for every control and length.
  std::string key(std::int64_t sample) const {
    std::mt19937_64 random(options_.seed * 1'000'003 + static_cast<std::uint64_t>(sample));
    std::string digits;
    while (std::ssize(digits) < options_.digits) digits += static_cast<char>('0' + random() % 10);
    return digits;
  }

  std::vector<std::int32_t> passkey(const std::string& key) const {
    return model_.tokenize(replace_all(options_.prompt.passkey, "{key}", key), kPasskeyField);
  }

  /// Samples [begin, end): deeper and deeper, so that what stands before the passkey is read once. Where the text is
  /// cut does not depend on the share, so the answers do not depend on the number of threads.
  void answer(int worker, std::int64_t count, std::int64_t begin, std::int64_t end, std::vector<char>& right) const {
    Reading before;
    model_.read(worker, control_, parts_.prefix, before);
    std::int64_t at = 0;
    for (std::int64_t sample = 0; sample < end; ++sample) {
      check_stop(options_.stop, "passkey");
      const double depth = (static_cast<double>(sample) + 0.5) / static_cast<double>(options_.samples);
      const auto place = static_cast<std::int64_t>(depth * static_cast<double>(count - 1));
      model_.read(worker, control_, repeated(place - at), before);
      at = place;
      if (sample < begin) continue;
      right[static_cast<std::size_t>(sample)] = ask(worker, before, count - 1 - place, key(sample)) ? 1 : 0;
      step_();
    }
  }

  std::vector<std::int32_t> repeated(std::int64_t times) const {
    std::vector<std::int32_t> ids;
    for (std::int64_t i = 0; i < times; ++i) ids.insert(ids.end(), parts_.filler.begin(), parts_.filler.end());
    return ids;
  }

  bool ask(int worker, Reading reading, std::int64_t fillers_after, const std::string& key) const {
    std::vector<std::int32_t> rest = passkey(key);
    const auto after = repeated(fillers_after);
    rest.insert(rest.end(), after.begin(), after.end());
    rest.insert(rest.end(), parts_.question.begin(), parts_.question.end());
    model_.read(worker, control_, rest, reading);
    const auto answer = model_.decode(model_.go_on(worker, control_, options_.new_tokens, reading));
    return without_white_space(answer).find(key) != std::string::npos;
  }

  const LanguageModel& model_;
  const PasskeyOptions& options_;
  const Parts& parts_;
  const StateControl& control_;
  const std::function<void()>& step_;
};

/// Counts prompts; reports on the thread that made the call.
class Steps {
 public:
  Steps(const PasskeyOptions& options, std::int64_t total) : options_(options), total_(total) { report(); }

  void add() {
    ++done_;
    if (std::this_thread::get_id() == caller_) report();
  }

 private:
  void report() const {
    if (options_.progress) options_.progress({"passkey", done_, total_});
  }

  const PasskeyOptions& options_;
  std::int64_t total_;
  std::thread::id caller_ = std::this_thread::get_id();
  std::atomic<std::int64_t> done_ = 0;
};

void check_options(const PasskeyOptions& options) {
  check_range("samples", options.samples, 1, 1'000'000);
  check_range("rows", rows_of(options), 1, options.samples);
  check_range("digits", options.digits, 1, 18);
  check_range("new_tokens", options.new_tokens, 1, 1000);
  if (options.prompt.passkey.find("{key}") == std::string::npos) {
    fail(ErrorCode::invalid_argument, "PasskeyOptions::prompt.passkey \"{:.100}\" has no {{key}}",
         options.prompt.passkey);
  }
}

std::vector<std::int64_t> lengths_of(const LanguageModel& model, const PasskeyOptions& options, const Parts& parts) {
  std::vector<std::int64_t> lengths = options.lengths;
  if (lengths.empty()) lengths = {256, 512, 1024, 2048, 4096, 8192};
  const auto min = std::ssize(parts.prefix) + std::ssize(parts.filler) + std::ssize(parts.question);
  for (const std::int64_t length : lengths) {
    if (length > model.max_tokens()) {
      fail(ErrorCode::invalid_argument, "PasskeyOptions::lengths has {}, a prompt may have up to {} tokens", length,
           model.max_tokens());
    }
    if (length >= min) continue;
    fail(ErrorCode::invalid_argument,
         "PasskeyOptions::lengths has {}; prefix, one filler and question are {} tokens long together, a prompt cannot "
         "be "
         "shorter",
         length, min);
  }
  return lengths;
}

Parts parts_of(const LanguageModel& model, const PasskeyPrompt& prompt) {
  Parts parts{model.tokenize(prompt.prefix, "PasskeyOptions::prompt.prefix"),
              model.tokenize(prompt.filler, "PasskeyOptions::prompt.filler"),
              model.tokenize(prompt.question, "PasskeyOptions::prompt.question")};
  // What is wrong with it shows before the first prompt is read.
  model.tokenize(prompt.passkey, kPasskeyField);
  for (const auto& [name, part] : {std::pair("filler", &parts.filler), std::pair("question", &parts.question)}) {
    if (part->empty()) fail(ErrorCode::invalid_argument, "PasskeyOptions::prompt.{} has no tokens", name);
  }
  return parts;
}

}  // namespace

PasskeyReport passkey(const SentenceEncoder& encoder, const PasskeyOptions& options) {
  check_options(options);
  const LanguageModel model(encoder);
  const Parts parts = parts_of(model, options.prompt);
  const auto lengths = lengths_of(model, options, parts);
  std::vector<StateControl> controls = {{}};
  controls.insert(controls.end(), options.controls.begin(), options.controls.end());
  for (const StateControl& control : controls) control.check_fits(encoder.info().num_layers, encoder.info().num_heads);
  PasskeyReport report{.model = encoder.info().name,
                       .weights_sha256 = encoder.weights_sha256(),
                       .treble_version = std::string(version()),
                       .samples = options.samples,
                       .digits = options.digits,
                       .new_tokens = options.new_tokens,
                       .seed = options.seed,
                       .prompt = options.prompt,
                       .maps = {}};
  Steps steps(options, options.samples * std::ssize(lengths) * std::ssize(controls));
  const std::function<void()> step = [&] { steps.add(); };
  for (const StateControl& control : controls) {
    PasskeyMap map{control.to_string(), {}};
    const Prompts prompts(model, options, parts, control, step);
    for (const std::int64_t length : lengths) map.columns.push_back(prompts.run(length));
    report.maps.push_back(std::move(map));
  }
  return report;
}

}  // namespace treble
