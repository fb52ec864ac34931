#include "file_roles.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "fail.h"
#include "treble/model_files.h"
#include "treble/whole_file.h"

namespace treble::cli {

namespace fs = std::filesystem;

namespace {

constexpr const char* kStandardStream = "-";
constexpr std::string_view kProfile = "match:";

std::string shown(const std::string& path) { return path == kStandardStream ? "stdout" : path; }

/// Where a file that need not be there yet lies.
fs::path place_of(const std::string& path) {
  std::error_code error;
  const fs::path target = link_target(path);
  const fs::path place = fs::weakly_canonical(fs::absolute(target, error), error);
  return error ? target : place;
}

}  // namespace

bool FileRoles::identify(const std::string& path, Id& id) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0) return false;
  // Devices and pipes have no content that could be lost.
  if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) return false;
  id = {status.st_dev, status.st_ino};
  return true;
}

void FileRoles::add(const std::string& path, std::string_view what) {
  if (Id id = {}; identify(path, id)) reads_.push_back({id, std::string(what)});
}

void FileRoles::reads(const std::string& path, std::string_view what) {
  if (path == kStandardStream) {
    from_stdin_.emplace_back(what);
    struct stat status = {};
    if (::fstat(STDIN_FILENO, &status) == 0 && S_ISREG(status.st_mode)) {
      reads_.push_back({{status.st_dev, status.st_ino}, std::string(what)});
    }
    return;
  }
  add(path, what);
}

void FileRoles::reads(const InputPlan& plan) {
  for (const InputFile& file : plan.files) reads(file.path, "an input");
}

void FileRoles::reads_model(const std::string& model) {
  const char* from_environment = std::getenv("TREBLE_MODEL");
  const std::string name = model.empty() && from_environment != nullptr ? from_environment : model;
  if (name.empty()) return;
  try {
    for (const ModelFile& file : model_files(name)) {
      add(file.path.string(), "the model's " + file.name);
      Id folder = {};
      if (identify(file.path.parent_path().string(), folder)) model_folders_.push_back(folder);
    }
  } catch (const Error&) {
    // Loading it says what is wrong with it.
    return;
  }
}

void FileRoles::reads_temperature(const std::string& written) {
  if (written.starts_with(kProfile)) {
    add(written.substr(kProfile.size()), "--temperature");
  } else if (written.ends_with(".json")) {
    add(written, "--temperature");
  }
}

void FileRoles::reads_state(const std::string& written) {
  constexpr std::string_view kNorms = "norm:";
  if (written.starts_with(kNorms) && written.ends_with(".json")) add(written.substr(kNorms.size()), "--state");
}

void FileRoles::writes(const std::string& path, std::string_view option) {
  if (!path.empty()) writes_.push_back({path, std::string(option)});
}

void FileRoles::check_against_inputs(const Write& write) const {
  Id id = {};
  if (write.path == kStandardStream) {
    struct stat status = {};
    if (::fstat(STDOUT_FILENO, &status) != 0 || !S_ISREG(status.st_mode)) return;
    id = {status.st_dev, status.st_ino};
  } else if (!identify(write.path, id)) {
    return;
  }
  const auto same = std::find_if(reads_.begin(), reads_.end(), [&](const Read& read) { return read.id == id; });
  if (same == reads_.end()) return;
  fail(ErrorCode::invalid_argument, "{} is {} and the output of {} at once; write somewhere else", shown(write.path),
       same->what, write.option);
}

void FileRoles::check_against_model(const Write& write) const {
  const fs::path place = place_of(write.path);
  Id folder = {};
  if (write.path == kStandardStream || !is_model_file_name(place.filename().string()) ||
      !identify(place.parent_path().string(), folder) ||
      std::find(model_folders_.begin(), model_folders_.end(), folder) == model_folders_.end()) {
    return;
  }
  fail(ErrorCode::invalid_argument, "{} ({}) would become part of the model in that folder; write somewhere else",
       write.path, write.option);
}

void FileRoles::check() const {
  for (const Write& write : writes_) {
    check_against_inputs(write);
    check_against_model(write);
    for (const Write& other : writes_) {
      if (&other == &write) break;
      if (other.path != write.path && (other.path == kStandardStream || write.path == kStandardStream ||
                                       place_of(other.path) != place_of(write.path)))
        continue;
      fail(ErrorCode::invalid_argument, "{} and {} both go to {}; give one of them another file", other.option,
           write.option, shown(write.path));
    }
  }
  if (from_stdin_.size() > 1) {
    fail(ErrorCode::invalid_argument, "{} and {} are both read from stdin, which can be read once; give a file",
         from_stdin_[0], from_stdin_[1]);
  }
}

}  // namespace treble::cli
