// How the choices of treble/options.h are written, in files and on the command line.
#include "treble/options.h"

namespace treble {

std::string to_string(Truncation truncation) {
  switch (truncation) {
    case Truncation::end: break;
    case Truncation::start: return "start";
    case Truncation::error: return "error";
  }
  return "end";
}

std::string to_string(PositionExtension extension) {
  switch (extension) {
    case PositionExtension::none: break;
    case PositionExtension::interpolate: return "interpolate";
    case PositionExtension::group: return "group";
    case PositionExtension::recur: return "recur";
    case PositionExtension::ntk: return "ntk";
    case PositionExtension::interpolate_long: return "interpolate-long";
    case PositionExtension::group_long: return "group-long";
    case PositionExtension::ntk_long: return "ntk-long";
  }
  return "none";
}

std::string to_string(ComputeType type) {
  switch (type) {
    case ComputeType::float32: return "float32";
    case ComputeType::bfloat16: return "bfloat16";
    case ComputeType::int8: return "int8";
    case ComputeType::automatic: break;
  }
  return "auto";
}

}  // namespace treble
