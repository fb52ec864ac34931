// JSON on stdin, its page on stdout: how the browser test gets pages of reports that no corpus would make.
#include <exception>
#include <iostream>
#include <iterator>
#include <string>

#include "treble/report_page.h"

int main() {
  try {
    const std::string json((std::istreambuf_iterator<char>(std::cin)), std::istreambuf_iterator<char>());
    std::cout << treble::report_page(json);
    return std::cout.flush() ? 0 : 1;
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
