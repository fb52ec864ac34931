#include "treble/decompress.h"

#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <array>
#include <limits>
#include <new>
#include <utility>

#include "base/fail_about.h"

namespace treble {

using namespace internal;

namespace {

constexpr std::string_view kGzipMagic = "\x1F\x8B";
constexpr std::string_view kZstdMagic = "\x28\xB5\x2F\xFD";

class GzipDecompressor : public Decompressor {
 public:
  explicit GzipDecompressor(std::string name) : name_(std::move(name)) {
    constexpr int kGzipOnly = 16;  // added to the window's bits, as zlib.h has it
    if (inflateInit2(&stream_, MAX_WBITS + kGzipOnly) != Z_OK) fail(ErrorCode::internal, "zlib could not start");
  }
  ~GzipDecompressor() override { inflateEnd(&stream_); }

  Step run(std::string_view input, std::span<char> output) override {
    Step step;
    if (between_members_ && members_ > 0) step.consumed = skip_padding(input);
    input.remove_prefix(step.consumed);
    if (between_members_ && input.empty()) return step;
    const Step inflated = inflate_some(input, output);
    return {step.consumed + inflated.consumed, inflated.produced};
  }

  void finish() const override {
    if (between_members_ && members_ > 0) return;
    fail_file(name_, ErrorCode::invalid_file,
              "the gzip data ends after {} bytes, before its end; the file was cut short", read_);
  }

 private:
  /// Tapes and some archivers fill the last block with zeros.
  std::size_t skip_padding(std::string_view input) {
    const std::size_t zeros = std::min(input.find_first_not_of('\0'), input.size());
    read_ += zeros;
    return zeros;
  }

  Step inflate_some(std::string_view input, std::span<char> output) {
    constexpr std::size_t kMax = std::numeric_limits<uInt>::max();
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data()));
    stream_.avail_in = static_cast<uInt>(std::min(input.size(), kMax));
    stream_.next_out = reinterpret_cast<Bytef*>(output.data());
    stream_.avail_out = static_cast<uInt>(std::min(output.size(), kMax));
    const uInt given = stream_.avail_in;
    const uInt room = stream_.avail_out;
    const int result = ::inflate(&stream_, Z_NO_FLUSH);
    const Step step{given - stream_.avail_in, room - stream_.avail_out};
    read_ += step.consumed;
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) fail_data(result);
    between_members_ = result == Z_STREAM_END;
    if (between_members_) {
      ++members_;
      inflateReset(&stream_);
    }
    return step;
  }

  [[noreturn]] void fail_data(int result) const {
    if (result == Z_MEM_ERROR) throw std::bad_alloc();
    const char* reason = stream_.msg != nullptr ? stream_.msg : "no reason given";
    if (between_members_ && members_ > 0) {
      fail_file(name_, ErrorCode::invalid_file, "behind the end of the gzip data, near byte {}, is something else ({})",
                read_, reason);
    }
    fail_file(name_, ErrorCode::invalid_file, "damaged gzip data near byte {}: {}", read_, reason);
  }

  std::string name_;
  z_stream stream_ = {};
  bool between_members_ = true;
  std::uint64_t members_ = 0;
  std::uint64_t read_ = 0;
};

class ZstdDecompressor : public Decompressor {
 public:
  explicit ZstdDecompressor(std::string name) : name_(std::move(name)), stream_(ZSTD_createDStream()) {
    if (stream_ == nullptr) throw std::bad_alloc();
  }
  ~ZstdDecompressor() override { ZSTD_freeDStream(stream_); }

  Step run(std::string_view input, std::span<char> output) override {
    if (between_frames_ && input.empty()) return {};
    ZSTD_inBuffer in{input.data(), input.size(), 0};
    ZSTD_outBuffer out{output.data(), output.size(), 0};
    const std::size_t result = ZSTD_decompressStream(stream_, &out, &in);
    read_ += in.pos;
    if (ZSTD_isError(result) != 0) fail_data(result);
    between_frames_ = result == 0;
    frames_ += between_frames_ ? 1 : 0;
    return {in.pos, out.pos};
  }

  void finish() const override {
    if (between_frames_ && frames_ > 0) return;
    fail_file(name_, ErrorCode::invalid_file,
              "the zstd data ends after {} bytes, before its end; the file was cut short", read_);
  }

 private:
  [[noreturn]] void fail_data(std::size_t result) const {
    const char* reason = ZSTD_getErrorName(result);
    switch (ZSTD_getErrorCode(result)) {
      case ZSTD_error_memory_allocation: throw std::bad_alloc();
      case ZSTD_error_frameParameter_windowTooLarge:
        fail_file(name_, ErrorCode::unsupported,
                  "made with a zstd window above 128 MiB; decompress it first: zstd -d --long=31 {}", name_);
      case ZSTD_error_prefix_unknown:
        if (frames_ > 0) {
          fail_file(name_, ErrorCode::invalid_file,
                    "behind the end of the zstd data, near byte {}, is something else ({})", read_, reason);
        }
        [[fallthrough]];
      default: fail_file(name_, ErrorCode::invalid_file, "damaged zstd data near byte {}: {}", read_, reason);
    }
  }

  std::string name_;
  ZSTD_DStream* stream_;
  bool between_frames_ = true;
  std::uint64_t frames_ = 0;
  std::uint64_t read_ = 0;
};

std::string lower(std::string_view name) {
  std::string result(name);
  for (char& c : result) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return result;
}

constexpr std::array<std::pair<std::string_view, Compression>, 4> kExtensions = {{{".gz", Compression::gzip},
                                                                                  {".gzip", Compression::gzip},
                                                                                  {".zst", Compression::zstd},
                                                                                  {".zstd", Compression::zstd}}};

}  // namespace

Compression compression_of_data(std::string_view first_bytes) noexcept {
  if (first_bytes.starts_with(kGzipMagic)) return Compression::gzip;
  return first_bytes.starts_with(kZstdMagic) ? Compression::zstd : Compression::none;
}

Compression compression_of_name(std::string_view name) {
  const std::string lowered = lower(name);
  for (const auto& [extension, compression] : kExtensions) {
    if (lowered.ends_with(extension)) return compression;
  }
  return Compression::none;
}

std::string without_compression_extension(const std::string& name) {
  if (compression_of_name(name) == Compression::none) return name;
  return name.substr(0, name.rfind('.'));
}

std::unique_ptr<Decompressor> make_decompressor(Compression compression, std::string name) {
  if (compression == Compression::gzip) return std::make_unique<GzipDecompressor>(std::move(name));
  if (compression == Compression::zstd) return std::make_unique<ZstdDecompressor>(std::move(name));
  fail_file(name, ErrorCode::internal, "nothing to unpack");
}

void check_compression(std::string_view name, std::string_view first_bytes) {
  if (compression_of_name(name) == Compression::none) return;
  if (first_bytes.empty()) fail_file(name, ErrorCode::invalid_file, "the file is empty, which no compressed file is");
  if (compression_of_data(first_bytes) != Compression::none) return;
  fail_file(name, ErrorCode::invalid_file,
            "its name says that it is compressed, and its first bytes do not; if it is plain text, rename it");
}

}  // namespace treble
