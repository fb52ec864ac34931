// What `treble sweep` does once its options are read.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <utility>

#include "evaluation/beir.h"
#include "fail.h"
#include "file_roles.h"
#include "interrupt.h"
#include "progress.h"
#include "read_texts.h"
#include "standard_streams.h"
#include "sweep_command.h"
#include "sweep_notes.h"
#include "sweep_report.h"

namespace treble::cli {

namespace {

/// Words a text must have to be cut in halves.
constexpr std::size_t kLeastWords = 30;

}  // namespace

class SweepCommand::Run {
 public:
  explicit Run(const SweepCommand& command) : command_(command), tried_(command.settings()), interrupts_(stop_, true) {}

  void run();

 private:
  void load();
  std::unique_ptr<SweepTask> open_task();
  std::unique_ptr<SweepTask> open_retrieval(RetrievalData data);
  std::unique_ptr<SweepTask> open_pairs();
  SweepTaskOptions task_options() const;
  /// Tries every setting; those that these texts cannot be fitted with are left out.
  void try_settings(SweepTask& task);
  void judge(const SweepTask& task);
  /// Called with every lot of texts that was encoded.
  void note_encoded(std::size_t texts);
  void check_stop() const;

  const SweepCommand& command_;
  std::vector<SweepSetting> tried_;
  StopSignal stop_;
  InterruptHandler interrupts_;
  WorkProgress progress_;
  std::size_t encoded_ = 0;
  std::size_t to_encode_ = 1;
  std::size_t texts_ = 0;
  std::vector<SentenceEncoder> encoders_;
  std::unique_ptr<CachedEncoder> cached_;
  SweepReport report_;
};

void SweepCommand::Run::load() {
  for (const Variant& variant : command_.variants()) {
    ModelArguments arguments = command_.model_;
    arguments.options = variant.options;
    // The forms are of one model, so its warnings are said once.
    encoders_.push_back(encoders_.empty() ? arguments.load() : SentenceEncoder::load(arguments.options));
  }
  std::vector<const SentenceEncoder*> forms;
  for (const SentenceEncoder& encoder : encoders_) forms.push_back(&encoder);
  cached_ = std::make_unique<CachedEncoder>(std::move(forms), command_.encode_.resolve(), VectorCache(command_.cache_),
                                            [this](std::size_t texts) { note_encoded(texts); });
  const ModelInfo& model = encoders_.front().info();
  report_.model = model.name;
  report_.provenance = describe_vectors(encoders_.front(), command_.encode_.resolve());
  const auto forms_tried = command_.variants();
  for (std::size_t form = 1; form < encoders_.size(); ++form) {
    report_.form_provenance[forms_tried[form].name] = describe_vectors(encoders_[form], command_.encode_.resolve());
  }
  report_.similarity = command_.similarity_.empty() ? to_string(model.similarity) : command_.similarity_;
}

void SweepCommand::Run::note_encoded(std::size_t texts) {
  encoded_ += texts;
  progress_.update("encoding", static_cast<std::int64_t>(std::min(encoded_, to_encode_)),
                   static_cast<std::int64_t>(to_encode_));
  check_stop();
}

void SweepCommand::Run::check_stop() const {
  if (!stop_.requested()) return;
  if (command_.cache_.empty()) {
    fail(ErrorCode::interrupted,
         "stopped, and nothing is kept; with --cache DIR the same command would go on from here");
  }
  fail(ErrorCode::interrupted,
       "stopped with {} of {} settings encoded: {} vectors are kept in {}, and the same "
       "command goes on from there",
       report_.settings.size(), tried_.size(), grouped(static_cast<std::int64_t>(encoded_)), command_.cache_);
}

SweepTaskOptions SweepCommand::Run::task_options() const {
  return {.data = command_.data_,
          .side = command_.side_ == "query"      ? SweepSide::query
                  : command_.side_ == "document" ? SweepSide::document
                                                 : SweepSide::both,
          .prompts = command_.prompts_,
          .similarity = parse_similarity(report_.similarity),
          .folds = command_.held_out_};
}

std::unique_ptr<SweepTask> SweepCommand::Run::open_retrieval(RetrievalData data) {
  report_.notes = notes_on(data, command_.ignore_identical_ids_);
  report_.queries_apart = data.counts.queries_apart;
  if (!command_.ignore_identical_ids_) data.same_id.clear();
  texts_ = data.queries.size() + data.documents.size();
  return make_retrieval_task(std::move(data), *cached_, task_options());
}

std::unique_ptr<SweepTask> SweepCommand::Run::open_pairs() {
  const SweepPrompts& prompts = command_.prompts_;
  if (command_.side_ != "both") {
    fail(ErrorCode::invalid_argument, "--side {}: pairs have no queries and documents; leave it out", command_.side_);
  }
  for (const SweepPrompt& prompt : {prompts.query, prompts.document}) {
    if (!prompt.name && !prompt.text) continue;
    fail(ErrorCode::invalid_argument,
         "{} holds pairs, which have no queries and documents; use --prompt or --prompt-name for all texts",
         command_.data_);
  }
  PairData pairs = read_pairs(command_.data_);
  texts_ = 2 * pairs.scores.size();
  return make_pair_task(std::move(pairs), *cached_, task_options());
}

std::unique_ptr<SweepTask> SweepCommand::Run::open_task() {
  const bool folder = !command_.unlabelled_ && std::filesystem::is_directory(command_.data_);
  if (command_.ignore_identical_ids_ && !folder) {
    fail(ErrorCode::invalid_argument,
         "--ignore-identical-ids: {} has no ids of queries and documents; it is for BEIR "
         "folders",
         command_.data_);
  }
  report_.labelled = !command_.unlabelled_;
  if (command_.unlabelled_) {
    return open_retrieval(
        halves_of(read_sample(command_.data_, command_.sample_, command_.held_out_.seed), kLeastWords));
  }
  if (folder) return open_retrieval(read_beir(command_.data_, command_.split_));
  if (is_reranking(command_.data_)) return open_retrieval(read_reranking(command_.data_));
  return open_pairs();
}

void SweepCommand::Run::try_settings(SweepTask& task) {
  const auto encoded = std::count_if(tried_.begin(), tried_.end(), [](const SweepSetting& s) { return !s.post; });
  to_encode_ = std::max<std::size_t>(1, texts_ * static_cast<std::size_t>(encoded));
  progress_.update("encoding", 0, static_cast<std::int64_t>(to_encode_));
  for (const SweepSetting& setting : tried_) {
    try {
      task.add(setting);
      report_.settings.push_back(setting);
    } catch (const Error& error) {
      // A step that these texts cannot be fitted with is no reason to lose the rest, unless it was asked for.
      if (error.code() == ErrorCode::interrupted || !setting.post || !command_.posts_.empty()) throw;
      report_.left_out.push_back(setting.name() + ": " + error.what());
    }
    check_stop();
  }
  progress_.clear();
}

void SweepCommand::Run::judge(const SweepTask& task) {
  try {
    fill_report(report_, task, {command_.edges_, command_.held_out_, [this] { check_stop(); }});
  } catch (const Error& error) {
    if (error.code() != ErrorCode::invalid_argument) throw;
    fail(error.code(), "{}: {}", command_.data_, error.what());
  }
}

void SweepCommand::Run::run() {
  command_.check_output();
  load();
  const auto task = open_task();
  for (const std::string& note : report_.notes) say("treble: warning: {}\n", note);
  // Before the long work: what cannot be judged need not be encoded.
  if (task->items() < 2 * static_cast<std::size_t>(command_.held_out_.folds)) {
    fail(ErrorCode::invalid_argument, "{}: {} items cannot be divided into {} folds of at least 2; give more data",
         command_.data_, task->items(), command_.held_out_.folds);
  }
  try_settings(*task);
  report_.data = command_.data_;
  report_.side = command_.side_;
  const ModelInfo& model = encoders_.front().info();
  report_.query_prompt = prompt_in_force(command_.prompts_.query, model, command_.encode_.options);
  report_.document_prompt = prompt_in_force(command_.prompts_.document, model, command_.encode_.options);
  report_.ignores_identical_ids = command_.ignore_identical_ids_;
  judge(*task);
  command_.output_.write(sweep_json(report_), sweep_verdict(report_) + "\n\n" + sweep_table(report_));
}

void SweepCommand::check_output() const {
  FileRoles roles;
  roles.reads(data_, "DATA");
  std::error_code error;
  for (const char* folder : {"", "qrels"}) {
    // Of a BEIR folder; reports may well lie beside its files.
    for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(data_) / folder, error)) {
      const std::string name = entry.path().filename().string();
      if (*folder != '\0' || name.starts_with("corpus.") || name.starts_with("queries.")) {
        roles.reads(entry.path().string(), "DATA");
      }
    }
  }
  roles.reads_model(model_.options.model);
  for (const std::string& temperature : temperatures_) roles.reads_temperature(temperature);
  if (cache_ == "-") fail(ErrorCode::invalid_argument, "--cache is a folder, and cannot be stdout");
  output_.check(std::move(roles));
}

int SweepCommand::run() const {
  try {
    Run(*this).run();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::interrupted) throw;
    say("treble: {}\n", error.what());
    return mapping(error.code()).exit_code;
  }
  return 0;
}

}  // namespace treble::cli
