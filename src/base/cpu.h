// What of the CPU this process may use: threads and instruction sets.
#pragma once

#include <cstdint>
#include <string>

namespace treble::internal {

/// The CPUs of the process's affinity mask, capped by the cgroup's CPU quota (v2 cpu.max, v1 cpu.cfs_quota_us), rounded
/// up; at least 1. Never the host's core count: a container with two CPUs of 64 gets 2.
int available_threads();

/// The quota of a cgroup in CPUs, from a file tree laid out as /sys/fs/cgroup; 0 when there is none.
/// `cgroup_path` is the process's own group ("/", "/docker/abc"); parents' quotas count too.
double cgroup_cpu_quota(const std::string& mount, const std::string& cgroup_path);

/// Instruction sets that the CPU has and the operating system has enabled, as far as Treble has kernels of its own for
/// them. All false on other architectures than x86-64.
struct CpuFeatures {
  bool avx2_fma = false;
  bool avx512_vnni = false;  ///< with AVX512-VL
  bool avx512_vbmi = false;
  bool amx = false;  ///< tiles, with products of bfloat16 and of int8, that the operating system lets this process use
  bool intel = false;  ///< made by Intel
};

/// Whether words of the CPU say AMX: EDX of CPUID's leaf 7 (tiles, bfloat16 and int8), and XCR0, the registers that the
/// operating system saves (XTILECFG and XTILEDATA).
bool names_amx(std::uint32_t leaf7_edx, std::uint64_t xcr0);

/// Detected once. That asks Linux for the tiles' registers, which it saves for processes that have asked; a refusal
/// means no AMX.
const CpuFeatures& cpu_features();

}  // namespace treble::internal
