// What of the CPU this process may use: threads and instruction sets.
#pragma once

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
};

const CpuFeatures& cpu_features();

}  // namespace treble::internal
