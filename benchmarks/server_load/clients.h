// Clients of a server: what they send, and what came back.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "texts.h"

namespace treble::load {

struct LoadPlan {
  std::uint16_t port = 0;        ///< on 127.0.0.1
  std::string route = "/embed";  ///< or OpenAI's /v1/embeddings
  int clients = 256;             ///< each with one request at a time
  double requests_per_second =
      0;  ///< > 0: requests begin at random times at this rate instead, on as many connections as that takes
  std::chrono::milliseconds duration{60'000};
  double leave_share = 0;  ///< of requests whose client closes, or resets, instead of waiting for the answer
  std::chrono::milliseconds patience{120'000};  ///< an answer that takes longer is a hang
  float tolerance = 1e-5F;                      ///< of a component
  bool normalize = false;                       ///< vectors that came, before they are compared
  std::int64_t short_tokens = 32;               ///< a text of at most so many is a short one
  pid_t server = 0;                             ///< whose memory is watched; 0: nobody's
  std::chrono::milliseconds terminate_after{
      0};  ///< > 0: then the server gets SIGTERM, and clients stop where it refuses
};

struct LoadResult {
  std::map<int, std::int64_t> statuses;
  std::int64_t wrong = 0;               ///< answers of status 200 whose vector is not the text's
  std::int64_t hangs = 0;               ///< requests without an answer in `patience`
  std::int64_t unanswered = 0;          ///< requests sent whole whose connection ended without an answer
  std::int64_t refused = 0;             ///< connections that could not be made or requests that could not be sent
  std::int64_t left = 0;                ///< requests whose client left
  std::vector<double> seconds;          ///< of answers of status 200
  std::vector<double> short_seconds;    ///< of those to short texts
  std::vector<double> refusal_seconds;  ///< of answers of other statuses
  float difference = 0;                 ///< maximum over components of right vectors
  double wall_seconds = 0;
  std::int64_t peak_rss = 0;               ///< of the server, bytes
  std::vector<std::int64_t> minutely_rss;  ///< of the server, bytes, at the start and after each minute
};

/// Sends the texts in a random order, each as often as every other.
LoadResult run_load(const std::vector<LoadText>& texts, const LoadPlan& plan);

}  // namespace treble::load
