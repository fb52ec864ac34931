// What a report says of classes, in words.
#pragma once

#include <span>
#include <string>

#include "treble/class_collapse.h"

namespace treble::internal {

/// A few sentences after `report.findings`: whether classes are tighter in the last layer than in the first, what each
/// temperature changes, and how often the nearest class mean is right. Says what cannot be told, and why.
/// `settings`: names of the temperatures.
std::string describe_classes(const ClassReport& report, std::span<const std::string> settings);

}  // namespace treble::internal
