#include "outputs.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "arrays.h"
#include "encoder.h"
#include "options.h"
#include "texts.h"
#include "treble/outputs.h"
#include "treble/sparse.h"
#include "watch.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace treble::python {

namespace {

using Row = nb::ndarray<float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Ids = nb::ndarray<std::int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

/// Without a copy.
template <typename Number>
nb::ndarray<nb::numpy, Number, nb::ndim<1>> column(std::vector<Number> values) {
  auto* kept = new std::vector<Number>(std::move(values));
  const nb::capsule owner(kept, [](void* pointer) noexcept { delete static_cast<std::vector<Number>*>(pointer); });
  return {kept->data(), {kept->size()}, owner};
}

std::int64_t cut(const std::vector<TokenCount>& counts) {
  return std::count_if(counts.begin(), counts.end(), [](const TokenCount& one) { return one.used < one.tokens; });
}

nb::tuple sparse_tuple(SparseVectors sparse) {
  const Counts counts = counts_array(sparse.token_counts);
  const std::int64_t truncated = cut(sparse.token_counts);
  return nb::make_tuple(column(std::move(sparse.values)), column(std::move(sparse.indices)),
                        column(std::move(sparse.offsets)), nb::make_tuple(sparse.count, sparse.dim), counts, truncated);
}

nb::tuple multi_vector_tuple(MultiVectors vectors) {
  const Counts counts = counts_array(vectors.token_counts);
  const std::int64_t truncated = cut(vectors.token_counts);
  const auto rows = static_cast<std::size_t>(vectors.offsets.back());
  return nb::make_tuple(to_array(std::move(vectors.values), {rows, static_cast<std::size_t>(vectors.dim)}),
                        column(std::move(vectors.offsets)), counts, truncated);
}

/// {kind: of dense (vectors, counts, truncated), of sparse (data, indices, indptr, shape, counts, truncated),
/// of multi-vector (values, offsets, counts, truncated)}.
nb::dict encode(const Encoder& self, nb::handle texts, const std::vector<std::string>& kinds,
                const EncodeOptions& options, const std::optional<std::string>& role,
                std::optional<std::int64_t> max_active_dims, nb::handle progress) {
  const SentenceEncoder& encoder = self.get();
  std::vector<OutputKind> wanted;
  for (const std::string& kind : kinds) wanted.push_back(parse_output_kind(kind));
  Watch watch(progress);
  OutputOptions watched{.encode = options, .role = {}, .max_active_dims = max_active_dims};
  watched.encode.progress = watch.callback();
  if (role) watched.role = parse_text_role(*role);
  const Texts given(texts);
  Outputs outputs;
  {
    const nb::gil_scoped_release released;
    outputs = encode_outputs(encoder, given.views(), wanted, watched);
  }
  nb::dict result;
  if (outputs.dense) {
    Embeddings& dense = *outputs.dense;
    const Counts counts = counts_array(dense.token_counts);
    const std::int64_t truncated = cut(dense.token_counts);
    result["dense"] = nb::make_tuple(
        to_array(std::move(dense.values), {static_cast<std::size_t>(dense.count), static_cast<std::size_t>(dense.dim)}),
        counts, truncated);
  }
  if (outputs.multi_vector) result["multi-vector"] = multi_vector_tuple(std::move(*outputs.multi_vector));
  if (outputs.sparse) result["sparse"] = sparse_tuple(std::move(*outputs.sparse));
  return result;
}

std::vector<std::pair<std::string, float>> decode(const Encoder& self, const Ids& indices, const Row& values,
                                                  std::optional<std::int64_t> top_k) {
  const SparseRow row{.indices = {indices.data(), indices.size()}, .values = {values.data(), values.size()}};
  if (row.indices.size() != row.values.size()) {
    throw Error(ErrorCode::invalid_argument,
                std::to_string(row.indices.size()) + " ids for " + std::to_string(row.values.size()) + " weights");
  }
  std::vector<std::pair<std::string, float>> pairs;
  for (WeightedToken& token : decode_sparse(self.get(), row, top_k)) {
    pairs.emplace_back(std::move(token.token), token.weight);
  }
  return pairs;
}

}  // namespace

void bind_outputs(nb::module_& module) {
  module.def("encode_outputs", &encode, "encoder"_a, "texts"_a.none(), "kinds"_a, "options"_a, "role"_a = nb::none(),
             "max_active_dims"_a = nb::none(), "progress"_a = nb::none(),
             "Of each kind its arrays, token counts [count, 2] and how many texts were truncated; sparse ones as data, "
             "indices, indptr and shape, multi-vector ones as values and offsets.");
  module.def("decode_sparse", &decode, "encoder"_a, "indices"_a, "values"_a, "top_k"_a = nb::none(),
             "(token, weight) of a sparse row by descending weight.");
}

}  // namespace treble::python
