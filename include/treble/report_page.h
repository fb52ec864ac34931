// A report as one HTML file for people: plots, numbers, and how to read them.
#pragma once

#include <string>
#include <string_view>

#include "treble/export.h"

namespace treble {

/// The page of a report: `report_json` is what to_json(const CollapseReport&) gives, or the JSON of `treble
/// sweep`, `collapse-model` or `passkey`. One
/// file with everything in it: it works from disk and offline, and its own Content-Security-Policy forbids it to fetch
/// or send anything. Texts of the report are data in it, never markup. What the page does not draw (the attention of
/// single heads) is left out, and cosines of neighbours have four digits: keep the JSON for machines. Throws
/// Error{invalid_argument} for anything but a JSON object with a known "kind".
TREBLE_API std::string report_page(std::string_view report_json);

}  // namespace treble
