#include "python_script.h"

#include <fcntl.h>
#include <fmt/ranges.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>

#include "fail.h"

namespace treble::cli {

namespace {

namespace fs = std::filesystem;

/// Starts a program found in PATH and waits for it. 127: it could not be started, as in a shell.
int run(const std::vector<std::string>& command, bool quiet) {
  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (const auto& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  if (quiet) {
    ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  }
  // This program ignores a broken pipe; others expect to be ended by it.
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t restored;
  sigemptyset(&restored);
  sigaddset(&restored, SIGPIPE);
  ::posix_spawnattr_setsigdefault(&attributes, &restored);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, arguments[0], &actions, &attributes, arguments.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return 127;
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) fail_errno("wait for", command.front());
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::vector<std::string> interpreters() {
  if (const char* chosen = std::getenv("TREBLE_PYTHON"); chosen != nullptr && *chosen != '\0') return {chosen};
  std::vector<std::string> found;
  if (const char* venv = std::getenv("VIRTUAL_ENV"); venv != nullptr && *venv != '\0') {
    found.push_back(std::string(venv) + "/bin/python");
  }
  found.insert(found.end(), {"python3", "python"});
  return found;
}

std::string find_interpreter(const std::vector<std::string>& modules) {
  const std::string probe = fmt::format("import {}", fmt::join(modules, ", "));
  const auto candidates = interpreters();
  std::vector<std::string> tried;
  for (const auto& candidate : candidates) {
    const int code = run({candidate, "-c", probe}, true);
    if (code == 0) return candidate;
    tried.push_back(candidate + (code == 127 ? " (not there)" : " (lacks it)"));
  }
  fail(ErrorCode::not_found,
       "this needs Python with the packages {}; tried {}. Install them with `python3 -m pip install {}`, or name "
       "another "
       "interpreter in TREBLE_PYTHON",
       fmt::join(modules, ", "), fmt::join(tried, ", "), fmt::join(modules, " "));
}

/// bin/treble has its scripts in share/treble, both when built and when installed.
fs::path find_script(const std::string& name) {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  const fs::path path = program.parent_path().parent_path() / "share" / "treble" / name;
  if (error || !fs::exists(path, error)) {
    fail(ErrorCode::not_found,
         "{} is missing; install Treble again, or run `python3 -m treble.{}` where Treble's Python "
         "package is installed",
         path.string(), fs::path(name).stem().string());
  }
  return path;
}

}  // namespace

int run_python_script(const PythonScript& script) {
  const fs::path path = find_script(script.file);
  std::vector<std::string> command = {find_interpreter(script.modules), path.string()};
  command.insert(command.end(), script.arguments.begin(), script.arguments.end());
  return run(command, false);
}

}  // namespace treble::cli
