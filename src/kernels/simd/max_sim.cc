// MaxSim: checks, packed queries, and the kernel by instruction set at run time (Highway).
#include "kernels/max_sim.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "base/fail.h"
#include "kernels/simd/choose_target.h"
#include "kernels/simd/max_sim_block.h"
#include "tensor/aligned_buffer.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/max_sim.cc"
#include <hwy/foreach_target.h>
// Highway wants to come after foreach_target.h.
#include <hwy/highway.h>

#include "kernels/simd/max_sim-inl.h"

#if HWY_ONCE
namespace treble::internal {

namespace simd {
HWY_EXPORT(MaxSimOfBlock);
HWY_EXPORT(AllFinite);

// The tables of functions can only be named from the namespace that exports them.
auto all_finite() {
  choose_target();
  return &HWY_DYNAMIC_DISPATCH(AllFinite);
}

auto max_sim_of_block() {
  choose_target();
  return &HWY_DYNAMIC_DISPATCH(MaxSimOfBlock);
}
}  // namespace simd

namespace {

/// Rows of documents that a thread takes at a time, so that short documents do not cost a step each.
constexpr std::int64_t kRowsAtATime = 1024;

void check_sequences(const VectorSequences& sequences, const char* what) {
  const auto& offsets = sequences.offsets;
  const bool whole = !offsets.empty() && offsets.front() == 0 && std::is_sorted(offsets.begin(), offsets.end()) &&
                     offsets.back() == sequences.rows.rows;
  if (!whole) fail(ErrorCode::internal, "MaxSim: the offsets of {} do not divide {} rows", what, sequences.rows.rows);
}

/// All queries' vectors in blocks, transposed; zeros behind the last.
class PackedQueries {
 public:
  explicit PackedQueries(const ConstMatrixView& rows)
      : dim_(static_cast<std::size_t>(rows.cols)),
        blocks_((static_cast<std::size_t>(rows.rows) + simd::kMaxSimQueries - 1) / simd::kMaxSimQueries) {
    float* to = values_.ensure(std::max<std::size_t>(blocks_ * dim_ * simd::kMaxSimQueries, 1));
    std::fill_n(to, blocks_ * dim_ * simd::kMaxSimQueries, 0.0F);
    for (std::int64_t row = 0; row < rows.rows; ++row) {
      const auto r = static_cast<std::size_t>(row);
      float* column = to + r / simd::kMaxSimQueries * dim_ * simd::kMaxSimQueries + r % simd::kMaxSimQueries;
      for (std::size_t c = 0; c < dim_; ++c) column[c * simd::kMaxSimQueries] = rows.row(row)[c];
    }
  }

  std::size_t blocks() const noexcept { return blocks_; }
  const float* block(std::size_t index) const { return values_.data() + index * dim_ * simd::kMaxSimQueries; }

 private:
  std::size_t dim_;
  std::size_t blocks_;
  AlignedBuffer<float> values_;
};

/// Documents [ranges[i], ranges[i + 1]) have about kRowsAtATime rows.
std::vector<std::int64_t> document_ranges(std::span<const std::int64_t> offsets) {
  std::vector<std::int64_t> ranges = {0};
  for (std::size_t document = 1; document + 1 < offsets.size(); ++document) {
    const std::int64_t first = offsets[static_cast<std::size_t>(ranges.back())];
    if (offsets[document + 1] - first > kRowsAtATime) ranges.push_back(static_cast<std::int64_t>(document));
  }
  ranges.push_back(static_cast<std::int64_t>(offsets.size()) - 1);
  return ranges;
}

}  // namespace

void max_sim(const Execution& execution, const VectorSequences& queries, const VectorSequences& documents,
             MatrixView scores) {
  check_sequences(queries, "queries");
  check_sequences(documents, "documents");
  if (queries.rows.cols != documents.rows.cols || scores.rows != queries.count() || scores.cols != documents.count()) {
    fail(ErrorCode::internal, "MaxSim: {} queries of {}, {} documents of {} dimensions, scores [{}, {}]",
         queries.count(), queries.rows.cols, documents.count(), documents.rows.cols, scores.rows, scores.cols);
  }
  if (scores.rows == 0 || scores.cols == 0) return;
  const PackedQueries packed(queries.rows);
  const auto ranges = document_ranges(documents.offsets);
  const auto kernel = simd::max_sim_of_block();
  const auto score_document = [&](std::int64_t document, float* maxima) {
    const std::int64_t first = documents.offsets[static_cast<std::size_t>(document)];
    const std::int64_t end = documents.offsets[static_cast<std::size_t>(document) + 1];
    const float* rows = first == end ? nullptr : documents.rows.row(first);
    for (std::size_t block = 0; block < packed.blocks(); ++block) {
      kernel({.queries = packed.block(block),
              .rows = rows,
              .stride = static_cast<std::size_t>(documents.rows.stride),
              .count = static_cast<std::size_t>(end - first),
              .dim = static_cast<std::size_t>(documents.rows.cols),
              .maxima = maxima + block * simd::kMaxSimQueries});
    }
    for (std::int64_t query = 0; query < queries.count(); ++query) {
      // In double: hundreds of terms of about one, of which ranks hang on the last digits.
      double sum = 0;
      const auto q = static_cast<std::size_t>(query);
      for (std::int64_t row = queries.offsets[q]; row < queries.offsets[q + 1]; ++row) sum += double{maxima[row]};
      scores.row(query)[document] = static_cast<float>(sum);
    }
  };
  execution.for_each(static_cast<std::int64_t>(ranges.size()) - 1, [&](std::int64_t range, int worker) {
    float* maxima = execution.scratch(worker).attention.ensure(packed.blocks() * simd::kMaxSimQueries);
    const auto r = static_cast<std::size_t>(range);
    for (std::int64_t document = ranges[r]; document < ranges[r + 1]; ++document) score_document(document, maxima);
  });
}

bool all_finite(const Execution& execution, std::span<const float> values) {
  constexpr std::int64_t kValuesAtATime = std::int64_t{1} << 16;
  const auto kernel = simd::all_finite();
  std::atomic<bool> finite = true;
  execution.for_ranges(std::ssize(values), kValuesAtATime, [&](std::int64_t begin, std::int64_t end, int) {
    if (!kernel(values.data() + begin, static_cast<std::size_t>(end - begin))) finite = false;
  });
  return finite;
}

}  // namespace treble::internal
#endif  // HWY_ONCE
