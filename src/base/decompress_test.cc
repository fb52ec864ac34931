#include "treble/decompress.h"

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <iterator>
#include <random>
#include <string>

#include "base/text_file.h"
#include "treble/error.h"

namespace treble::internal {
namespace {

std::string gzip(std::string_view text) {
  z_stream stream = {};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, text.size()) + 32, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

/// With a checksum, as the program zstd writes them.
std::string zstd(std::string_view text) {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress2(context, out.data(), out.size(), text.data(), text.size()));
  ZSTD_freeCCtx(context);
  return out;
}

/// Some of it compresses well and some does not at all.
std::string sample_text(std::size_t size) {
  std::mt19937 generator(7);
  std::string text;
  while (text.size() < size) {
    if (generator() % 2 == 0) text.append(generator() % 300, 'a');
    for (unsigned i = generator() % 200; i > 0; --i) text += static_cast<char>(generator() % 256);
  }
  text.resize(size);
  return text;
}

/// Hands over pieces of the sizes given, as a pipe might.
std::string unpack(Compression kind, std::string_view packed, std::size_t piece, std::size_t room) {
  const auto decompressor = make_decompressor(kind, "x.txt.gz");
  std::string text;
  std::string out(room, '\0');
  for (std::size_t begin = 0; begin < packed.size() || begin == 0;) {
    std::string_view input = packed.substr(begin, piece);
    while (true) {
      const auto step = decompressor->run(input, out);
      text.append(out, 0, step.produced);
      input.remove_prefix(step.consumed);
      if (step.consumed == 0 && step.produced == 0) break;
    }
    EXPECT_TRUE(input.empty());
    begin += piece;
  }
  decompressor->finish();
  return text;
}

std::string failure(Compression kind, std::string_view packed) {
  try {
    unpack(kind, packed, 4096, 4096);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_file);
    EXPECT_EQ(error.file(), "x.txt.gz");
    return error.what();
  }
  return "no error";
}

void expect_contains(const std::string& message, const char* words) {
  EXPECT_NE(message.find(words), std::string::npos) << message << "\n  lacks: " << words;
}

struct Packer {
  Compression kind;
  std::string (*pack)(std::string_view);
  const char* name;
};
constexpr Packer kPackers[] = {{Compression::gzip, gzip, "gzip"}, {Compression::zstd, zstd, "zstd"}};

TEST(Decompressor, GivesBackWhatWasPackedWhateverThePieces) {
  const std::string text = sample_text(200'000);
  for (const auto& packer : kPackers) {
    const std::string packed = packer.pack(text);
    EXPECT_EQ(compression_of_data(packed), packer.kind);
    for (const std::size_t piece : {1U, 7U, 4096U, 1'000'000U}) {
      for (const std::size_t room : {1U, 333U, 1'000'000U}) {
        if (piece * room < 100) continue;
        EXPECT_EQ(unpack(packer.kind, packed, piece, room), text) << packer.name << " " << piece << " " << room;
      }
    }
  }
}

TEST(Decompressor, MembersFollowEachOtherAndMayBeEmpty) {
  for (const auto& packer : kPackers) {
    const std::string packed = packer.pack("one\n") + packer.pack("") + packer.pack("two\n");
    for (const std::size_t piece : {1U, 5U, 4096U}) {
      EXPECT_EQ(unpack(packer.kind, packed, piece, 64), "one\ntwo\n") << packer.name;
    }
  }
  EXPECT_EQ(unpack(Compression::gzip, gzip("one\n") + std::string(600, '\0'), 50, 64), "one\n");
}

TEST(Decompressor, EveryTruncationIsNamed) {
  const std::string text = sample_text(300);
  for (const auto& packer : kPackers) {
    const std::string packed = packer.pack(text);
    for (std::size_t size = 0; size < packed.size(); ++size) {
      const std::string message = failure(packer.kind, std::string_view(packed).substr(0, size));
      expect_contains(message, "x.txt.gz");
      expect_contains(message, ("ends after " + std::to_string(size) + " bytes").c_str());
    }
  }
}

TEST(Decompressor, DamageIsNamedWithItsPlace) {
  const std::string text = sample_text(3000);
  for (const auto& packer : kPackers) {
    std::string packed = packer.pack(text);
    packed[packed.size() - 3] = static_cast<char>(packed[packed.size() - 3] ^ 0x55);  // within the checksum
    const std::string message = failure(packer.kind, packed);
    expect_contains(message, "damaged");
    expect_contains(message, "near byte ");
    expect_contains(failure(packer.kind, packer.pack("one\n") + "and more text"), "behind the end");
  }
}

TEST(Compression, IsSeenInNamesAndData) {
  EXPECT_EQ(compression_of_name("a/corpus.jsonl.GZ"), Compression::gzip);
  EXPECT_EQ(compression_of_name("corpus.csv.zstd"), Compression::zstd);
  EXPECT_EQ(compression_of_name("gz"), Compression::none);
  EXPECT_EQ(without_compression_extension("a/corpus.jsonl.gz"), "a/corpus.jsonl");
  EXPECT_EQ(without_compression_extension("corpus.jsonl"), "corpus.jsonl");
  EXPECT_EQ(compression_of_data("{\"te"), Compression::none);
  EXPECT_EQ(compression_of_data(""), Compression::none);
  for (const std::string bytes : {"plain", ""}) {
    try {
      check_compression("a.gz", bytes);
      ADD_FAILURE() << "accepted: \"" << bytes << "\"";
    } catch (const Error& error) {
      EXPECT_EQ(error.file(), "a.gz");
    }
  }
  EXPECT_NO_THROW(check_compression("a.txt", "plain"));
}

class TextFile : public ::testing::Test {
 protected:
  std::filesystem::path write(const std::string& name, const std::string& bytes) {
    const auto path = folder_ / name;
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }
  static std::string read(const std::filesystem::path& path) {
    const auto stream = open_text(path);
    return {std::istreambuf_iterator<char>(*stream), {}};
  }
  void SetUp() override {
    folder_ = std::filesystem::path(::testing::TempDir()) /
              ("treble_" + std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_;
};

TEST_F(TextFile, IsReadPlainAndPackedWithoutItsByteOrderMark) {
  const std::string text = sample_text(300'000);
  const std::string mark = "\xEF\xBB\xBF";
  EXPECT_EQ(read(write("plain.txt", text)), text);
  EXPECT_EQ(read(write("marked.txt", mark + text)), text);
  EXPECT_EQ(read(write("packed.txt.gz", gzip(mark + text))), text);
  EXPECT_EQ(read(write("packed.txt.zst", zstd(text))), text);
  EXPECT_EQ(read(write("empty.txt", "")), "");
  EXPECT_EQ(read(write("short.txt", "ab")), "ab");
}

TEST_F(TextFile, FaultsComeOutOfReading) {
  const std::string packed = gzip(sample_text(300'000));
  const auto cut = write("cut.txt.gz", packed.substr(0, packed.size() / 2));
  const auto stream = open_text(cut);
  const auto file_at_fault = [](const std::function<void()>& reading) {
    try {
      reading();
    } catch (const Error& error) {
      return error.file();
    }
    return std::filesystem::path("no error");
  };
  EXPECT_EQ(file_at_fault([&] {
              for (std::string line; std::getline(*stream, line);) {
              }
            }),
            cut);
  EXPECT_EQ(file_at_fault([&] { open_text(folder_ / "none.txt"); }), folder_ / "none.txt");
}

}  // namespace
}  // namespace treble::internal
