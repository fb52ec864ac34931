#include "api/precision_field.h"

#include <fmt/format.h>

#include <utility>

#include "treble/provenance.h"

namespace treble::server {

std::vector<std::string_view> with_vector_fields(std::vector<std::string_view> fields) {
  fields = with_encode_fields(std::move(fields));
  fields.insert(fields.end(), {"precision", "output_dtype"});
  return fields;
}

std::shared_ptr<const Quantizer> read_quantizer(const JsonBody& body, const EmbedJob& job) {
  const auto precision_name = body.text("precision");
  const auto voyage_name = body.text("output_dtype");
  const char* field = precision_name ? "precision" : "output_dtype";
  if (precision_name && voyage_name && *precision_name != *voyage_name) {
    throw ApiError("invalid_argument", "`precision` and `output_dtype` mean the same; give one of them", field);
  }
  const std::string name = precision_name.value_or(voyage_name.value_or("float32"));
  const SentenceEncoder& encoder = job.model->encoder();
  try {
    const Precision precision = name == "float" ? Precision::float32 : parse_precision(name);
    const std::int64_t dim = encoder.output_dim(job.options);
    if (!needs_ranges(precision)) return std::make_shared<const Quantizer>(dim, precision);
    const auto& ranges = job.model->ranges();
    if (!ranges) {
      throw ApiError(
          "unsupported",
          fmt::format("{} needs the range of each dimension, and {} is served without: start the server with "
                      "--ranges FILE, made by `treble fit --transform ranges`, or ask for float16, binary or ubinary",
                      name, job.model->name()),
          field);
    }
    check_ranges(*ranges, provenance_json(encoder, job.options));
    return std::make_shared<const Quantizer>(dim, precision, ranges);
  } catch (const Error& error) {
    throw ApiError(error, field);
  }
}

}  // namespace treble::server
