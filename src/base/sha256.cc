#include "base/sha256.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "base/fail.h"
#include "base/mapped_file.h"

namespace treble::internal {

namespace {

constexpr std::size_t kPiece = std::size_t{1} << 20;

}  // namespace

struct Sha256::Impl {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  Impl() = default;
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : impl_(std::make_unique<Impl>()) {
  if (impl_->context == nullptr || EVP_DigestInit_ex(impl_->context, EVP_sha256(), nullptr) != 1) {
    fail(ErrorCode::internal, "sha256: OpenSSL offers no SHA-256 here");
  }
}

Sha256::~Sha256() = default;

void Sha256::update(std::span<const std::byte> bytes) { EVP_DigestUpdate(impl_->context, bytes.data(), bytes.size()); }

std::string Sha256::hex_digest() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  EVP_DigestFinal_ex(impl_->context, digest.data(), &size);
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

std::string Sha256::digest_so_far() const {
  Sha256 copy;
  if (EVP_MD_CTX_copy_ex(copy.impl_->context, impl_->context) != 1) {
    fail(ErrorCode::internal, "sha256: OpenSSL could not copy a digest");
  }
  return copy.hex_digest();
}

std::string sha256_of(std::string_view text) {
  Sha256 hash;
  hash.update(std::as_bytes(std::span(text)));
  return hash.hex_digest();
}

std::string sha256_of_files(std::span<const std::filesystem::path> files) {
  Sha256 hash;
  for (const auto& path : files) {
    const MappedFile file(path);
    const auto bytes = file.bytes();
    // Piece by piece, so that a large file is never in memory whole.
    for (std::size_t first = 0; first < bytes.size(); first += kPiece) {
      const auto piece = bytes.subspan(first, std::min(kPiece, bytes.size() - first));
      hash.update(piece);
      release_pages(piece);
    }
  }
  return hash.hex_digest();
}

}  // namespace treble::internal
