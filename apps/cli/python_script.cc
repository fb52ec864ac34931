#include "python_script.h"

#include <fcntl.h>
#include <fmt/ranges.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "fail.h"

namespace treble::cli {

namespace {

namespace fs = std::filesystem;

/// Descriptors for a program that is started; -1: ours.
struct Streams {
  int out = -1;
  int error = -1;
};

/// Starts a program found in PATH. Returns its process, or -1 when it could not be started.
pid_t start(const std::vector<std::string>& command, const Streams& streams) {
  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (const auto& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  if (streams.out >= 0) ::posix_spawn_file_actions_adddup2(&actions, streams.out, STDOUT_FILENO);
  if (streams.error >= 0) ::posix_spawn_file_actions_adddup2(&actions, streams.error, STDERR_FILENO);
  // This program ignores a broken pipe; others expect to be ended by it.
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t restored;
  sigemptyset(&restored);
  sigaddset(&restored, SIGPIPE);
  ::posix_spawnattr_setsigdefault(&attributes, &restored);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  pid_t child = -1;
  const int error = ::posix_spawnp(&child, arguments[0], &actions, &attributes, arguments.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  return error == 0 ? child : -1;
}

/// 127 for a program that could not be started, as in a shell.
int wait_for(pid_t child) {
  if (child < 0) return 127;
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) fail_errno("wait for", "a program that was started");
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int run_silently(const std::vector<std::string>& command) {
  const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  const int code = wait_for(start(command, {nowhere, nowhere}));
  if (nowhere >= 0) ::close(nowhere);
  return code;
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
    const int code = run_silently({candidate, "-c", probe});
    if (code == 0) return candidate;
    tried.push_back(candidate + (code == 127 ? " (not there)" : " (lacks it)"));
  }
  fail(ErrorCode::not_found,
       "this needs Python with the packages {}; tried {}. Install them with `python3 -m pip install {}`, or name "
       "another "
       "interpreter in TREBLE_PYTHON",
       fmt::join(modules, ", "), fmt::join(tried, ", "), fmt::join(modules, " "));
}

/// bin/treble has its scripts in share/treble, both when built and when installed; in the Python package, whose own
/// they are, beside bin.
fs::path find_script(const std::string& name) {
  std::error_code error;
  const fs::path prefix = fs::read_symlink("/proc/self/exe", error).parent_path().parent_path();
  fs::path path = prefix / name;
  if (!fs::exists(path, error)) path = prefix / "share" / "treble" / name;
  if (!fs::exists(path, error)) {
    const fs::path script(name);
    fail(ErrorCode::not_found,
         "{} is missing; install Treble again, or run `python3 -m treble.{}` where Treble's Python "
         "package is installed",
         path.string(), (script.has_parent_path() ? script.parent_path() : script.stem()).string());
  }
  return path;
}

std::vector<std::string> command_of(const PythonScript& script) {
  const fs::path path = find_script(script.file);
  std::vector<std::string> command = {script.interpreter.empty() ? find_python(script) : script.interpreter,
                                      path.string()};
  command.insert(command.end(), script.arguments.begin(), script.arguments.end());
  return command;
}

}  // namespace

std::string find_python(const PythonScript& script) { return find_interpreter(script.modules); }

int run_python_script(const PythonScript& script) { return wait_for(start(command_of(script), {})); }

PythonPipe::PythonPipe(const PythonScript& script) {
  const auto command = command_of(script);
  std::array<int, 2> ends = {};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) fail_errno("make", "a pipe");
  fd_ = ends[0];
  child_ = start(command, {.out = ends[1]});
  ::close(ends[1]);
}

PythonPipe::~PythonPipe() {
  ::close(fd_);
  if (child_ < 0) return;
  ::kill(child_, SIGTERM);
  wait();
}

int PythonPipe::wait() { return wait_for(std::exchange(child_, -1)); }

}  // namespace treble::cli
