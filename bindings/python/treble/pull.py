"""Bring a model from the Hugging Face Hub into its ordinary cache: `treble pull ORG/MODEL[@REVISION]`.

    python -m treble.pull sentence-transformers/all-MiniLM-L6-v2

Only the files that the engine reads are fetched (docs/model-folders.md), by the package huggingface_hub, so
HF_ENDPOINT, HF_TOKEN, HF_HOME, HF_HUB_CACHE and HF_HUB_OFFLINE mean what they always do. Each file is compared with the
hash that the hub states. Standard output gets one line, the folder of the model; all else goes to standard error.

Runs without the rest of Treble as well.
"""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import hashlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

try:
    from huggingface_hub import HfApi, constants, hf_hub_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )
    from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]
except ImportError as missing:
    reason = f"pulling a model needs the package huggingface_hub, which {sys.executable} lacks ({missing})"
    if __name__ == "__main__":
        sys.exit(f"treble: error: {reason}: pip install huggingface_hub")
    raise ImportError(reason) from missing

# Exit codes of the program (`treble --help`).
WRONG_USE, BAD_DATA, NOT_FOUND, UNSUPPORTED, FAILED_TRANSFER, INTERRUPTED = 64, 65, 66, 69, 74, 130

OF_MODEL = ("modules.json", "config_sentence_transformers.json", "treble.json")
OF_TRANSFORMER = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "sentence_*_config.json",
    "chat_template.jin*",
    "chat_template.json",
    "model.safetensors",
    "model.safetensors.index.json",
    "adapter_config.json",
    "adapter_model.safetensors",
)
# Where there is no tokenizer.json.
VOCABULARIES = ("vocab.txt", "vocab.json", "merges.txt", "sentencepiece.bpe.model", "spiece.model")
OF_ADAPTER = ("adapter_config.json", "adapter_model.safetensors")
OF_MODULE = ("config.json", "model.safetensors")
OTHER_WEIGHTS = ("*.bin", "*.pt", "*.h5", "*.msgpack", "*.gguf", "*.onnx", "*.safetensors")
ATTEMPTS = 2  # on top of those that huggingface_hub makes by itself


class PullError(Exception):
    """The model cannot be had; the message says why and what to do. `exit_code` is that of the program."""

    def __init__(self, exit_code: int, message: str) -> None:
        """Keep both."""
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True)
class Wanted:
    """What was asked for."""

    repository: str
    revision: str

    @staticmethod
    def parse(name: str) -> Wanted:
        """ORG/MODEL or MODEL, and a branch, tag or commit after an @."""
        repository, _, revision = name.partition("@")
        if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", repository, re.ASCII) or name.endswith("@"):
            raise PullError(WRONG_USE, f'"{name}" is no name of a model; write ORG/MODEL or ORG/MODEL@REVISION')
        # The engine looks for a bare name under this organisation too.
        if "/" not in repository:
            repository = f"sentence-transformers/{repository}"
        return Wanted(repository, revision or "main")

    def __str__(self) -> str:
        """As it is written."""
        return self.repository if self.revision == "main" else f"{self.repository}@{self.revision}"


def pull(name: str) -> Path:
    """Fetch what is missing of a model and return its folder, a snapshot of the local cache.

    Raises PullError.
    """
    wanted = Wanted.parse(name)
    try:
        return _pull(wanted)
    except OfflineModeIsEnabled:
        return _cached(wanted)
    except GatedRepoError as error:
        advice = f"accept its terms on {constants.ENDPOINT}/{wanted.repository} and set HF_TOKEN"
        raise PullError(NOT_FOUND, f"{wanted} is gated: {advice}") from error
    except RevisionNotFoundError as error:
        raise PullError(NOT_FOUND, f"{wanted.repository} has no revision {wanted.revision}") from error
    except RepositoryNotFoundError as error:
        advice = "check the name; a private model needs a token in HF_TOKEN that may read it"
        raise PullError(NOT_FOUND, f"{constants.ENDPOINT} knows no model {wanted.repository}: {advice}") from error
    except HFValidationError as error:
        raise PullError(WRONG_USE, str(error)) from error


def _pull(wanted: Wanted) -> Path:
    info = _transfer(wanted, HfApi().model_info, wanted.repository, revision=wanted.revision, files_metadata=True)
    files = {entry.rfilename: entry for entry in info.siblings or []}

    def fetch(file: str) -> Path:
        return Path(_transfer(wanted, hf_hub_download, wanted.repository, file, revision=info.sha))

    names = select(files, lambda file: json.loads(fetch(file).read_text(encoding="utf-8")), str(wanted))
    size = sum(files[name].size or 0 for name in names)
    print(f"treble: {wanted}: {len(names)} files, {size / 1e6:.1f} MB", file=sys.stderr)
    paths = {name: fetch(name) for name in names}
    for name, path in paths.items():
        _check_hash(wanted, files[name], path)
    repository = _repository(wanted)
    if wanted.revision != info.sha:
        _write_reference(repository / "refs" / wanted.revision, info.sha)
    snapshot: Path = repository / "snapshots" / info.sha
    return snapshot


def select(files: Collection[str], read_json: Any, model: str) -> list[str]:
    """The files of a repository that the engine reads, sorted.

    `read_json` gives the content of one of them. Raises PullError where the engine could not use the model.
    """
    modules = read_json("modules.json") if "modules.json" in files else []
    if not isinstance(modules, list) or not all(isinstance(module, Mapping) for module in modules):
        raise PullError(BAD_DATA, f"{model}: modules.json is no list of modules")
    folders = [str(module.get("path") or "") for module in modules]
    if not modules:  # a plain transformer; folders of modules matter to the engine, which refuses them by name
        folders = ["", *sorted({name.split("/")[0] for name in files if re.match(r"\d+_\w+/", name)})]
    transformer, others = folders[0], folders[1:]
    names = {name for name in OF_MODEL if name in files}
    names |= _matching(files, transformer, OF_TRANSFORMER)
    if _inside(transformer, "tokenizer.json") not in names:
        names |= _matching(files, transformer, VOCABULARIES)
    for folder in others:
        names |= _matching(files, folder, OF_MODULE) if folder else set()
    for task in {PurePosixPath(name).parent for name in files if re.fullmatch(r"(.*/)?adapters/[^/]+/[^/]+", name)}:
        names |= _matching(files, str(task), OF_ADAPTER)
    index = _inside(transformer, "model.safetensors.index.json")
    if index in names and _inside(transformer, "model.safetensors") not in names:
        names |= _shards(read_json(index), transformer, files, f"{model}: {index}")
    # A table of token embeddings has no config.json.
    is_static = bool(modules) and str(modules[0].get("type")).endswith(".StaticEmbedding")
    _check_usable(names, files, transformer, "" if is_static else "config.json", model)
    return sorted(names)


def _inside(folder: str, name: str) -> str:
    return str(PurePosixPath(folder, name))


def _matching(files: Collection[str], folder: str, patterns: Sequence[str]) -> set[str]:
    within = [name for name in files if str(PurePosixPath(name).parent) == str(PurePosixPath(folder))]
    return {name for name in within if any(fnmatch.fnmatchcase(PurePosixPath(name).name, p) for p in patterns)}


def _shards(index: Any, folder: str, files: Collection[str], where: str) -> set[str]:
    table = index.get("weight_map") if isinstance(index, Mapping) else None
    if not isinstance(table, Mapping) or not table:
        raise PullError(BAD_DATA, f'{where} has no "weight_map"')
    shards = {_inside(folder, str(name)) for name in table.values()}
    missing = sorted(shards - set(files))
    if missing:
        raise PullError(BAD_DATA, f"{where} names {missing[0]}, which the repository does not hold")
    return shards


def _check_usable(names: set[str], files: Collection[str], folder: str, config: str, model: str) -> None:
    """Say before the weights are fetched that the engine would refuse them; `config` may be empty: none is needed."""
    if _inside(folder, "adapter_config.json") in files:
        _check_adapter(names, folder, model)
        return
    if config and _inside(folder, config) not in names:
        raise PullError(UNSUPPORTED, f"{model} holds no {_inside(folder, config)}: not a transformer model")
    if not any(name.endswith(".safetensors") and _in_folder(name, folder) for name in names):
        found = sorted(name for name in files if any(fnmatch.fnmatchcase(name, p) for p in OTHER_WEIGHTS))
        there = f"weights there: {', '.join(found[:5]) or 'none'}"
        advice = "load it with transformers, save_pretrained() once and give that folder"
        if any(name.endswith((".bin", ".gguf")) for name in found):
            advice = f"fetch it by `hf download {model} --local-dir FOLDER`, then `treble convert FOLDER -o NEW-FOLDER`"
        raise PullError(UNSUPPORTED, f"{model} holds no {_inside(folder, 'model.safetensors')} ({there}): {advice}")
    if not names & {_inside(folder, name) for name in ("tokenizer.json", *VOCABULARIES)}:
        advice = "AutoTokenizer.from_pretrained(…).save_pretrained(…) makes one; give that folder"
        raise PullError(UNSUPPORTED, f"{model} holds no {_inside(folder, 'tokenizer.json')}: {advice}")


def _check_adapter(names: set[str], folder: str, model: str) -> None:
    """An adapter needs no weights beside it; whatever else is missing comes from its base model."""
    if _inside(folder, "adapter_model.safetensors") not in names:
        advice = "load it with PEFT, save_pretrained() once and give that folder"
        raise PullError(UNSUPPORTED, f"{model} is a PEFT adapter without adapter_model.safetensors: {advice}")
    if not any(name.endswith("model.safetensors") and "adapter" not in name for name in names):
        print(f"treble: {model} is an adapter; pull its base model too (base_model_name_or_path)", file=sys.stderr)


def _in_folder(name: str, folder: str) -> bool:
    return str(PurePosixPath(name).parent) == str(PurePosixPath(folder))


def _transfer(wanted: Wanted, call: Any, *arguments: Any, **options: Any) -> Any:
    """Call huggingface_hub, again where the connection broke; files that are complete are not fetched twice."""
    for attempt in range(ATTEMPTS):
        try:
            return call(*arguments, **options)
        except (OfflineModeIsEnabled, RepositoryNotFoundError, RevisionNotFoundError, HFValidationError):
            raise
        except HfHubHTTPError as error:
            raise PullError(FAILED_TRANSFER, f"{constants.ENDPOINT} answered {error}") from error
        except Exception as error:
            cause = _transport_error(error)
            if cause is None:
                raise
            if attempt + 1 == ATTEMPTS:
                advice = "what has arrived whole is kept; run the same command again"
                told = str(cause) or type(cause).__name__
                raise PullError(
                    FAILED_TRANSFER, f"{wanted}: the connection to {constants.ENDPOINT} failed: {told}; {advice}"
                ) from error
    raise AssertionError


def _transport_error(error: BaseException | None) -> BaseException | None:
    """The error of the connection or the disk behind one of huggingface_hub's, if there is one."""
    while error is not None:
        if type(error).__module__.startswith(("httpx", "httpcore")) or type(error) in (OSError, ConnectionError):
            return error
        if isinstance(error, OSError) and not isinstance(error, LocalEntryNotFoundError):
            return error
        error = error.__cause__ or error.__context__
    return None


def _repository(wanted: Wanted) -> Path:
    """Its folder in the cache."""
    return Path(constants.HF_HUB_CACHE, "models--" + wanted.repository.replace("/", "--"))


def _cached(wanted: Wanted) -> Path:
    """What HF_HUB_OFFLINE leaves: the snapshot that is there, if it is whole."""
    reference = _repository(wanted) / "refs" / wanted.revision
    commit = reference.read_text(encoding="utf-8") if reference.is_file() else wanted.revision
    folder = _repository(wanted) / "snapshots" / commit
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    with contextlib.suppress(PullError):
        if names and select(names, lambda file: json.loads((folder / file).read_text(encoding="utf-8")), str(wanted)):
            return folder
    raise PullError(
        NOT_FOUND,
        f"{wanted} is not in the cache {constants.HF_HUB_CACHE}, or only in part, and HF_HUB_OFFLINE is set: unset it",
    )


def _check_hash(wanted: Wanted, entry: Any, path: Path) -> None:
    """Compare with what the hub says: SHA-256 of large files, git's hash of the others."""
    if entry.lfs is not None:
        expected, digest = entry.lfs.sha256, hashlib.sha256()
    elif entry.blob_id:
        expected, digest = entry.blob_id, hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    else:
        print(f"treble: {wanted}: {constants.ENDPOINT} states no hash of {entry.rfilename}", file=sys.stderr)
        return
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() == expected:
        return
    with contextlib.suppress(OSError):
        path.resolve().unlink()
        path.unlink(missing_ok=True)
    raise PullError(
        BAD_DATA,
        f"{wanted}: {entry.rfilename} has the hash {digest.hexdigest()}, the hub says {expected}: it was damaged on "
        f"its way and has been removed; run the same command again",
    )


def _write_reference(path: Path, commit: str) -> None:
    """refs/main, once everything is there, so that a pull that ends early changes nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
        file.write(commit)
    os.replace(file.name, path)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="treble pull", description="Bring a model from the hub into the local cache.")
    parser.add_argument("model", help="ORG/MODEL, or ORG/MODEL@REVISION for a branch, tag or commit")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    options = parser.parse_args(arguments)
    if options.quiet or not sys.stderr.isatty():
        disable_progress_bars()
    try:
        print(pull(options.model))
    except PullError as error:
        print(f"treble: error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("treble: stopped; what has arrived whole is kept", file=sys.stderr)
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
