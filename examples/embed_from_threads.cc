// One model for many threads: each embeds a part of the texts straight into one common matrix, and Ctrl-C or a first
// error stops all of them.
//
//   embed_from_threads MODEL_FOLDER [THREADS]
#include <treble/treble.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

/// The first error of several threads; it asks the others to stop.
class FirstError {
 public:
  void set(std::exception_ptr error) {
    const std::scoped_lock lock(mutex_);
    if (!error_) error_ = std::move(error);
    stop_.request_stop();
  }
  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }
  std::stop_token stop() const { return stop_.get_token(); }

 private:
  std::mutex mutex_;
  std::stop_source stop_;
  std::exception_ptr error_;
};

/// Texts [first, end) into their rows of the matrix.
struct Part {
  std::span<const std::string_view> texts;
  std::span<float> rows;
};

void embed(const treble::SentenceEncoder& encoder, const Part& part, FirstError& error) {
  try {
    treble::EncodeOptions options;
    options.stop = error.stop();
    encoder.encode_into(part.texts, part.rows, options);
  } catch (...) {
    error.set(std::current_exception());
  }
}

int run(const char* model, int num_threads) {
  const auto encoder = treble::SentenceEncoder::load({.model = model});
  std::vector<std::string> texts;
  for (int i = 0; i < 200; ++i) texts.push_back("Text number " + std::to_string(i) + " of the corpus.");
  const std::vector<std::string_view> views(texts.begin(), texts.end());

  const auto dim = static_cast<std::size_t>(encoder.output_dim());
  std::vector<float> matrix(views.size() * dim);
  FirstError error;
  {
    std::vector<std::jthread> threads;
    const std::size_t share =
        (views.size() + static_cast<std::size_t>(num_threads) - 1) / static_cast<std::size_t>(num_threads);
    for (std::size_t first = 0; first < views.size(); first += share) {
      const std::size_t count = std::min(share, views.size() - first);
      const Part part{std::span(views).subspan(first, count), std::span(matrix).subspan(first * dim, count * dim)};
      threads.emplace_back([&encoder, &error, part] { embed(encoder, part, error); });
    }
  }
  error.rethrow();
  std::printf("%zu vectors of %zu dimensions from %d threads\n", views.size(), dim, num_threads);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const int num_threads = argc == 3 ? std::atoi(argv[2]) : 4;
  if (argc < 2 || argc > 3 || num_threads < 1) {
    std::fprintf(stderr, "usage: embed_from_threads MODEL_FOLDER [THREADS]\n");
    return 64;
  }
  try {
    return run(argv[1], num_threads);
  } catch (const treble::Error& error) {
    std::fprintf(stderr, "embed_from_threads: %s\n", error.what());
    return treble::mapping(error.code()).exit_code;
  }
}
