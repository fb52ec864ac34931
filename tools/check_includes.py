#!/usr/bin/env python3
"""Check what each folder includes, and that internals stay internal.

`tools/check_includes.py` reads tools/folders.toml and every C++ file, and prints each include that its folder may not
have, each header of src/ outside `namespace treble::internal`, each public header that treble/treble.h lacks, and
whether the table of docs/architecture.md differs from tools/folders.toml; exit status 1 when there is anything.
`--write` renews the table.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TABLE = tomllib.loads((ROOT / "tools/folders.toml").read_text(encoding="utf-8"))
FOLDERS: dict[str, dict] = {folder["name"]: folder for folder in TABLE["folder"]}
PAGE = ROOT / "docs/architecture.md"
BEGIN = "<!-- Written by tools/check_includes.py --write from tools/folders.toml. -->\n"
END = "<!-- End of the table. -->\n"

INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.MULTILINE)
# Headers of src/ that define what public headers declare: a class's Impl.
PUBLIC_NAMESPACE = (
    "src/transforms/post_impl.h",
    "src/engine/request_queue_impl.h",
    "src/engine/sentence_encoder_impl.h",
)


def is_source_folder(name: str) -> bool:
    return (ROOT / "src" / name).is_dir()


def allowed(folder: str) -> set[str]:
    """Everything `folder` may include: folder names, and single headers."""
    reach = {folder}
    todo = [folder]
    while todo:
        for entry in FOLDERS.get(todo.pop(), {}).get("may_include", []):
            if entry not in reach:
                reach.add(entry)
                todo.append(entry)
    return reach


def check_library(name: str, include: str) -> str | None:
    for library, home in TABLE["only_in"].items():
        if include.startswith(library) and not name.startswith((home, "tests/fuzz/")):
            return f"only {home} may include {include}"
    return None


def check_source(folder: str, include: str) -> str | None:
    """The reason why a file of src/ may not have this include, or None."""
    top = include.split("/", 1)[0]
    if top == "treble":
        if include not in TABLE["public_everywhere"] and folder not in TABLE["facade_folders"]:
            return f"{folder} may not include the facade {include}"
        return None
    reach = allowed(folder)
    if is_source_folder(top) and top not in reach and include not in reach:
        return f"{folder} may not include {top}"
    return None


def check_program(folder: str, include: str) -> str | None:
    """The same for a folder beside src/, whose direct entries count and no more."""
    entries = FOLDERS[folder]["may_include"]
    top = include.split("/", 1)[0]
    if (ROOT / "src" / include).exists() and top not in entries and include not in entries:
        return f"{folder} may include {', '.join(entries)}, not {include}"
    return None


def check_public(include: str) -> str | None:
    if include.startswith("treble/") or ("/" not in include and "." not in include):
        return None
    return f"a public header may include the standard library and public headers, not {include}"


def check_file(path: Path) -> list[str]:
    """Complaints about one file."""
    name = path.relative_to(ROOT).as_posix()
    text = path.read_text(encoding="utf-8")
    program = next(
        (folder for folder in FOLDERS if "/" in folder and name.startswith(folder + "/")),
        None,
    )
    program = program or ("examples" if name.startswith("examples/") else None)
    complaints = []
    for include in INCLUDE.findall(text):
        reason = check_library(name, include)
        if name.startswith("src/"):
            reason = reason or check_source(Path(name).parts[1], include)
        elif program:
            reason = reason or check_program(program, include)
        elif name.startswith("include/"):
            reason = reason or check_public(include)
        if reason:
            complaints.append(f"{name}: {reason}")
    is_internal = "namespace treble {" not in text and "namespace treble::internal" in text
    if name.startswith("src/") and path.suffix == ".h" and not (is_internal or name.startswith(PUBLIC_NAMESPACE)):
        complaints.append(f"{name}: what src/ keeps to itself is in namespace treble::internal")
    return complaints


def check_umbrella() -> list[str]:
    """treble/treble.h includes every public header."""
    umbrella = ROOT / "include/treble/treble.h"
    included = set(INCLUDE.findall(umbrella.read_text(encoding="utf-8")))
    headers = {f"treble/{path.name}" for path in umbrella.parent.glob("*.h") if path != umbrella}
    return [f"include/treble/treble.h: {header} is missing" for header in sorted(headers - included)]


def folder_table() -> str:
    """The table of docs/architecture.md."""
    rows = ["| folder | holds | may include |", "|---|---|---|"]
    words = {"public": "public headers"}
    none = "\N{EN DASH}"
    for folder in TABLE["folder"]:
        entries = [f"`{entry}`" if "/" in entry else words.get(entry, entry) for entry in folder["may_include"]]
        rows.append(f"| {folder['name']} | {folder['holds']} | {', '.join(entries) or none} |")
    everywhere = ", ".join(f"`{header.removeprefix('treble/')}`" for header in TABLE["public_everywhere"])
    facade = ", ".join(TABLE["facade_folders"])
    return "\n".join(rows) + f"\n\nPublic headers that every folder may include: {everywhere}; the others: {facade}.\n"


def check_page(write: bool) -> list[str]:
    """Complaints when the page's table is not the one of tools/folders.toml; writes it instead when asked to."""
    page = PAGE.read_text(encoding="utf-8")
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        return [f"{PAGE.relative_to(ROOT)}: the comments around the table of folders are missing"]
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    wanted = f"{before}{BEGIN}\n{folder_table()}\n{END}{after}"
    if wanted == page:
        return []
    if write:
        PAGE.write_text(wanted, encoding="utf-8")
        return []
    return [f"{PAGE.relative_to(ROOT)}: its table differs from tools/folders.toml; run tools/check_includes.py --write"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="renew the table of docs/architecture.md")
    write = parser.parse_args().write

    folders = {path.name for path in (ROOT / "src").iterdir() if path.is_dir()}
    complaints = [f"src/{name}: not in tools/folders.toml" for name in sorted(folders - set(FOLDERS))]
    places = [ROOT / top for top in ("src", "apps", "include", "examples")]
    files = [path for place in places for path in sorted(place.rglob("*.[hc]*")) if path.suffix in (".h", ".cc")]
    for path in files:
        if "node_modules" not in path.parts:
            complaints += check_file(path)
    complaints += check_umbrella()
    complaints += check_page(write)
    print("\n".join(complaints) if complaints else f"{len(files)} files keep to tools/folders.toml")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
