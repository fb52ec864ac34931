#include "treble/post_transform.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/fail_about.h"
#include "base/json_text.h"
#include "base/sha256.h"
#include "safetensors/safetensors.h"
#include "tensor/dot.h"
#include "transforms/post_impl.h"

namespace treble {

using namespace internal;

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kMetadataKey = "treble_post_transform";
constexpr const char* kSchema = "treble.post_transform/1";
/// Of a vector of length 1, rounding leaves about that; a direction made of it would be noise.
constexpr double kMinLength = 1e-6;

std::span<const std::byte> bytes_of(const std::vector<float>& values) { return std::as_bytes(std::span(values)); }

std::vector<float> read_tensor(const TensorArchive& archive, const std::string& file, const char* name,
                               std::size_t num_axes) {
  const StoredTensor* tensor = archive.find(name);
  if (tensor == nullptr) fail_file(file, ErrorCode::invalid_file, "the tensor \"{}\" is missing", name);
  if (tensor->shape.size() != num_axes) {
    fail_file(file, ErrorCode::invalid_file, "the tensor \"{}\" has {} axes, it must have {}", name,
              tensor->shape.size(), num_axes);
  }
  std::vector<float> values(static_cast<std::size_t>(tensor->num_elements()));
  copy_as_float(*tensor, name, values);
  if (!std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); })) {
    fail_file(file, ErrorCode::invalid_file, "the tensor \"{}\" holds a NaN or an infinity", name);
  }
  return values;
}

Json read_metadata(const TensorArchive& archive, const std::string& file) {
  const auto found = archive.metadata().find(kMetadataKey);
  if (found == archive.metadata().end()) {
    fail_file(file, ErrorCode::invalid_file, "this is no transform: its metadata lack \"{}\"; `treble fit` makes one",
              kMetadataKey);
  }
  Json json = try_parse_ordered(found->second);
  if (!json.is_object() || json.value("schema", "") != kSchema) {
    fail_file(file, ErrorCode::invalid_file, R"("{}" does not say "schema": "{}")", kMetadataKey, kSchema);
  }
  return json;
}

/// Missing or of another type: empty.
std::string text_field(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

PostTransform PostTransform::load(const std::filesystem::path& path) {
  const std::string file = path.string();
  const TensorArchive archive = TensorArchive::open_file(path);
  const Json json = read_metadata(archive, file);
  auto impl = std::make_unique<Impl>();
  try {
    impl->spec = PostSpec::parse(text_field(json, "transform"));
  } catch (const Error& error) {
    fail_file(path, ErrorCode::invalid_file, "{}", error.what());
  }
  impl->provenance = {text_field(json, "model"),
                      text_field(json, "weights_sha256"),
                      text_field(json, "temperature"),
                      text_field(json, "pooling"),
                      0,
                      text_field(json, "treble_version"),
                      text_field(json, "temperature_canonical"),
                      json.contains("vectors") ? json_text(json["vectors"]) : std::string()};
  if (const auto texts = json.find("texts"); texts != json.end() && texts->is_number_integer()) {
    impl->provenance.texts = texts->get<std::int64_t>();
  }
  impl->mean = read_tensor(archive, file, "mean", 1);
  impl->matrix = read_tensor(archive, file, "matrix", 2);
  const std::vector<std::int64_t>& shape = archive.find("matrix")->shape;
  impl->rows = shape[0];
  if (impl->mean.empty() || shape[1] != impl->dim() || (impl->projects() && impl->rows == 0)) {
    fail_file(file, ErrorCode::invalid_file,
              R"("matrix" is [{}, {}], "mean" has {} values; they do not belong together)", shape[0], shape[1],
              impl->dim());
  }
  return PostTransform(std::move(impl));
}

void PostTransform::save(const std::filesystem::path& path, Existing existing) const {
  const PostProvenance& from = impl_->provenance;
  const Json json = {{"schema", kSchema},
                     {"transform", impl_->spec.to_string()},
                     {"model", from.model},
                     {"weights_sha256", from.weights_sha256},
                     {"temperature", from.temperature},
                     {"pooling", from.pooling},
                     {"texts", from.texts},
                     {"treble_version", from.treble_version},
                     {"temperature_canonical", from.temperature_canonical},
                     {"vectors", try_parse_ordered(from.vectors.empty() ? "{}" : from.vectors)}};
  const std::vector<TensorToWrite> tensors = {
      {"mean", DType::kF32, {impl_->dim()}, bytes_of(impl_->mean)},
      {"matrix", DType::kF32, {impl_->rows, impl_->dim()}, bytes_of(impl_->matrix)}};
  write_safetensors(path, tensors, {{kMetadataKey, json_text(json)}}, existing);
}

std::vector<float> PostTransform::apply(std::span<const float> vectors, bool normalize) const {
  const Impl& self = *impl_;
  const std::int64_t dim = self.dim();
  if (vectors.size() % self.mean.size() != 0) {
    fail(ErrorCode::invalid_argument, "{}: {} numbers are no vectors of {} dimensions", self.spec.to_string(),
         vectors.size(), dim);
  }
  const std::int64_t count = static_cast<std::int64_t>(vectors.size()) / dim;
  const std::int64_t out_dim = output_dim();
  std::vector<float> result(static_cast<std::size_t>(count * out_dim));
  std::vector<float> centred(self.mean.size());
  const auto direction = [&self](std::int64_t k) {
    return std::span(self.matrix).subspan(static_cast<std::size_t>(k) * self.mean.size(), self.mean.size());
  };
  for (std::int64_t row = 0; row < count; ++row) {
    const float* x = vectors.data() + row * dim;
    float* y = result.data() + row * out_dim;
    for (std::size_t i = 0; i < centred.size(); ++i) centred[i] = x[i] - self.mean[i];
    if (self.projects()) {
      for (std::int64_t k = 0; k < out_dim; ++k) {
        y[k] = static_cast<float>(dot(direction(k), centred));
      }
    } else {
      for (std::int64_t k = 0; k < self.rows; ++k) {
        const auto removed = direction(k);
        const double part = dot(removed, centred);
        for (std::size_t i = 0; i < centred.size(); ++i) centred[i] -= static_cast<float>(part * double{removed[i]});
      }
      std::copy(centred.begin(), centred.end(), y);
    }
    const std::span<const float> left(y, static_cast<std::size_t>(out_dim));
    const double length = std::sqrt(dot(left, left));
    if (!std::isfinite(length) || (normalize && length < kMinLength)) {
      fail_text(row, ErrorCode::non_finite,
                "{} leaves nothing of its vector that has a direction; was it fitted on texts that are all alike?",
                self.spec.to_string());
    }
    if (!normalize) continue;
    for (std::int64_t k = 0; k < out_dim; ++k) y[k] = static_cast<float>(double{y[k]} / length);
  }
  return result;
}

PostTransform::PostTransform(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PostTransform::PostTransform(PostTransform&&) noexcept = default;
PostTransform& PostTransform::operator=(PostTransform&&) noexcept = default;
PostTransform::~PostTransform() = default;

std::string PostTransform::sha256() const {
  Sha256 hash;
  const std::string name = impl_->spec.to_string();
  hash.update(std::as_bytes(std::span(name)));
  hash.update(bytes_of(impl_->mean));
  hash.update(bytes_of(impl_->matrix));
  return hash.hex_digest();
}

const PostSpec& PostTransform::spec() const noexcept { return impl_->spec; }
const PostProvenance& PostTransform::provenance() const noexcept { return impl_->provenance; }
std::int64_t PostTransform::input_dim() const noexcept { return impl_->dim(); }
std::int64_t PostTransform::output_dim() const noexcept { return impl_->projects() ? impl_->rows : impl_->dim(); }

}  // namespace treble
