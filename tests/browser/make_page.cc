// Reports on stdin, one JSON a line, and their pages in a folder: 1.html, 2.html, …. How the browser test gets pages of
// reports that no corpus would make; all at once, as a process for each costs more than its page.
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>

#include "treble/report_page.h"

namespace {

void write_page(const std::filesystem::path& path, const std::string& json) {
  std::ofstream file(path, std::ios::binary);
  file << treble::report_page(json);
  if (!file.flush()) throw std::runtime_error("cannot write " + path.string());
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc != 2) throw std::runtime_error("usage: treble_make_page FOLDER <REPORTS");
    std::string json;
    for (int line = 1; std::getline(std::cin, json); ++line) {
      write_page(std::filesystem::path(argv[1]) / (std::to_string(line) + ".html"), json);
    }
    return 0;
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
