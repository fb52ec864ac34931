// treble serve: texts to vectors over HTTP.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "server.h"
#include "treble/options.h"

namespace treble::cli {

class ServeCommand {
 public:
  void add_to(CLI::App& app);
  bool chosen() const { return command_->parsed(); }
  /// Serves until SIGTERM or Ctrl-C; returns the program's exit code.
  int run();

 private:
  void add_model_options();
  void add_http_options();
  void add_limit_options();
  void add_connection_options();
  void add_operation_options();
  server::ServerOptions resolve() const;
  std::vector<server::ServedModelOptions> resolve_models() const;

  CLI::App* command_ = nullptr;
  std::string config_;
  std::vector<std::string> models_;
  std::vector<std::string> names_;
  std::vector<std::string> temperatures_;
  std::vector<std::string> states_;
  std::vector<std::string> profiles_;
  std::vector<std::string> adapters_;
  std::vector<std::string> ranges_;
  std::vector<std::string> tasks_;
  std::string dtype_ = "float32";
  std::string extend_ = "none";
  std::string default_prompt_name_;
  std::string default_prompt_;
  ModelOptions model_;
  RequestQueueOptions queue_;
  server::ServerOptions options_;
  double header_timeout_ = 10;
  double body_timeout_ = 60;
  double write_timeout_ = 60;
  double keep_alive_timeout_ = 75;
  double request_timeout_ = 0;
  double drain_limit_ = 30;
  std::string log_level_ = "info";
  bool json_output_ = false;
  std::string otlp_endpoint_;
  std::string otlp_service_name_ = "treble";
};

}  // namespace treble::cli
