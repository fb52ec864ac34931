#include "npy_reader.h"

#include <bit>
#include <cstring>
#include <fstream>
#include <regex>
#include <string_view>
#include <utility>

#include "fail.h"

namespace treble::cli {

namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kMaxHeader = 1U << 16U;

static_assert(std::endian::native == std::endian::little);

struct Header {
  std::string type;
  bool fortran_order = false;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
};

std::string read_exactly(std::ifstream& file, std::size_t bytes, const std::string& path, const char* what) {
  std::string text(bytes, '\0');
  file.read(text.data(), static_cast<std::streamsize>(bytes));
  if (std::cmp_not_equal(file.gcount(), bytes)) {
    fail(ErrorCode::invalid_file, "{}: {} needs {} bytes, there are {}", path, what, bytes, file.gcount());
  }
  return text;
}

/// The header is a Python dictionary: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
Header read_header(std::ifstream& file, const std::string& path) {
  const std::string start = read_exactly(file, kMagic.size() + 2, path, "the magic of .npy");
  if (!start.starts_with(kMagic)) fail(ErrorCode::invalid_file, "{}: not a .npy file (numpy.save writes one)", path);
  const auto version = static_cast<unsigned char>(start[kMagic.size()]);
  const std::size_t length_bytes = version == 1 ? 2 : 4;
  const std::string length_text = read_exactly(file, length_bytes, path, "the header's length");
  std::uint32_t length = 0;
  std::memcpy(&length, length_text.data(), length_bytes);
  if (version < 1 || version > 3 || length > kMaxHeader) {
    fail(ErrorCode::invalid_file, "{}: .npy version {} with a header of {} bytes; known are versions 1 to 3", path,
         version, length);
  }
  const std::string text = read_exactly(file, length, path, "the header");
  static const std::regex type("'descr':\\s*'([^']*)'");
  static const std::regex order("'fortran_order':\\s*(True|False)");
  static const std::regex shape(R"('shape':\s*\(\s*(\d{1,15})\s*,\s*(\d{1,15})\s*,?\s*\))");
  std::smatch found;
  Header header;
  if (!std::regex_search(text, found, type)) {
    fail(ErrorCode::invalid_file, "{}: an array of records; needed is one of float32 or float64", path);
  }
  header.type = found[1];
  header.fortran_order = std::regex_search(text, found, order) && found[1] == "True";
  if (!std::regex_search(text, found, shape)) {
    fail(ErrorCode::invalid_file, "{}: needed is an array of two dimensions, [items, features]; the header is {:.100}",
         path, text);
  }
  header.rows = std::stoll(found[1]);
  header.cols = std::stoll(found[2]);
  return header;
}

template <typename Number>
std::vector<double> read_values(std::ifstream& file, const Header& header, const std::string& path) {
  const auto begin = file.tellg();
  file.seekg(0, std::ios::end);
  const auto there = static_cast<std::int64_t>(file.tellg() - begin);
  file.seekg(begin);
  const auto width = static_cast<std::int64_t>(sizeof(Number));
  if (header.cols == 0 || header.rows > there / width / header.cols) {
    fail(ErrorCode::invalid_file, "{}: {} x {} numbers of {} bytes, there are {} bytes", path, header.rows, header.cols,
         width, there);
  }
  const auto rows = static_cast<std::size_t>(header.rows);
  const auto cols = static_cast<std::size_t>(header.cols);
  std::vector<Number> numbers(rows * cols);
  file.read(reinterpret_cast<char*>(numbers.data()), static_cast<std::streamsize>(numbers.size() * sizeof(Number)));
  if (!header.fortran_order) return {numbers.begin(), numbers.end()};
  std::vector<double> values(numbers.size());
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t col = 0; col < cols; ++col) values[row * cols + col] = numbers[col * rows + row];
  }
  return values;
}

}  // namespace

NpyMatrix read_npy_matrix(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(ErrorCode::not_found, "{}: cannot be opened", path);
  const Header header = read_header(file, path);
  NpyMatrix matrix{.rows = header.rows, .cols = header.cols, .values = {}};
  if (header.type == "<f4") {
    matrix.values = read_values<float>(file, header, path);
  } else if (header.type == "<f8") {
    matrix.values = read_values<double>(file, header, path);
  } else {
    fail(ErrorCode::invalid_file, "{}: numbers of type {}; needed are float32 (<f4) or float64 (<f8)", path,
         header.type);
  }
  if (!file) fail(ErrorCode::io, "{}: cannot be read", path);
  return matrix;
}

}  // namespace treble::cli
