#include "models/encoder_config.h"

#include <fmt/format.h>

namespace treble {

std::vector<std::pair<std::string, std::string>> describe(const EncoderConfig& config) {
  std::vector<std::pair<std::string, std::string>> switches;
  switches.emplace_back("positions", config.position_offset == 0
                                         ? fmt::format("learned, {} rows", config.num_positions)
                                         : fmt::format("learned, {} rows, first token at {}", config.num_positions,
                                                       config.position_offset));
  if (config.relative_buckets.num_buckets > 0) {
    switches.emplace_back("position bias", fmt::format("{} relative buckets up to distance {}",
                                                       config.relative_buckets.num_buckets,
                                                       config.relative_buckets.max_distance));
  }
  switches.emplace_back("token types", config.num_token_types > 0 ? "yes, type 0" : "no");
  switches.emplace_back("norm", fmt::format("layer norm after each residual, eps {:g}", config.norm_eps));
  switches.emplace_back("feed-forward", fmt::format("{} wide, {}", config.intermediate_size,
                                                    activation_name(config.activation)));
  switches.emplace_back("attention", fmt::format("bidirectional, {} heads of {}", config.num_heads,
                                                 config.hidden_size / config.num_heads));
  return switches;
}

}  // namespace treble
