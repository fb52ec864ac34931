// The field `precision` of the routes whose answer is vectors.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "api/embed_work.h"
#include "treble/precision.h"

namespace treble::server {

/// The fields that read_quantizer reads, beside those of read_encode_options.
std::vector<std::string_view> with_vector_fields(std::vector<std::string_view> fields);

/// `precision`, or `output_dtype` as Voyage's clients write it, for vectors under the job's options; int8 and uint8
/// with the ranges of the model. Throws ApiError{invalid_argument, unsupported}, Error.
std::shared_ptr<const Quantizer> read_quantizer(const JsonBody& body, const EmbedJob& job);

}  // namespace treble::server
