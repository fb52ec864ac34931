#!/usr/bin/env python3
"""Refuse includes that go up or across the ladder of folders.

`tools/check_includes.py` reads every C++ file and prints each include that its folder may not have; exit status 1 when
there is one. The ladder below is the one of docs/architecture.md.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# What each folder of src/ may include directly; what those may include comes with them.
LADDER: dict[str, list[str]] = {
    "base": [],
    "tensor": ["base"],
    "kernels": ["tensor"],
    "safetensors": ["tensor"],
    "tokenizer": ["base"],
    "batch": ["tensor", "tokenizer/tokenized_text.h"],
    "temperature": ["tensor"],
    "layers": ["kernels", "batch", "temperature"],
    "models": ["layers", "safetensors"],
    "pooling": ["kernels", "batch", "safetensors"],
    "transforms": ["kernels", "batch", "safetensors"],
    "bake": ["models", "temperature"],
    "diagnostics": ["kernels", "batch", "layers/attention_observer.h"],
    "evaluation": ["tensor"],
    "engine": ["models", "pooling", "transforms", "diagnostics", "tokenizer", "bake"],
    "sweep": ["engine", "evaluation"],
    "bulk": ["engine"],
}

# Public headers below the facade; only the engine, its tests and the programs see the rest.
PUBLIC_EVERYWHERE = {
    "treble/decompress.h",
    "treble/error.h",
    "treble/evaluation.h",
    "treble/export.h",
    "treble/options.h",
    "treble/post_transform.h",
    "treble/progress.h",
    "treble/similarity.h",
    "treble/temperature.h",
    "treble/temperature_profile.h",
    "treble/version.h",
    "treble/whole_file.h",
}
# The one folder that may touch each of these libraries.
ONLY_IN = {
    "oneapi/dnnl": "src/kernels/onednn/",
    "dnnl": "src/kernels/onednn/",
    "hwy/": "src/kernels/simd/",
    "treble_tokenizers.h": "src/tokenizer/",
    "zlib.h": "src/base/",
    "zstd": "src/base/",
}

INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.MULTILINE)


def allowed(folder: str) -> set[str]:
    """Everything `folder` may include: folder names, and single headers."""
    reach = {folder}
    todo = [folder]
    while todo:
        for entry in LADDER.get(todo.pop(), []):
            if entry not in reach:
                reach.add(entry)
                todo.append(entry)
    return reach


def check_source(path: Path, include: str, reach: set[str]) -> str | None:
    """The reason why a file of src/ may not have this include, or None."""
    top = include.split("/", 1)[0]
    if top == "treble":
        is_facade = include not in PUBLIC_EVERYWHERE
        folder = path.relative_to(ROOT / "src").parts[0]
        if is_facade and folder not in ("engine", "diagnostics", "bake", "sweep", "bulk"):
            return f"{folder} may not include the facade {include}"
        return None
    if top in LADDER and (ROOT / "src" / top).is_dir() and top not in reach and include not in reach:
        return f"{path.relative_to(ROOT / 'src').parts[0]} may not include {top}"
    return None


def hidden_from_programs(include: str) -> bool:
    """Whether an include is one of src/ that apps/ may not have."""
    return (ROOT / "src" / include).exists()


def check_file(path: Path) -> list[str]:
    """Complaints about one file."""
    name = path.relative_to(ROOT).as_posix()
    complaints = []
    for include in INCLUDE.findall(path.read_text(encoding="utf-8")):
        reason = None
        for library, home in ONLY_IN.items():
            if include.startswith(library) and not name.startswith((home, "tests/fuzz/")):
                reason = f"only {home} may include {include}"
        if name.startswith("src/") and len(Path(name).parts) > 2:
            reason = reason or check_source(path, include, allowed(Path(name).parts[1]))
        elif name.startswith("apps/") and hidden_from_programs(include):
            reason = reason or f"programs see public headers only, not {include}"
        if reason:
            complaints.append(f"{name}: {reason}")
    return complaints


def main() -> int:
    folders = {p.name for p in (ROOT / "src").iterdir() if p.is_dir()}
    complaints = [f"src/{name}: not in the ladder of tools/check_includes.py" for name in sorted(folders - set(LADDER))]
    places = [ROOT / top for top in ("src", "apps", "include")]
    files = [path for place in places for path in sorted(place.rglob("*")) if path.suffix in (".h", ".cc")]
    for path in files:
        complaints += check_file(path)
    print("\n".join(complaints) if complaints else f"{len(files)} files keep to the ladder")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
