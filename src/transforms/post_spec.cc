#include <fmt/format.h>

#include <array>

#include "base/fail.h"
#include "base/number_text.h"
#include "treble/post_transform.h"

namespace treble {

using namespace internal;

namespace {

constexpr std::array<const char*, 4> kNames = {"centring", "whitening", "all-but-the-top", "length-direction"};
constexpr std::int64_t kMaxComponents = 1 << 20;

bool takes_components(PostKind kind) { return kind == PostKind::whitening || kind == PostKind::all_but_the_top; }

[[noreturn]] void refuse(std::string_view text) {
  fail(ErrorCode::invalid_argument,
       "\"{:.100}\" is no transform; there are centring, whitening[:K], all-but-the-top[:D] and length-direction",
       text);
}

}  // namespace

PostSpec PostSpec::parse(std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  PostSpec spec;
  std::size_t kind = 0;
  while (kind < kNames.size() && name != kNames[kind]) ++kind;
  if (kind == kNames.size()) refuse(text);
  spec.kind = static_cast<PostKind>(kind);
  if (colon == std::string_view::npos) return spec;
  spec.components = number_in<std::int64_t>(text.substr(colon + 1)).value_or(0);
  if (spec.components < 1 || spec.components > kMaxComponents || !takes_components(spec.kind)) refuse(text);
  return spec;
}

std::string PostSpec::to_string() const {
  const char* name = kNames[static_cast<std::size_t>(kind)];
  return components == 0 ? std::string(name) : fmt::format("{}:{}", name, components);
}

}  // namespace treble
