// How many threads this process may really use.
#pragma once

#include <string>

namespace treble::internal {

/// The CPUs of the process's affinity mask, capped by the cgroup's CPU quota (v2 cpu.max, v1 cpu.cfs_quota_us), rounded
/// up; at least 1. Never the host's core count: a container with two CPUs of 64 gets 2.
int available_threads();

/// The quota of a cgroup in CPUs, from a file tree laid out as /sys/fs/cgroup; 0 when there is none.
/// `cgroup_path` is the process's own group ("/", "/docker/abc"); parents' quotas count too.
double cgroup_cpu_quota(const std::string& mount, const std::string& cgroup_path);

}  // namespace treble::internal
