"""What this machine is, for the pages that state figures."""

from __future__ import annotations

from pathlib import Path


def cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown CPU"


def isa_names() -> str:
    """The instruction sets that matter for speed here."""
    flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    wanted = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile")
    return ", ".join(name for name in wanted if name in flags)
