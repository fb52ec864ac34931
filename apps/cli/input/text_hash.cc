#include "input/text_hash.h"

#include <openssl/evp.h>

#include <array>
#include <cstdint>
#include <string_view>

#include "fail.h"

namespace treble::cli {

namespace {

struct Context {
  EVP_MD_CTX* handle = EVP_MD_CTX_new();
  Context() = default;
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context() { EVP_MD_CTX_free(handle); }
};

void check(bool ok) {
  if (!ok) fail(ErrorCode::internal, "OpenSSL could not compute SHA-256");
}

void add_bytes(EVP_MD_CTX* context, std::string_view bytes) {
  std::array<unsigned char, 8> size = {};
  for (std::size_t i = 0; i < size.size(); ++i) {
    size[i] = static_cast<unsigned char>(static_cast<std::uint64_t>(bytes.size()) >> (8 * i));
  }
  check(EVP_DigestUpdate(context, size.data(), size.size()) == 1);
  check(EVP_DigestUpdate(context, bytes.data(), bytes.size()) == 1);
}

}  // namespace

struct TextHash::Impl {
  Context context;
};

TextHash::TextHash() : impl_(std::make_unique<Impl>()) {
  check(impl_->context.handle != nullptr && EVP_DigestInit_ex(impl_->context.handle, EVP_sha256(), nullptr) == 1);
}

TextHash::~TextHash() = default;

void TextHash::add(const TextRecord& record) {
  add_bytes(impl_->context.handle, record.text);
  add_bytes(impl_->context.handle, record.id);
}

std::string TextHash::digest() const {
  const Context copy;
  check(copy.handle != nullptr && EVP_MD_CTX_copy_ex(copy.handle, impl_->context.handle) == 1);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest = {};
  unsigned int size = 0;
  check(EVP_DigestFinal_ex(copy.handle, digest.data(), &size) == 1);
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

}  // namespace treble::cli
