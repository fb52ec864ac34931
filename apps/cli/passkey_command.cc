#include "passkey_command.h"

#include "fail.h"
#include "file_roles.h"
#include "progress.h"

namespace treble::cli {

namespace {

constexpr const char* kPasskeyExamples =
    R"(A key of digits is hidden in a long text that repeats itself, the model is asked for it, and the map shows by length and
depth in how many prompts it knew. For Mamba-2 models with a language-model head; the untouched model is always measured
beside the controls given.

200 prompts of each length take a large model long; --samples 20 gives a first look.

Examples:
  treble passkey --model models/mamba2-130m-hf --lengths 512,2048 --samples 20
  treble passkey --model models/mamba2-130m-hf --lengths 512,2048 \
    --samples 20 --state window:1024 --state rri:0.9999,0.75 --html passkey.html
  treble passkey --model models/mamba2-130m-hf --perplexity newlines \
    --tokens 8192 --state window:1024)";

}  // namespace

void PasskeyCommand::add_to(CLI::App& app) {
  command_ = app.add_subcommand("passkey", "What a state-space model still knows of a long prompt");
  const std::string group = "Measure";
  command_
      ->add_option("--state", states_,
                   "A control of the state to compare: rri:A,B, window:R, norm:P or norm:FILE; may be repeated")
      ->type_name("CONTROL")
      ->take_all()
      ->allow_extra_args(false)
      ->group(group);
  command_->add_option("--lengths", options_.lengths, "Tokens of the prompts [256,512,1024,2048,4096,8192]")
      ->type_name("A,B,…")
      ->take_all()
      ->allow_extra_args(false)
      ->delimiter(',')
      ->group(group);
  command_->add_option("--samples", options_.samples, "Prompts of each length, the passkey deeper in each [200]")
      ->type_name("N")
      ->group(group);
  command_->add_option("--rows", options_.rows, "Rows of the map, at most --samples [10]")
      ->type_name("N")
      ->group(group);
  command_
      ->add_option("--perplexity", perplexity_,
                   "In place of passkeys: perplexity by position of a prompt of newlines, or of one sentence over and "
                   "over")
      ->type_name("newlines|sentence")
      ->check(CLI::IsMember({"newlines", "sentence"}))
      ->group(group);
  command_->add_option("--tokens", tokens_, "Of that prompt [8192]")->type_name("N")->group(group);
  output_.add_to(*command_, group);
  add_prompt_options();
  model_.add_to(*command_);
  command_->footer(kPasskeyExamples);
}

void PasskeyCommand::add_prompt_options() {
  const std::string group = "Prompt";
  command_->add_option("--prefix", options_.prompt.prefix, "What stands at the beginning")
      ->type_name("TEXT")
      ->group(group);
  command_->add_option("--filler", options_.prompt.filler, "What is repeated, and the sentence of --perplexity")
      ->type_name("TEXT")
      ->group(group);
  command_->add_option("--passkey", options_.prompt.passkey, "What stands in place of one filler; {key} is the key")
      ->type_name("TEXT")
      ->group(group);
  command_->add_option("--question", options_.prompt.question, "What stands at the end")
      ->type_name("TEXT")
      ->group(group);
  command_->add_option("--digits", options_.digits, "Of a key [5]")->type_name("N")->group(group);
  command_->add_option("--new-tokens", options_.new_tokens, "Tokens that the model may answer with [5]")
      ->type_name("N")
      ->group(group);
  command_->add_option("--seed", options_.seed, "Of the keys [0]")->type_name("N")->group(group);
}

void PasskeyCommand::check_options() const {
  if (perplexity_.empty()) {
    if (command_->count("--tokens") > 0) {
      fail(ErrorCode::invalid_argument, "--tokens is of --perplexity; prompts with passkeys have --lengths");
    }
    return;
  }
  for (const char* flag : {"--lengths", "--samples", "--rows", "--prefix", "--passkey", "--question", "--digits",
                           "--new-tokens", "--seed"}) {
    if (command_->count(flag) > 0) fail(ErrorCode::invalid_argument, "{} means nothing with --perplexity", flag);
  }
}

int PasskeyCommand::run() const {
  check_options();
  FileRoles roles;
  roles.reads_model(model_.options.model);
  output_.check(roles);
  std::vector<StateControl> controls;
  for (const std::string& text : states_) {
    auto control = StateControl::parse(text);
    if (!control.is_identity()) controls.push_back(std::move(control));
  }
  const SentenceEncoder encoder = model_.load();
  if (perplexity_.empty()) {
    find_passkeys(encoder, controls);
  } else {
    measure_perplexity(encoder, controls);
  }
  return 0;
}

void PasskeyCommand::find_passkeys(const SentenceEncoder& encoder, const std::vector<StateControl>& controls) const {
  PasskeyOptions options = options_;
  options.controls = controls;
  WorkProgress progress;
  options.progress = [&progress](const treble::Progress& p) { progress.update({p.stage, p.done, p.total}); };
  const PasskeyReport report = passkey(encoder, options);
  progress.clear();
  output_.write(to_json(report), to_table(report));
}

void PasskeyCommand::measure_perplexity(const SentenceEncoder& encoder,
                                        const std::vector<StateControl>& controls) const {
  PerplexityOptions options;
  options.prompt = perplexity_ == "newlines" ? RepetitivePrompt::newlines : RepetitivePrompt::sentence;
  options.tokens = tokens_;
  options.controls = controls;
  options.sentence = options_.prompt.filler;
  WorkProgress progress;
  options.progress = [&progress](const treble::Progress& p) { progress.update({p.stage, p.done, p.total}); };
  const PerplexityReport report = perplexity_by_position(encoder, options);
  progress.clear();
  output_.write(to_json(report), to_table(report));
}

}  // namespace treble::cli
