#include "bulk/row_file.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "base/fail_about.h"
#include "base/json_text.h"
#include "bulk/jsonl_writer.h"
#include "bulk/npy_writer.h"
#include "treble/whole_file.h"

namespace treble::internal {

namespace fs = std::filesystem;

namespace {

constexpr const char* kPartial = ".partial";
constexpr const char* kSidecar = ".json";

bool exists(const std::string& path) {
  std::error_code ignored;
  return !path.empty() && fs::exists(fs::symlink_status(path, ignored));
}

bool is_empty(const std::string& path) {
  std::error_code error;
  return fs::file_size(path, error) == 0 && !error;
}

Json read_sidecar(const std::string& sidecar, const std::string& path) {
  const std::ifstream file(sidecar, std::ios::binary);
  if (!file) {
    fail_about(sidecar, ErrorCode::not_found,
               "cannot resume {}: {}, which says how it was made, is missing; start again with VectorFileMode::replace",
               path, sidecar);
  }
  std::ostringstream text;
  text << file.rdbuf();
  Json json = try_parse_ordered(text.str());
  if (!json.is_object() || !json.contains("resume")) {
    fail_about(sidecar, ErrorCode::invalid_file,
               "cannot resume {}: {} is not what treble wrote; start again with VectorFileMode::replace", path,
               sidecar);
  }
  return json;
}

Json read_metadata(const std::string& path, const std::string& sidecar) {
  return sidecar.empty() ? read_jsonl_header(path) : read_sidecar(sidecar, path);
}

/// Someone's file of that name is not ours to write into.
void check_ours(const std::string& partial, const std::string& sidecar) {
  if (is_empty(partial)) return;
  try {
    read_metadata(partial, sidecar);
  } catch (const Error&) {
    fail_about(partial, ErrorCode::invalid_argument,
               "{} exists and is no unfinished output of treble, which would have that name; move it away", partial);
  }
}

void check_regular(const std::string& path) {
  if (!exists(path) || fs::is_regular_file(path)) return;
  fail_about(path, ErrorCode::invalid_argument, "{} is {}; give the name of a file", path,
             fs::is_directory(path) ? "a folder" : "not a regular file");
}

}  // namespace

RowFile::RowFile(const std::string& path, VectorFormat format, VectorFileMode mode, VectorConverter converter)
    : format_(format),
      mode_(mode),
      converter_(std::move(converter)),
      target_(link_target(path).string()),
      target_sidecar_(vector_sidecar(path)),
      path_(target_),
      sidecar_(target_sidecar_) {
  const bool converts = format == VectorFormat::parquet;
  if (converts && (!converter_.write || !converter_.read)) {
    fail_file(path, ErrorCode::unsupported, "Parquet needs a VectorConverter; write .npy or .jsonl");
  }
  check_regular(target_);
  check_regular(target_sidecar_);
  const std::string partial = target_ + kPartial;
  const bool there = exists(target_);
  const bool free = !there && !exists(target_sidecar_) && !(converts && exists(partial));
  if (mode == VectorFileMode::resume) {
    resume(there);
  } else if (mode == VectorFileMode::create && !free) {
    const std::string& present = there ? path : exists(target_sidecar_) ? target_sidecar_ : partial;
    fail_about(present, ErrorCode::invalid_argument,
               "{} exists; VectorFileMode::resume continues it, VectorFileMode::replace replaces it", present);
  } else if (converts || !free) {
    open_beside();
  } else {
    open_new(there);
  }
}

RowFile::~RowFile() {
  if (keep_) return;
  ::unlink(path_.c_str());
  if (!sidecar_.empty()) ::unlink(sidecar_.c_str());
}

void RowFile::use_partial() {
  path_ = target_ + kPartial;
  if (format_ == VectorFormat::npy) sidecar_ = target_ + kPartial + kSidecar;
}

void RowFile::open_new(bool exists) {
  file_ = std::make_unique<OutputFile>(path_, exists ? OutputFile::Mode::overwrite : OutputFile::Mode::create);
}

void RowFile::open_beside() {
  if (exists(target_)) old_ = std::make_unique<OutputFile>(target_, OutputFile::Mode::resume);
  use_partial();
  check_regular(path_);
  const bool left_over = exists(path_);
  if (left_over) check_ours(path_, sidecar_);
  open_new(left_over);
}

void RowFile::resume(bool there) {
  const std::string partial = target_ + kPartial;
  const std::string partial_sidecar = format_ == VectorFormat::npy ? partial + kSidecar : "";
  if (exists(partial)) {
    if (there) old_ = std::make_unique<OutputFile>(target_, OutputFile::Mode::resume);
    use_partial();
  } else if (there && exists(partial_sidecar)) {
    // Killed between the two renames of `finish`: the rows have their name already.
    replace_with(partial_sidecar, link_target(target_sidecar_));
  } else if (format_ == VectorFormat::parquet) {
    use_partial();
    if (there) old_ = std::make_unique<OutputFile>(target_, OutputFile::Mode::resume);
    if (!there || is_empty(target_)) return open_new(false);
    converter_.read(target_, path_);
    restored_ = true;
  } else if (!there) {
    return open_new(false);
  }
  if (is_empty(path_)) return open_new(true);
  file_ = std::make_unique<OutputFile>(path_, OutputFile::Mode::resume);
  resumes_ = true;
  keep_ = !restored_;
}

std::optional<SavedRun> RowFile::saved() const {
  if (!resumes_) return std::nullopt;
  Json metadata = read_metadata(path_, sidecar_);
  const SavedState state = read_state(metadata, sidecar_.empty() ? path_ : sidecar_);
  return SavedRun{without_state(std::move(metadata)), state};
}

void RowFile::convert(bool changed) {
  if (mode_ == VectorFileMode::create && exists(target_)) {
    fail(ErrorCode::invalid_argument, "{} has appeared meanwhile; move it away, and VectorFileMode::resume continues",
         target_);
  }
  if (changed || !restored_) converter_.write(path_, target_);
  ::unlink(path_.c_str());
}

void RowFile::finish(bool changed) {
  keep();
  file_->sync();
  if (path_ == target_) return;
  if (format_ == VectorFormat::parquet) {
    convert(changed);
  } else {
    replace_with(path_, target_);
    if (!sidecar_.empty()) replace_with(sidecar_, link_target(target_sidecar_));
  }
  path_ = target_;
  sidecar_ = target_sidecar_;
  old_.reset();
}

}  // namespace treble::internal

namespace treble {

using namespace internal;

VectorFormat vector_format(const std::filesystem::path& path) {
  const auto extension = path.extension();
  if (extension == ".npy") return VectorFormat::npy;
  if (extension == ".jsonl" || extension == ".ndjson") return VectorFormat::jsonl;
  if (extension == ".parquet") return VectorFormat::parquet;
  fail_file(path, ErrorCode::invalid_argument, "an output ends in .npy (numpy), .jsonl or .parquet");
}

std::string vector_sidecar(const std::filesystem::path& path) {
  return vector_format(path) == VectorFormat::npy ? path.string() + kSidecar : std::string();
}

}  // namespace treble
