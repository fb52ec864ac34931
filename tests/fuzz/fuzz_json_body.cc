// Bodies of every route that reads JSON, through the real handlers on the tiny model: any bytes get one answer, JSON,
// of a status that the documentation has. The first byte chooses the route.
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "api/test_api.h"

namespace {

using treble::server::HttpRequest;
using treble::server::HttpResponse;
using treble::server::Route;
using treble::server::TestApi;

std::vector<const Route*> routes_with_bodies() {
  std::vector<const Route*> found;
  for (const Route& route : treble::server::routes()) {
    const bool reads = std::string_view(route.method) == "POST" && std::string_view(route.request) != "AnyRequest";
    if (reads) found.push_back(&route);
  }
  return found;
}

bool is_documented(const Route& route, int status) {
  const auto has = [&](const std::vector<const char*>& names) {
    return std::any_of(names.begin(), names.end(),
                       [&](const char* name) { return treble::server::error_kind(name).status == status; });
  };
  return status == 200 || has(route.errors) || has(treble::server::common_errors()) ||
         has(treble::server::body_errors());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto paths = routes_with_bodies();
  static TestApi api(TREBLE_SOURCE_DIR "/tests/golden/bert/model", {.max_client_batch_size = 20});
  if (size == 0) return 0;
  const Route& route = *paths[data[0] % paths.size()];
  HttpRequest request;
  request.method = route.method;
  request.path = route.path;
  // No input may take long here: with a fuzzer's speed, what hangs is told from what works.
  request.headers = {{"x-request-timeout-ms", "2000"}};
  request.body.assign(reinterpret_cast<const char*>(data) + 1, size - 1);
  const HttpResponse response = api.ask(std::move(request));
  // Not finite: a temperature may be so low that logits overflow.
  const bool broken = response.status == 500 && response.body.find("NaN or infinity") == std::string::npos;
  if (broken || !is_documented(route, response.status) || !nlohmann::json::accept(response.body)) {
    std::fprintf(stderr, "%s: %d %s\n", route.path, response.status, response.body.c_str());
    std::abort();
  }
  return 0;
}
