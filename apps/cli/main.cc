// treble: the command line program.
#include <exception>
#include <new>

#include "flag_names.h"
#include "program.h"
#include "standard_streams.h"
#include "treble/error.h"

int main(int argc, char** argv) {
  using treble::cli::say;
  const int internal = treble::mapping(treble::ErrorCode::internal).exit_code;
  treble::cli::prepare_standard_streams();
  try {
    return treble::cli::run_program(argc, argv);
  } catch (const treble::cli::BrokenPipe&) {
    treble::cli::die_of_broken_pipe();
  } catch (const treble::Error& error) {
    say("treble: error: {}\n", treble::cli::with_flags(error.what()));
    return treble::mapping(error.code()).exit_code;
  } catch (const std::bad_alloc&) {
    say("treble: error: out of memory; fewer --threads or a smaller --max-length need less\n");
  } catch (const std::exception& error) {
    say("treble: error: {} (a fault in treble itself; please report it)\n", error.what());
  } catch (...) {
    say("treble: error: unknown failure (a fault in treble itself; please report it)\n");
  }
  return internal;
}
