#include "reference_command.h"

#include "command_line.h"
#include "program_reference.h"
#include "standard_streams.h"
#include "treble/version.h"

namespace treble::cli {

void ReferenceCommand::add_to(CLI::App& app) {
  command_ = app.add_subcommand("reference", "Print the manual page or a shell's completion");
  // Hidden: it is run when Treble is built.
  command_->group("");
  command_->add_option("FORM", form_, "man, bash or zsh")->required()->check(one_of({"man", "bash", "zsh"}));
}

int ReferenceCommand::run(CLI::App& app) const {
  const ProgramReference program = describe(app);
  if (form_ == "man") {
    print_out(man_page(program, version()));
  } else {
    print_out(form_ == "bash" ? bash_completion(program) : zsh_completion(program));
  }
  return 0;
}

}  // namespace treble::cli
