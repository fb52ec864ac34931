#include "embed_job.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fail.h"

namespace treble::cli {

namespace {

/// The engine counts texts from the start of a call: "text 3: …". People want to know which text of their input it was.
std::string with_place(std::string_view message, const Chunk& chunk, const InputPlan& plan) {
  constexpr std::string_view kPrefix = "text ";
  std::size_t row = 0;
  if (!message.starts_with(kPrefix)) return std::string(message);
  const char* begin = message.data() + kPrefix.size();
  const char* end = message.data() + message.size();
  const auto [after, error] = std::from_chars(begin, end, row);
  if (error != std::errc() || after == end || *after != ':' || row >= chunk.records.size()) return std::string(message);
  return fmt::format("{}: text {}{}", plan.place(chunk.records[row]),
                     chunk.first_index + static_cast<std::int64_t>(row),
                     std::string_view(after, static_cast<std::size_t>(end - after)));
}

Embeddings encode_chunk(const EmbedJob& job, const Chunk& chunk) {
  std::vector<std::string_view> texts;
  texts.reserve(chunk.records.size());
  for (const auto& record : chunk.records) texts.emplace_back(record.text);
  try {
    return job.encoder.encode(texts);
  } catch (const Error& error) {
    throw Error(error.code(), with_place(error.what(), chunk, job.plan));
  }
}

/// The next chunk; nothing at the end of the input and, with `stopped` set, after a stop.
std::optional<Chunk> next_chunk(const EmbedJob& job, bool& stopped) {
  stopped = job.stop.requested();
  if (stopped) return std::nullopt;
  try {
    return job.chunks.next();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::interrupted) throw;
    stopped = true;
    return std::nullopt;
  }
}

class EmbedLoop {
 public:
  EmbedLoop(const EmbedJob& job, EmbedResult& result) : job_(job), result_(result), start_(steady_seconds()) {
    result_.total = result_.before;
    result_.total.complete = false;
    progress_.total_bytes = job.plan.total_bytes;
  }

  void run() {
    job_.progress.update(progress_);
    while (const auto chunk = next_chunk(job_, result_.stopped)) embed(*chunk);
    result_.total.complete = !result_.stopped;
    job_.writer.checkpoint(result_.total);
    result_.seconds = steady_seconds() - start_;
    job_.progress.clear();
  }

 private:
  void embed(const Chunk& chunk) {
    const Embeddings embeddings = encode_chunk(job_, chunk);
    RunState state = result_.total;
    state.add(embeddings);
    state.replaced_characters = chunk.replaced;
    state.texts_sha256 = chunk.texts_sha256;
    job_.writer.write(chunk, embeddings);
    job_.writer.checkpoint(state);
    result_.total = std::move(state);
    result_.seconds = steady_seconds() - start_;
    show(chunk);
  }

  void show(const Chunk& chunk) {
    progress_.texts = result_.texts();
    progress_.tokens = result_.tokens_used();
    progress_.bytes_read = chunk.bytes_read;
    progress_.seconds = result_.seconds;
    job_.progress.update(progress_);
  }

  const EmbedJob& job_;
  EmbedResult& result_;
  double start_;
  ProgressState progress_;
};

}  // namespace

void run_embed_job(const EmbedJob& job, EmbedResult& result) {
  try {
    EmbedLoop(job, result).run();
  } catch (...) {
    job.progress.clear();
    job.writer.roll_back();
    throw;
  }
}

ChunkLimits choose_chunk_limits(const ModelInfo& model, std::optional<std::int64_t> chunk_texts) {
  // A token costs about 24 · layers · hidden² operations, and a core does very roughly 2e11 a second in float32; two
  // seconds of that. The bounds keep at least 8 batches of 512 tokens for each thread, and memory small.
  const double token_cost = 24.0 * static_cast<double>(model.num_layers) * static_cast<double>(model.hidden_size) *
                            static_cast<double>(model.hidden_size);
  const double tokens = std::clamp(4e11 / std::max(token_cost, 1.0), 4096.0, 32768.0) * std::max(1, model.threads);
  constexpr std::int64_t kBytesPerToken = 4;
  ChunkLimits limits;
  limits.texts = chunk_texts.value_or(std::int64_t{1} << 16);
  limits.work = static_cast<std::int64_t>(tokens) * kBytesPerToken;
  limits.text_work = std::max<std::int64_t>(model.max_length, 1) * 2 * kBytesPerToken;
  return limits;
}

}  // namespace treble::cli
