// Which files a command reads and which it writes, so that nothing is written over what is read.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "input/input_plan.h"

namespace treble::cli {

class FileRoles {
 public:
  /// A file, or "-" for stdin. What is not there is left to its reader to complain about. `what`: "--queries".
  void reads(const std::string& path, std::string_view what);
  void reads(const InputPlan& plan);
  /// All files that the model consists of, whatever their names are links to. "" is TREBLE_MODEL.
  void reads_model(const std::string& model);
  /// A temperature's profile, if it is one.
  void reads_temperature(const std::string& written);
  /// The norms of a control of the state, if it has a file.
  void reads_state(const std::string& written);
  /// A file, or "-" for stdout; "" is nothing. `option`: "--json".
  void writes(const std::string& path, std::string_view option);

  /// Throws Error{invalid_argument} naming both sides when one file would be read and written, or written twice, or a
  /// new file would become part of the model; and when stdin would be read twice. By device and inode, so that neither
  /// links nor other spellings hide it.
  void check() const;

 private:
  struct Id {
    dev_t device;
    ino_t inode;
    bool operator==(const Id&) const = default;
  };
  struct Read {
    Id id;
    std::string what;
  };
  struct Write {
    std::string path;
    std::string option;
  };

  static bool identify(const std::string& path, Id& id);
  void add(const std::string& path, std::string_view what);
  void check_against_inputs(const Write& write) const;
  void check_against_model(const Write& write) const;

  std::vector<Read> reads_;
  std::vector<Id> model_folders_;
  std::vector<Write> writes_;
  std::vector<std::string> from_stdin_;
};

}  // namespace treble::cli
