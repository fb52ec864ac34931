#!/usr/bin/env python3
"""Gather the licences of what a built Treble carries inside itself, into one text file.

    tools/third_party_licenses.py [--wheel] --output FILE

Carried are: oneDNN (in lib/treble), the Rust crates of the tokenizer (linked in), header-only C++ libraries, the npm
packages in the pages. Shared libraries that a package only depends on (libfmt, libhwy, …) bring their own; a
Python wheel carries them, and nanobind (--wheel).
Fails when a component has no licence text, so that a new dependency cannot slip in without one.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CRATE = ROOT / "rust/tokenizers_ffi/Cargo.toml"
PAGE = ROOT / "apps/web"
# Of a release archive: the pages' licences, beside the built pages.
PAGE_LICENSES = PAGE / "built/LICENSES.txt"
# Header-only libraries, compiled in: the package that brings each, as Debian records its licence.
HEADER_ONLY = ("nlohmann-json3-dev", "libcli11-dev", "libboost1.81-dev", "libeigen3-dev")
# Shared libraries that a wheel carries too: the Debian package that brings each.
SHARED = ("libfmt9", "libhwy1", "libssl3", "libzstd1", "zlib1g", "libgomp1", "libprometheus-cpp-core1.0")
# For a component whose package names a licence and carries no text: the text that the name stands for.
STANDARD_TEXTS = {"Apache-2.0": ROOT / "LICENSE"}
LICENSE_FILE = re.compile(r"(licen[cs]e|copying|notice|copyright|third-party-programs)", re.IGNORECASE)


class MissingLicense(Exception):
    """A component without a licence text: the message names it."""


@dataclass(frozen=True)
class Component:
    """Something that is carried, under which licence, with its texts."""

    name: str
    license: str
    texts: tuple[str, ...]


def license_texts(folder: Path) -> tuple[str, ...]:
    """The licence files directly in a folder."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and LICENSE_FILE.search(path.name))
    return tuple(path.read_text(encoding="utf-8", errors="replace").strip() for path in files if path.suffix != ".rs")


def onednn() -> Component:
    """The wheel's own texts, with what oneDNN itself is made of."""
    folder = ROOT / ".venv/share/doc/onednn"
    if not folder.is_dir():
        raise MissingLicense(f"oneDNN: no {folder.relative_to(ROOT)}; run tools/setup.sh")
    return Component("oneDNN (libdnnl)", "Apache-2.0", license_texts(folder))


def linked_crates() -> Iterator[Component]:
    """Every crate that is linked into the library: normal dependencies, without build tools and macros."""
    cargo = [os.environ.get("CARGO", "cargo")]
    arguments = ["--locked", "--offline", "--manifest-path", str(CRATE)]
    tree = [*cargo, "tree", *arguments, "--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}"]
    listed = subprocess.run(tree, capture_output=True, text=True, check=True).stdout
    wanted = {tuple(line.split()[:2]) for line in listed.splitlines() if line}
    query = [*cargo, "metadata", *arguments, "--format-version", "1"]
    packages = json.loads(subprocess.run(query, capture_output=True, text=True, check=True).stdout)["packages"]
    for package in sorted(packages, key=lambda one: one["name"]):
        if (package["name"], "v" + package["version"]) not in wanted or package["source"] is None:
            continue
        folder = Path(package["manifest_path"]).parent
        texts = license_texts(folder)
        if package["name"] == "onig_sys":
            # It compiles in Oniguruma, whose licence lies one folder down.
            texts += license_texts(folder / "oniguruma")
        yield Component(f"{package['name']} {package['version']} (crate)", package["license"] or "see below", texts)


def debian(names: tuple[str, ...]) -> Iterator[Component]:
    """As Debian's copyright files have them."""
    for name in names:
        path = Path("/usr/share/doc") / name / "copyright"
        if not path.is_file():
            raise MissingLicense(f"{name}: no {path}; install the Debian package, whose licence text is carried over")
        yield Component(name.removesuffix("-dev"), "see below", (path.read_text(encoding="utf-8").strip(),))


def nanobind() -> Component:
    """Linked into the extension module; from the Python that runs this, which builds the wheel."""
    for file in metadata.distribution("nanobind").files or ():
        if LICENSE_FILE.search(file.name):
            return Component("nanobind", "BSD-3-Clause", (file.read_text(encoding="utf-8").strip(),))
    raise MissingLicense("nanobind: its package carries no licence text")


def page_packages() -> Iterator[Component]:
    """What the bundler puts into the pages: production dependencies of its lock file."""
    lock = json.loads((PAGE / "package-lock.json").read_text())
    for path, package in sorted(lock["packages"].items()):
        if path and not package.get("dev") and not package.get("optional"):
            folder = PAGE / path
            texts = license_texts(folder) if folder.is_dir() else ()
            name = path.removeprefix("node_modules/")
            yield Component(f"{name} {package['version']} (npm)", package.get("license", "see below"), texts)


def written(components: list[Component]) -> str:
    """One text; licences that many components share word for word stand once."""
    parts = ["What Treble carries within itself, and under which licences.\n"]
    shared: dict[str, list[Component]] = {}
    for component in components:
        for text in component.texts:
            shared.setdefault(text, []).append(component)
        parts.append(f"- {component.name}: {component.license}")
    for text, owners in shared.items():
        parts.append("\n" + "=" * 80 + "\n" + ", ".join(owner.name for owner in owners) + "\n" + "-" * 80 + "\n" + text)
    return "\n".join(parts) + "\n"


def with_text(component: Component) -> Component:
    """Fills in a standard licence where a package names one and carries no file of its own."""
    if component.texts:
        return component
    for name, path in STANDARD_TEXTS.items():
        if name in component.license:
            return Component(component.name, component.license, (path.read_text(encoding="utf-8").strip(),))
    raise MissingLicense(f"{component.name} ({component.license}): its package carries no licence text")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--page-only", action="store_true", help="only what is in the pages")
    parser.add_argument("--wheel", action="store_true", help="with what a Python wheel carries besides")
    arguments = parser.parse_args()
    try:
        carried = PAGE_LICENSES.is_file() and not (PAGE / "node_modules").is_dir()
        components = [] if carried else list(page_packages())
        if not arguments.page_only:
            rust = Component("the Rust standard library", "MIT OR Apache-2.0", ())
            components = [onednn(), rust, *linked_crates(), *debian(HEADER_ONLY), *components]
        if arguments.wheel:
            components += [nanobind(), *debian(SHARED)]
        text = written([with_text(component) for component in components])
    except MissingLicense as error:
        print(f"third_party_licenses: {error}", file=sys.stderr)
        return 65
    if carried:
        text += "\n" + PAGE_LICENSES.read_text(encoding="utf-8")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
