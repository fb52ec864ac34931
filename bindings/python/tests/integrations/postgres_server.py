"""A PostgreSQL with pgvector for a test, from the programs in the package `pgserver`.

The start that the package has would, for root, add a user to the machine and open every folder above the data to all;
here root runs copies of the programs as nobody.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def _copy_programs(to: Path) -> Path:
    spec = importlib.util.find_spec("pgserver")
    assert spec is not None, "the package pgserver is not installed"
    assert spec.origin is not None
    package = Path(spec.origin).parent
    # The programs look for their libraries beside the package.
    shutil.copytree(
        package / "pginstall", to / "pgserver" / "pginstall", ignore=shutil.ignore_patterns("*.a", "include")
    )
    shutil.copytree(package.with_name("pgserver.libs"), to / "pgserver.libs")
    return to / "pgserver" / "pginstall" / "bin"


def _user() -> dict[str, Any]:
    """Arguments of subprocess.run; PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


@contextmanager
def postgres_server() -> Iterator[str]:
    """Its URL; it listens on a socket in a folder of its own, and ends with the block."""
    folder = Path(tempfile.mkdtemp(prefix="treble-pg-"))
    user = _user()

    def run(*command: object) -> None:
        # Files, not pipes: the server inherits them and would keep a pipe open.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(
                [str(word) for word in command], stdout=output, stderr=output, cwd="/", timeout=60, check=False, **user
            )
            output.seek(0)
            assert done.returncode == 0, output.read()

    try:
        folder.chmod(0o755)
        data = folder / "data"
        data.mkdir(mode=0o700)
        if user:
            os.chown(data, user["user"], user["group"])
        programs = _copy_programs(folder)
        run(
            programs / "initdb",
            "-D",
            data,
            "--auth=trust",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
            "-U",
            "postgres",
        )
        options = f"-c listen_addresses='' -k {data} -c fsync=off"
        run(programs / "pg_ctl", "-D", data, "-w", "-o", options, "-l", data / "log", "start")
        try:
            yield f"postgresql://postgres@/postgres?host={data}"
        finally:
            run(programs / "pg_ctl", "-D", data, "-w", "-m", "fast", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
