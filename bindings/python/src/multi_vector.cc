#include "multi_vector.h"

#include <cstdint>
#include <utility>
#include <vector>

#include "arrays.h"
#include "treble/multi_vector.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace treble::python {

namespace {

using VectorArray = nb::ndarray<float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Offsets = nb::ndarray<std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

MultiVectors multi_vectors(const VectorArray& values, const Offsets& offsets) {
  MultiVectors vectors;
  vectors.count = static_cast<std::int64_t>(offsets.size()) - 1;
  vectors.dim = static_cast<std::int64_t>(values.shape(1));
  vectors.offsets.assign(offsets.data(), offsets.data() + offsets.size());
  vectors.values.assign(values.data(), values.data() + values.size());
  return vectors;
}

auto scores(const VectorArray& queries, const Offsets& query_offsets, const VectorArray& documents,
            const Offsets& document_offsets, bool mean, int threads) {
  const MultiVectors left = multi_vectors(queries, query_offsets);
  const MultiVectors right = multi_vectors(documents, document_offsets);
  std::vector<float> result;
  {
    const nb::gil_scoped_release released;
    result = max_sim(left, right, {.mean = mean, .threads = threads});
  }
  return to_array(std::move(result), {static_cast<std::size_t>(left.count), static_cast<std::size_t>(right.count)});
}

}  // namespace

void bind_multi_vector(nb::module_& module) {
  module.def("max_sim", &scores, "queries"_a, "query_offsets"_a, "documents"_a, "document_offsets"_a, "mean"_a,
             "threads"_a, "[queries, documents]; vectors [n, dim] with the offsets of the texts.");
}

}  // namespace treble::python
