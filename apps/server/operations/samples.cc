#include "operations/samples.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <system_error>

namespace treble::server {
namespace {

using SampleLabels = std::vector<std::pair<std::string, std::string>>;

Sample counter(std::string name, std::string help, SampleLabels labels, std::uint64_t value) {
  return {std::move(name), std::move(help), SampleKind::counter, std::move(labels), static_cast<double>(value)};
}

Sample gauge(std::string name, std::string help, SampleLabels labels, double value) {
  return {std::move(name), std::move(help), SampleKind::gauge, std::move(labels), value};
}

Sample histogram(std::string name, std::string help, SampleLabels labels, const Histogram& value) {
  return {std::move(name), std::move(help), SampleKind::histogram, std::move(labels), 0, value};
}

/// The fields of /proc/self/stat from the third on (`man 5 proc_pid_stat`): [0] is "state". The second, the program's
/// name in parentheses, may hold spaces.
std::vector<std::string> stat_fields() {
  std::ifstream file("/proc/self/stat");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  const auto name_end = text.rfind(')');
  std::istringstream rest(name_end == std::string::npos ? std::string() : text.substr(name_end + 1));
  std::vector<std::string> fields;
  for (std::string field; rest >> field;) fields.push_back(field);
  return fields;
}

/// Seconds since 1970 when the machine was started.
double boot_time() {
  std::ifstream file("/proc/stat");
  for (std::string key; file >> key; file.ignore(1 << 20, '\n')) {
    double seconds = 0;
    if (key == "btime" && file >> seconds) return seconds;
  }
  return 0;
}

std::int64_t open_files() {
  std::error_code error;
  std::int64_t count = 0;
  for (std::filesystem::directory_iterator entry("/proc/self/fd", error), end; !error && entry != end;
       entry.increment(error)) {
    ++count;
  }
  return count - 1;  // Without the one that listed them.
}

}  // namespace

std::vector<Sample> queue_samples(const std::string& model, const QueueStatistics& statistics) {
  const SampleLabels labels = {{"model", model}};
  std::vector<Sample> samples = {
      gauge("te_queue_size", "Texts that wait for a batch.", labels, static_cast<double>(statistics.waiting_texts)),
      histogram("te_batch_next_size", "Texts of a batch.", labels, statistics.batch_texts),
      histogram("te_batch_next_tokens", "Tokens of a batch.", labels, statistics.batch_tokens),
      gauge("treble_queue_open_requests", "Requests accepted by the model's queue and not yet answered.", labels,
            static_cast<double>(statistics.open_requests)),
      gauge("treble_queue_waiting_texts", "Texts that wait for a batch.", labels,
            static_cast<double>(statistics.waiting_texts)),
      gauge("treble_queue_waiting_tokens", "Tokens that wait for a batch; of texts not yet tokenized, an estimate.",
            labels, static_cast<double>(statistics.waiting_tokens)),
      gauge("treble_queue_running_batches", "Batches that run now.", labels,
            static_cast<double>(statistics.running_batches)),
      counter("treble_queue_encoded_texts_total", "Texts that the model read.", labels, statistics.encoded_texts),
      counter("treble_queue_encoded_tokens_total", "Tokens that the model read.", labels, statistics.encoded_tokens),
      histogram("treble_queue_wait_seconds", "Time of a text from its arrival until its batch begins.", labels,
                statistics.wait_seconds),
      histogram("treble_queue_request_seconds", "Time of a completed request in the queue and the model.", labels,
                statistics.total_seconds),
  };
  const auto request = [&](const char* outcome, std::uint64_t value) {
    samples.push_back(counter("treble_queue_requests_total", "Requests to the model's queue by how they ended.",
                              {{"model", model}, {"outcome", outcome}}, value));
  };
  request("completed", statistics.completed);
  request("failed", statistics.failed);
  request("cancelled", statistics.cancelled);
  request("expired", statistics.expired);
  request("shut_down", statistics.shut_down);
  request("overloaded", statistics.overloaded);
  return samples;
}

std::vector<Sample> http_samples(const HttpStatistics& statistics) {
  return {
      gauge("treble_http_connections", "Open connections.", {}, static_cast<double>(statistics.connections)),
      gauge("treble_http_requests_in_progress", "Requests that were read and are not yet answered.", {},
            static_cast<double>(statistics.requests_in_progress)),
      counter("treble_http_accepted_connections_total", "Connections that were accepted.", {}, statistics.accepted),
      counter("treble_http_timed_out_connections_total", "Connections that a timeout closed.", {},
              statistics.timed_out),
      counter("treble_http_clients_gone_total", "Requests whose client left before the answer.", {},
              statistics.clients_gone),
  };
}

std::vector<Sample> process_samples() {
  const auto fields = stat_fields();
  const auto field = [&](std::size_t number) {  // As `man 5 proc_pid_stat` counts them.
    return number - 3 < fields.size() ? std::stod(fields[number - 3]) : 0.0;
  };
  const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  rlimit files = {};
  ::getrlimit(RLIMIT_NOFILE, &files);
  std::vector<Sample> samples = {
      gauge("process_resident_memory_bytes", "Resident memory size in bytes.", {},
            field(24) * static_cast<double>(::sysconf(_SC_PAGESIZE))),
      gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", {}, field(23)),
      gauge("process_threads", "Number of OS threads in the process.", {}, field(20)),
      gauge("process_open_fds", "Number of open file descriptors.", {}, static_cast<double>(open_files())),
      gauge("process_max_fds", "Maximum number of open file descriptors.", {}, static_cast<double>(files.rlim_cur)),
      gauge("process_start_time_seconds", "Start time of the process since unix epoch in seconds.", {},
            boot_time() + field(22) / ticks),
  };
  Sample cpu = gauge("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", {},
                     (field(14) + field(15)) / ticks);
  cpu.kind = SampleKind::counter;
  samples.push_back(std::move(cpu));
  return samples;
}

}  // namespace treble::server
