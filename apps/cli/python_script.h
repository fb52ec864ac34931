// Running the parts of Treble that are written in Python.
#pragma once

#include <string>
#include <vector>

namespace treble::cli {

struct PythonScript {
  std::string file;                  ///< under share/treble beside the program's folder: "bake_onnx.py"
  std::vector<std::string> modules;  ///< that the interpreter must be able to import
  std::vector<std::string> arguments;
};

/// Runs the script to its end with the first interpreter that has the modules: $TREBLE_PYTHON alone if that is set,
/// else those of $VIRTUAL_ENV, `python3` and `python`. Returns its exit code. Throws Error{not_found} when there is no
/// such interpreter, naming those that were tried and what to install, or when the script is not installed.
int run_python_script(const PythonScript& script);

}  // namespace treble::cli
