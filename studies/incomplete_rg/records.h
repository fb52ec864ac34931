// Results as records, a name and a value each, and records as text.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "hawking_page.h"
#include "potential.h"
#include "shooting.h"
#include "solution.h"

namespace incomplete_rg {

/// An object of numbers and strings, in order.
using Record = nlohmann::ordered_json;

Record record_of(const Potential& potential, const Soliton& soliton);
Record record_of(const Potential& potential, const BlackHole& black_hole);
Record record_of(const Potential& potential, const Transition& transition);
Record record_of(const ProfilePoint& point);

/// One record as a column of names and values, several as rows below their names.
std::string as_table(const std::vector<Record>& records);
/// A head and a line for each; numbers with ten digits. All records have the first one's names.
std::string as_csv(const std::vector<Record>& records);
/// One record as an object, several as an array of objects.
std::string as_json(const std::vector<Record>& records);

/// std::runtime_error, naming the file, if it cannot be written.
void write_file(const std::string& path, const std::string& text);

}  // namespace incomplete_rg
