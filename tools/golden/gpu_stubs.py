"""Build empty stand-ins for the GPU libraries that PyPI's torch for Linux is linked against.

That build will not even be imported without gigabytes of GPU packages, of which a CPU run calls nothing. Run with the
interpreter of the environment that holds torch: every function the torch libraries import from a GPU library is
defined in a small shared object, where torch's own search path finds it, and answers "no device".
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

# Prefixes of the imports that carry no version naming their library.
PREFIXES = {
    "cuFile": "libcufile.so.0",
    "cusparseLt": "libcusparseLt.so.0",
    "nccl": "libnccl.so.2",
    "nvshmem": "libnvshmem_host.so.3",
}
GPU_IMPORT = re.compile(r"U ((?:__cuda|cu|nccl|nvrtc|nvshmem)\w*)(?:@+(\S+))?$", re.MULTILINE)
NEEDED = re.compile(r"\(NEEDED\).*\[(lib(?:cu|nv|nccl)\S+)\]")
NO_DEVICE = 100  # cudaErrorNoDevice; any value but 0 is an error to the other libraries too

# The few functions that run while torch's libraries are loaded, or whose answer is not a status.
SPECIAL = {
    "__cudaRegisterFatBinary": "void** __cudaRegisterFatBinary(void* image) { static void* handle; return &handle; }",
    "cudaGetDeviceCount": f"int cudaGetDeviceCount(int* count) {{ *count = 0; return {NO_DEVICE}; }}",
    "cudaGetErrorString": 'const char* cudaGetErrorString(int status) { return "no GPU: stand-in library"; }',
    "cudaGetErrorName": 'const char* cudaGetErrorName(int status) { return "cudaErrorNoDevice"; }',
}


def output_of(*command: str) -> str:
    """Run one of binutils' programs."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def find_imports(folder: Path) -> dict[str, dict[str, set[str]]]:
    """Library to version to the functions that torch imports from it; libraries torch merely names are there too."""
    own = {path.name for path in folder.iterdir()}
    needed: set[str] = set()
    functions: list[tuple[str, str]] = []
    for path in sorted(folder.glob("*.so")):
        needed.update(NEEDED.findall(output_of("readelf", "-dW", str(path))))
        functions += GPU_IMPORT.findall(output_of("nm", "-D", "--undefined-only", str(path)))
    imports: dict[str, dict[str, set[str]]] = {name: defaultdict(set) for name in needed - own - {"libcuda.so.1"}}
    for function, version in functions:
        library = version if version in imports else None
        for prefix, name in PREFIXES.items():
            if library is None and function.startswith(prefix):
                library = name
        if library is not None:
            imports[library][version].add(function)
    return imports


def build(library: str, versions: dict[str, set[str]], folder: Path) -> None:
    """Compile one stand-in, with the symbol versions torch asks for."""
    functions = sorted({function for group in versions.values() for function in group})
    source = "\n".join(SPECIAL.get(name, f"int {name}(void) {{ return {NO_DEVICE}; }}") for name in functions)
    script = "\n".join(
        f"{version} {{ global: {'; '.join(sorted(group))}; }};" for version, group in versions.items() if version
    )
    with tempfile.TemporaryDirectory() as scratch:
        code, versions_file = Path(scratch) / "stub.c", Path(scratch) / "versions.map"
        code.write_text(source + "\n", encoding="utf-8")
        versions_file.write_text(script + "\n", encoding="utf-8")
        command = ["cc", "-shared", "-fPIC", "-O1", f"-Wl,-soname,{library}", "-o", str(folder / library), str(code)]
        if script:
            command.append(f"-Wl,--version-script={versions_file}")
        subprocess.run(command, check=True)


def main() -> None:
    """Put all stand-ins where torch's run path looks for the real libraries."""
    found = importlib.util.find_spec("torch")  # found, not imported: importing is what does not work yet
    if found is None or found.origin is None:
        sys.exit("gpu_stubs: torch is not installed for this interpreter")
    torch_folder = Path(found.origin).parent
    run_path = output_of("readelf", "-dW", str(torch_folder / "lib" / "libtorch_global_deps.so"))
    place = re.search(r"\$ORIGIN/\.\./\.\./(nvidia/cu\d+/lib)", run_path)
    if place is None:
        return  # a build without GPU support
    folder = torch_folder.parent / place.group(1)
    folder.mkdir(parents=True, exist_ok=True)
    for library, versions in find_imports(torch_folder / "lib").items():
        build(library, versions, folder)


if __name__ == "__main__":
    main()
