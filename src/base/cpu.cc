#include "base/cpu.h"

#include <sched.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>
#include <thread>

namespace treble::internal {

namespace {

/// v2: "200000 100000" or "max 100000".
double quota_v2(const std::string& folder) {
  std::ifstream file(folder + "/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return 0;
  char* end = nullptr;
  const double value = std::strtod(quota.c_str(), &end);
  return (*end == '\0' && value > 0) ? value / period : 0;
}

double quota_v1(const std::string& folder) {
  std::ifstream quota_file(folder + "/cpu.cfs_quota_us");
  std::ifstream period_file(folder + "/cpu.cfs_period_us");
  double quota = 0;
  double period = 0;
  if (!(quota_file >> quota) || !(period_file >> period) || quota <= 0 || period <= 0) return 0;
  return quota / period;
}

double smaller_quota(double a, double b) {
  if (a <= 0) return b;
  if (b <= 0) return a;
  return std::min(a, b);
}

int affinity_threads() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
  // More CPUs than cpu_set_t can hold: fall back to what the library knows.
  return static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
}

/// Lines of /proc/self/cgroup: "0::/group" (v2) or "4:cpu,cpuacct:/group" (v1).
double own_quota() {
  std::ifstream file("/proc/self/cgroup");
  double quota = 0;
  for (std::string line; std::getline(file, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string path = line.substr(second + 1);
    if (controllers.empty()) quota = smaller_quota(quota, cgroup_cpu_quota("/sys/fs/cgroup", path));
    if (("," + controllers + ",").find(",cpu,") != std::string::npos) {
      quota = smaller_quota(quota, cgroup_cpu_quota("/sys/fs/cgroup/cpu", path));
    }
  }
  return quota;
}

#if defined(__x86_64__)
/// The word of registers that the operating system saves; 0 where it cannot be read.
std::uint64_t saved_registers() {
  constexpr unsigned kOsxsave = 1U << 27;
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0 || (ecx & kOsxsave) == 0) return 0;
  asm volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
  return std::uint64_t{edx} << 32 | eax;
}

/// Of the CPU, then of Linux (5.16 and later), for this process and all threads of it.
bool detect_amx() {
  constexpr int kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr int kTileData = 18;               // XFEATURE_XTILEDATA
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0 || !names_amx(edx, saved_registers())) return false;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}
#endif

CpuFeatures detect_features() {
  CpuFeatures features;
#if defined(__x86_64__)
  features.avx2_fma = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  features.avx512_vnni = __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vl");
  features.avx512_vbmi = __builtin_cpu_supports("avx512vbmi");
  features.amx = detect_amx();
  features.intel = __builtin_cpu_is("intel") != 0;
#endif
  return features;
}

}  // namespace

bool names_amx(std::uint32_t leaf7_edx, std::uint64_t xcr0) {
  constexpr std::uint32_t kInstructions = 1U << 22 | 1U << 24 | 1U << 25;  // AMX-BF16, AMX-TILE, AMX-INT8
  constexpr std::uint64_t kRegisters = 1U << 17 | 1U << 18;
  return (leaf7_edx & kInstructions) == kInstructions && (xcr0 & kRegisters) == kRegisters;
}

const CpuFeatures& cpu_features() {
  static const CpuFeatures features = detect_features();
  return features;
}

double cgroup_cpu_quota(const std::string& mount, const std::string& cgroup_path) {
  // Inside a container the group's own folder is often the mount itself, so the walk up to the mount covers both.
  double quota = 0;
  std::string path = cgroup_path == "/" ? "" : cgroup_path;
  while (true) {
    const std::string folder = mount + path;
    quota = smaller_quota(quota, smaller_quota(quota_v2(folder), quota_v1(folder)));
    if (path.empty()) return quota;
    const auto slash = path.rfind('/');
    path = slash == std::string::npos ? "" : path.substr(0, slash);
  }
}

int available_threads() {
  const int threads = affinity_threads();
  const double quota = own_quota();
  if (quota <= 0) return threads;
  return std::clamp(static_cast<int>(std::ceil(quota)), 1, threads);
}

}  // namespace treble::internal
