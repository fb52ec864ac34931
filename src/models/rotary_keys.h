// The keys of config.json that say how rotary positions come about: "rope_parameters" as transformers 5 writes it, and
// the older "rope_theta", "rope_scaling" and the names that single families used.
#pragma once

#include "base/json_file.h"
#include "models/encoder_config.h"

namespace treble::internal {

/// What the keys do not say themselves.
struct RotaryDefaults {
  double base = 10000;
  bool fixed_ntk = false;  ///< the family's published code knows "ntk"
};

/// For families whose layers all rotate alike. Like transformers: "rope_scaling" wins over "rope_parameters", a base in
/// either over "rope_theta". Reads the head width and num_positions of `config` and fills in its `rotary`, and
/// unlimited_positions where the scaling goes by the length of each text. Throws Error{unsupported} for a scaling that
/// is not known and for partly rotated heads, Error{invalid_file} for values that make no frequencies.
void read_rotary(const JsonObject& json, const RotaryDefaults& defaults, EncoderConfig& config);

/// Where the bases of the two kinds of layers stand outside "rope_parameters".
struct RotaryLayerKeys {
  const char* base_key = "";
  double base = 0;
  const char* local_base_key = "";
  double local_base = 0;
  bool scales_local = false;  ///< "rope_scaling" holds for local layers too
};

/// For families with a rotation for each kind of layer: fills in `rotary` and `local_rotary`. "rope_parameters" are by
/// layer type, "rope_scaling" is laid over them, and a base there wins over the family's own keys.
void read_rotary_by_layer(const JsonObject& json, const RotaryLayerKeys& keys, EncoderConfig& config);

}  // namespace treble::internal
