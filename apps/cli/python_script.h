// Running the parts of Treble that are written in Python.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace treble::cli {

struct PythonScript {
  std::string file;  ///< under share/treble beside the program's folder: "bake_onnx.py"; "convert/__main__.py"
  std::vector<std::string> modules;  ///< that the interpreter must be able to import
  std::vector<std::string> arguments;
  std::string interpreter = {};  ///< by find_python; empty: it is looked for
};

/// The interpreter for a script; throws as run_python_script does.
std::string find_python(const PythonScript& script);

/// Runs the script to its end with the first interpreter that has the modules: $TREBLE_PYTHON alone if that is set,
/// else those of $VIRTUAL_ENV, `python3` and `python`. Returns its exit code. Throws Error{not_found} when there is no
/// such interpreter, naming those that were tried and what to install, or when the script is not installed.
int run_python_script(const PythonScript& script);

/// A script whose standard output is read while it runs.
class PythonPipe {
 public:
  /// Starts the script; throws as run_python_script does.
  explicit PythonPipe(const PythonScript& script);
  /// Ends a script that still runs.
  ~PythonPipe();
  PythonPipe(const PythonPipe&) = delete;
  PythonPipe& operator=(const PythonPipe&) = delete;

  int fd() const noexcept { return fd_; }
  /// Waits for the script's end and returns its exit code, 128 + N after signal N.
  int wait();

 private:
  pid_t child_ = -1;
  int fd_ = -1;
};

}  // namespace treble::cli
