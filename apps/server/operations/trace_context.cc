#include "operations/trace_context.h"

#include <algorithm>
#include <cstdint>
#include <random>

namespace treble::server {
namespace {

/// `digits` lower-case hex digits, not all zero.
bool is_id(std::string_view text, std::size_t digits) {
  return text.size() == digits && text.find_first_not_of("0123456789abcdef") == std::string_view::npos &&
         text.find_first_not_of('0') != std::string_view::npos;
}

bool is_hex(std::string_view text) { return text.find_first_not_of("0123456789abcdef") == std::string_view::npos; }

}  // namespace

std::optional<TraceContext> parse_traceparent(std::string_view header) {
  // "00-<32 digits>-<16 digits>-<flags>"; later versions may add "-…" to it.
  if (header.size() < 55 || header[2] != '-' || header[35] != '-' || header[52] != '-') return {};
  const auto version = header.substr(0, 2);
  const auto flags = header.substr(53, 2);
  if (!is_hex(version) || version == "ff" || !is_hex(flags)) return {};
  if (header.size() > 55 && (version == "00" || header[55] != '-')) return {};
  TraceContext context = {std::string(header.substr(3, 32)), std::string(header.substr(36, 16))};
  if (!is_id(context.trace_id, 32) || !is_id(context.parent_id, 16)) return {};
  context.sampled = (std::string_view("0123456789abcdef").find(flags[1]) & 1U) != 0;
  return context;
}

std::string random_hex(int digits) {
  thread_local std::mt19937_64 generator = [] {
    std::random_device device;
    std::seed_seq seed = {device(), device(), device(), device()};
    return std::mt19937_64(seed);
  }();
  std::string text;
  while (text.find_first_not_of('0') == std::string::npos) {
    text.clear();
    for (int i = 0; i < digits; ++i) text += "0123456789abcdef"[generator() >> 60U];
  }
  return text;
}

}  // namespace treble::server
