#include "rerank_command.h"

#include <algorithm>
#include <utility>

#include "fail.h"
#include "help_formatter.h"
#include "input/line_reader.h"
#include "interrupt.h"
#include "json.h"
#include "progress.h"
#include "rerank_output.h"
#include "standard_streams.h"

namespace treble::cli {

namespace {

constexpr const char* kRerankExamples =
    R"(Takes cross-encoders: models that read a query and a text together and give a score (…ForSequenceClassification,
sentence-transformers' CrossEncoder). Inputs are those of `treble embed`; all texts are held in memory. A model of several
labels gives no order: its texts keep theirs.

--pairs: a JSON object a line, {"query": …, "text": …} or {"query": …, "texts": […]}. Single pairs keep their order; the texts
of a list are ranked. "document" and "documents" mean the same.

-o: a line with model, temperature and options, then an object a text, with index, id, score and token counts.

Examples:
  export TREBLE_MODEL=models/ms-marco-MiniLM-L6-v2
  treble rerank --query "When does the ferry leave?" corpus.jsonl --top 10
  treble rerank -t 0.8 --query "opening hours" notes/
  treble rerank --pairs pairs.jsonl -o scores.jsonl
  treble rerank --raw-scores --pairs pairs.jsonl -o -)";

const Json* member(const Json& object, const char* key, const char* other) {
  for (const char* name : {key, other}) {
    if (const auto found = object.find(name); found != object.end()) return &*found;
  }
  return nullptr;
}

[[noreturn]] void fail_pair(const Place& place, const char* what) {
  fail(ErrorCode::invalid_file,
       "{}:{}: {}; a line is {{\"query\": …, \"text\": …}} or {{\"query\": …, \"texts\": […]}}", *place.file,
       place.line, what);
}

std::string text_in(const Json& value, const Place& place) {
  if (!value.is_string()) fail_pair(place, "what is to be scored must be strings");
  return value.get<std::string>();
}

RerankRequest parse_request(const std::string& line, const Place& place) {
  const Json json = parse_json_text(line);
  if (!json.is_object()) fail_pair(place, "not a JSON object in UTF-8");
  const Json* query = member(json, "query", "query");
  const Json* text = member(json, "text", "document");
  const Json* texts = member(json, "texts", "documents");
  if (query == nullptr) fail_pair(place, "there is no \"query\"");
  if ((text == nullptr) == (texts == nullptr)) fail_pair(place, R"(there must be one of "text" and "texts")");
  RerankRequest request{text_in(*query, place), {}, {}, texts != nullptr};
  if (text != nullptr) {
    request.texts.push_back(text_in(*text, place));
  } else {
    if (!texts->is_array()) fail_pair(place, "\"texts\" must be a list");
    for (const Json& one : *texts) request.texts.push_back(text_in(one, place));
  }
  const Json* id = member(json, "id", "_id");
  request.ids.assign(request.texts.size(), id == nullptr || request.ranked ? std::string() : dump(*id, -1));
  return request;
}

std::vector<RerankRequest> read_pairs(const std::string& path) {
  LineReader reader(path);
  std::vector<RerankRequest> requests;
  for (std::string line; reader.next(line);) {
    if (line.find_first_not_of(" \t\r\n") == std::string::npos) continue;
    requests.push_back(parse_request(line, reader.place()));
  }
  return requests;
}

/// One call for all requests, so that every thread has work.
std::vector<RerankResult> score_all(const Reranker& reranker, const std::vector<RerankRequest>& requests,
                                    const RerankOptions& options, std::optional<std::int64_t> top) {
  std::vector<TextPair> pairs;
  for (const RerankRequest& request : requests) {
    for (const std::string& text : request.texts) pairs.push_back({request.query, text});
  }
  const Scores all = reranker.score(pairs, options);
  std::vector<RerankResult> results;
  std::size_t begin = 0;
  for (const RerankRequest& request : requests) {
    const std::size_t count = request.texts.size();
    const auto labels = static_cast<std::size_t>(all.num_labels);
    const auto values = std::span(all.values).subspan(begin * labels, count * labels);
    const auto counts = std::span(all.token_counts).subspan(begin, count);
    results.push_back(in_order(request,
                               {.count = static_cast<std::int64_t>(count),
                                .num_labels = all.num_labels,
                                .values = {values.begin(), values.end()},
                                .token_counts = {counts.begin(), counts.end()}},
                               top));
    begin += count;
  }
  return results;
}

}  // namespace

void RerankCommand::add_to(CLI::App& app) {
  command_ = app.add_subcommand("rerank", "Order texts by a cross-encoder's score for a query");
  const std::string group = "Rerank";
  auto* query =
      command_->add_option("--query", query_, "What the texts are scored for")->type_name("TEXT")->group(group);
  command_
      ->add_option("--pairs", pairs_, "JSONL of queries with their texts, in place of --query and INPUT; - is stdin")
      ->type_name("FILE")
      ->excludes(query)
      ->group(group);
  command_->add_option("--top", top_, "Show the first N texts of each query only [all]")
      ->type_name("N")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 20))
      ->group(group);
  command_->add_flag("--raw-scores", raw_scores_, "The model's logits, without its activation (sigmoid for most)")
      ->group(group);
  command_
      ->add_option("-t,--temperature", temperature_,
                   "Of attention: 0.8, log:N0, ssmax:S[,B], yarn:N0 or a profile; below 1 sharpens, 1 is the model as "
                   "trained [1]")
      ->type_name("T")
      ->group(group);
  command_->add_option("-o,--output", output_, "Write JSONL to this file instead of a table; - is stdout")
      ->type_name("FILE")
      ->group(group);
  command_->add_flag("--force", force_, "Replace an output that exists")->group(group);
  command_->add_flag("-q,--quiet", quiet_, "Say nothing but errors")->group(group);
  model_.add_to(*command_);
  encode_.add_reading_to(*command_, "Reading");
  input_.add_to(*command_);
  command_->footer(kRerankExamples);
}

void RerankCommand::check_given() const {
  if (pairs_.empty() && !query_) {
    fail(ErrorCode::invalid_argument,
         "no query: give one with --query TEXT, or queries with their texts with --pairs FILE");
  }
  if (pairs_.empty()) return input_.check_given();
  if (!input_.inputs.empty()) {
    fail(ErrorCode::invalid_argument, "--pairs brings the texts with it; {} would not be read", input_.inputs.front());
  }
}

void RerankCommand::check_output(FileRoles roles) const {
  roles.reads(pairs_, "--pairs");
  roles.reads_model(model_.options.model);
  roles.reads_temperature(temperature_);
  roles.writes(as_json() ? output_ : "-", "-o");
  roles.check();
  if (!as_json() || output_ == "-") return check_stdout();
  check_writable(output_, force_ ? Existing::replace : Existing::refuse);
}

RerankOptions RerankCommand::resolve() const {
  RerankOptions options{.encode = encode_.resolve(), .activation = {}};
  options.encode.temperature = Temperature::parse(temperature_);
  if (raw_scores_) options.activation = ScoreActivation::identity;
  return options;
}

std::vector<RerankRequest> RerankCommand::read_requests() const {
  if (!pairs_.empty()) return read_pairs(pairs_);
  const InputPlan plan = input_.plan(quiet_);
  const auto source = open_inputs(plan, input_.resolve());
  RerankRequest request{query_.value_or(""), {}, {}, true};
  for (TextRecord record; source->next(record);) {
    request.texts.push_back(std::move(record.text));
    request.ids.push_back(std::move(record.id));
  }
  return {std::move(request)};
}

int RerankCommand::run() const {
  check_given();
  FileRoles roles;
  if (pairs_.empty()) roles.reads(input_.plan(true));
  check_output(std::move(roles));
  RerankOptions options = resolve();
  const InterruptHandler interrupts(!quiet_);
  const Reranker reranker = model_.load_reranker(quiet_);
  reranker.validate(options);
  const auto requests = read_requests();
  std::optional<WorkProgress> progress;
  if (!quiet_) progress.emplace();
  options.encode.stop = interrupts.token();
  options.encode.progress = [&progress](const Progress& p) {
    if (progress) progress->update(p);
  };
  const auto results = score_all(reranker, requests, options, top_);
  progress.reset();
  if (!quiet_) say("{}", cut_note(results, options.encode.max_length.value_or(reranker.info().max_length)));
  if (!as_json()) {
    print_out(rerank_table(requests, results, reranker.labels(), help_width()));
    return 0;
  }
  const std::string lines = rerank_jsonl(requests, results, reranker.labels(), provenance_json(reranker, options));
  if (output_ == "-") {
    print_out(lines);
    return 0;
  }
  write_whole_file(output_, lines, force_ ? Existing::replace : Existing::refuse);
  if (!quiet_) say("wrote {}\n", output_);
  return 0;
}

}  // namespace treble::cli
