#include <fmt/ranges.h>

#include <set>
#include <utility>

#include "base/fail_about.h"
#include "base/file_presence.h"
#include "base/mapped_file.h"
#include "safetensors/file_image.h"
#include "safetensors/message_text.h"
#include "safetensors/missing_weights.h"
#include "safetensors/safetensors.h"
#include "safetensors/shard_index.h"
#include "safetensors/tensor_revision.h"

namespace treble::internal {

namespace fs = std::filesystem;

std::int64_t StoredTensor::num_elements() const noexcept {
  std::int64_t product = 1;
  for (const std::int64_t dimension : shape) product *= dimension;
  return product;
}

struct TensorArchive::Impl {
  std::vector<MappedFile> mappings;
  std::map<std::string, StoredTensor, std::less<>> tensors;
  std::vector<fs::path> files;
  std::map<std::string, std::string> metadata;
  std::vector<TensorArchive> kept;

  StoredTensor& require(const std::string& name);
  void add_file(const fs::path& path);
  void check_index(const fs::path& folder, const fs::path& index,
                   const std::map<std::string, std::string>& shards) const;
};

void TensorArchive::Impl::add_file(const fs::path& path) {
  MappedFile mapping(path);
  FileImage image = read_file_image(mapping.bytes(), path.string());
  if (files.empty()) metadata = std::move(image.metadata);
  mappings.push_back(std::move(mapping));
  files.push_back(path);
  tensors.merge(image.tensors);
  // merge() leaves behind what was already there.
  if (!image.tensors.empty()) {
    const auto& name = image.tensors.begin()->first;
    fail_file(path, ErrorCode::invalid_file, "tensor \"{}\" is also in {}; remove one of the two", for_message(name),
              tensors.find(name)->second.file);
  }
}

void TensorArchive::Impl::check_index(const fs::path& folder, const fs::path& index,
                                      const std::map<std::string, std::string>& shards) const {
  for (const auto& [name, shard] : shards) {
    const std::string file = (folder / shard).string();
    const auto found = tensors.find(name);
    if (found == tensors.end() || found->second.file != file) {
      fail_file(index, ErrorCode::invalid_file, "tensor \"{}\" should be in {}, but {}; fetch the model again",
                for_message(name), file, found == tensors.end() ? "is in no shard" : "is in " + found->second.file);
    }
  }
}

TensorArchive TensorArchive::open_file(const fs::path& path) {
  auto impl = std::make_unique<Impl>();
  impl->add_file(path);
  return TensorArchive(std::move(impl));
}

bool TensorArchive::is_in(const fs::path& folder) {
  return is_there(folder / "model.safetensors") || is_there(folder / "model.safetensors.index.json");
}

TensorArchive TensorArchive::open_folder(const fs::path& folder) {
  // The order in which transformers looks.
  const fs::path single = folder / "model.safetensors";
  if (is_there(single)) return open_file(single);
  const fs::path index = folder / "model.safetensors.index.json";
  if (!is_there(index)) fail_without_weights(folder);

  const MappedFile text(index);
  const auto bytes = text.bytes();
  const auto shards = about_file(index, [&] {
    return parse_shard_index({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, index.string());
  });
  std::set<std::string> names;
  for (const auto& [tensor, shard] : shards) names.insert(shard);
  auto impl = std::make_unique<Impl>();
  for (const std::string& name : names) {
    if (!is_there(folder / name)) {
      fail_file(index, ErrorCode::not_found, "the shard {} is missing; fetch the model again", for_message(name));
    }
    impl->add_file(folder / name);
  }
  impl->check_index(folder, index, shards);
  return TensorArchive(std::move(impl));
}

const StoredTensor* TensorArchive::find(std::string_view name) const {
  const auto found = impl_->tensors.find(name);
  return found == impl_->tensors.end() ? nullptr : &found->second;
}

void TensorArchive::release(const StoredTensor& tensor) noexcept { release_pages(tensor.bytes); }

const std::map<std::string, StoredTensor, std::less<>>& TensorArchive::tensors() const noexcept {
  return impl_->tensors;
}
const std::vector<fs::path>& TensorArchive::files() const noexcept { return impl_->files; }
const std::map<std::string, std::string>& TensorArchive::metadata() const noexcept { return impl_->metadata; }

namespace {

/// A copy of the tensor's revision, to be changed.
TensorRevision revision_of(const StoredTensor& tensor) {
  return tensor.revision == nullptr ? TensorRevision{} : *tensor.revision;
}

[[noreturn]] void fail_shape(const StoredTensor& tensor, const std::string& name, const Factor& factor,
                             const std::string& wanted) {
  fail_file(factor.tensor.file, ErrorCode::invalid_file,
            "tensor \"{}\" is [{}], but {} is [{}] in {} and needs {}; the adapter was made for another model",
            for_message(factor.name), fmt::join(factor.tensor.shape, ", "), for_message(name),
            fmt::join(tensor.shape, ", "), tensor.file, wanted);
}

}  // namespace

StoredTensor& TensorArchive::Impl::require(const std::string& name) {
  const auto found = tensors.find(name);
  if (found == tensors.end()) fail(ErrorCode::internal, "there is no tensor \"{}\" to change", for_message(name));
  return found->second;
}

void TensorArchive::add_product(const std::string& name, LowRankProduct product) {
  StoredTensor& tensor = impl_->require(name);
  const std::int64_t rows = tensor.shape.empty() ? 1 : tensor.shape.front();
  const std::int64_t cols = rows == 0 ? 0 : tensor.num_elements() / rows;
  const std::int64_t rank = product.right ? product.right->rows() : cols;
  if (product.left.rows() != rows || product.left.cols() != rank) {
    fail_shape(tensor, name, product.left, fmt::format("{} rows and {} columns", rows, rank));
  }
  if (product.right && product.right->cols() != cols) {
    fail_shape(tensor, name, *product.right, fmt::format("{} columns", cols));
  }
  TensorRevision revision = revision_of(tensor);
  revision.products.push_back(std::move(product));
  tensor.revision = std::make_shared<const TensorRevision>(std::move(revision));
}

void TensorArchive::replace(const std::string& name, Factor replacement) {
  const auto [found, added] = impl_->tensors.try_emplace(name, replacement.tensor);
  if (added) return;
  StoredTensor& tensor = found->second;
  if (tensor.shape != replacement.tensor.shape) fail_shape(tensor, name, replacement, "the same");
  TensorRevision revision = revision_of(tensor);
  revision.replacement = std::move(replacement);
  tensor.revision = std::make_shared<const TensorRevision>(std::move(revision));
}

void TensorArchive::rename(const std::string& name, const std::string& to) {
  StoredTensor tensor = impl_->require(name);
  if (!impl_->tensors.try_emplace(to, tensor).second) {
    fail_file(tensor.file, ErrorCode::invalid_file, R"(both tensors "{}" and "{}" are there, which mean the same)",
              for_message(name), for_message(to));
  }
  impl_->tensors.erase(name);
}

void TensorArchive::erase(const std::string& name) { impl_->tensors.erase(name); }

void TensorArchive::keep(TensorArchive other) { impl_->kept.push_back(std::move(other)); }

TensorArchive::TensorArchive(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TensorArchive::TensorArchive(TensorArchive&&) noexcept = default;
TensorArchive& TensorArchive::operator=(TensorArchive&&) noexcept = default;
TensorArchive::~TensorArchive() = default;

}  // namespace treble::internal
