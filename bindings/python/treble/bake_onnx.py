"""Write a temperature of attention into the weights of an ONNX export, for any ONNX runtime.

For exports of BERT-type encoders (BERT, RoBERTa, XLM-R, CamemBERT, ELECTRA, DistilBERT) and of MPNet. The logits of
attention are products with the queries, so the query projection of each layer (weights and bias) is multiplied by
s = 1/tau; MPNet's relative position bias is a table of its own and is multiplied too, unless that is not wanted.

    python -m treble.bake_onnx IN.onnx OUT.onnx --temperature 0.8 [--model FOLDER]

Needs the packages `onnx` and `numpy`; runs without the rest of Treble as well (`python bake_onnx.py …`).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

try:
    import numpy as np
    import onnx
    from onnx import external_data_helper, numpy_helper
except ImportError as missing:
    reason = f"baking ONNX files needs the package onnx, which {sys.executable} lacks ({missing}): pip install onnx"
    if __name__ == "__main__":
        sys.exit(f"treble: error: {reason}")
    raise ImportError(reason) from missing

if TYPE_CHECKING or __package__:
    from ._onnx_graph import (
        BakeError,
        Graph,
        Query,
        check_layers,
        find_position_bias,
        find_queries,
        refuse_other_positions,
    )
else:  # run as a file, without the package
    from _onnx_graph import (
        BakeError,
        Graph,
        Query,
        check_layers,
        find_position_bias,
        find_queries,
        refuse_other_positions,
    )

METADATA_KEY = "treble.baked"
LARGEST_MESSAGE = 2**31 - 2**20  # protobuf's limit, less some room

Scales = float | Sequence[float] | Sequence[Sequence[float]]


@dataclass
class Report:
    """What was done."""

    layers: int = 0
    changed: list[str] = field(default_factory=list)
    position_bias: bool = False
    greatest_rounding: float = 0.0

    @property
    def exact(self) -> bool:
        return self.greatest_rounding == 0.0


def scale_table(scales: Scales, layers: int) -> list[list[float]]:
    """For each layer the scale of all heads (one number) or of each head."""
    table = np.asarray(scales, dtype=np.float64)
    if table.ndim > 2 or (table.ndim > 0 and table.shape[0] != layers):
        raise BakeError(f"logit scales of shape {table.shape} do not fit a model of {layers} layers", 64)
    if not (np.isfinite(table).all() and (table > 0).all()):
        raise BakeError("logit scales must be finite and greater than 0", 64)
    if (table == 1).all():
        raise BakeError("temperature 1 is the model as it is: there is nothing to bake", 64)
    if table.ndim == 0:
        return [[float(table)]] * layers
    return [[float(s) for s in np.atleast_1d(row)] for row in table]


def spread(heads: list[float], width: int) -> np.ndarray:
    """A factor for each of `width` features: those of a head are neighbours."""
    if width % len(heads):
        raise BakeError(f"{len(heads)} heads do not fit a query projection {width} wide", 64)
    return np.repeat(np.asarray(heads), width // len(heads))


def multiplied(tensor: onnx.TensorProto, factors: np.ndarray, report: Report) -> np.ndarray:
    """A tensor times factors, computed in double and rounded once to the tensor's own type."""
    stored = numpy_helper.to_array(tensor)
    if stored.dtype.kind not in "fV" and stored.dtype.name != "bfloat16":
        raise BakeError(f"tensor {tensor.name} has type {stored.dtype}; a temperature needs floating-point weights")
    product = stored.astype(np.float64) * factors
    result: np.ndarray[Any, np.dtype[Any]] = product.astype(stored.dtype)
    wide = result.astype(np.float64)
    if not np.isfinite(wide).all():
        raise BakeError(f"tensor {tensor.name}: a value leaves the range of {stored.dtype}, or is no number already")
    size = np.maximum(np.abs(product), np.finfo(np.float32).tiny)
    report.greatest_rounding = max(report.greatest_rounding, float(np.max(np.abs(wide - product) / size)))
    return result


def temper_query(graph: Graph, query: Query, heads: list[float], report: Report) -> None:
    """Multiply the weights and the bias of one layer's queries."""
    weight = graph.tensor(query.node.input[query.weight_at])
    bias = graph.tensor(query.bias_node.input[query.bias_at])
    assert weight is not None
    assert bias is not None
    factors = spread(heads, weight.dims[0] if query.transposed else weight.dims[1])
    by_weight = factors[:, None] if query.transposed else factors
    new_weight = multiplied(weight, by_weight, report)
    new_bias = multiplied(bias, factors, report)
    report.changed.append(graph.replace(query.node, query.weight_at, new_weight))
    report.changed.append(graph.replace(query.bias_node, query.bias_at, new_bias))


def temper_position_bias(graph: Graph, table: list[list[float]], report: Report) -> None:
    """Multiply the one table that all layers share; its columns are the heads."""
    if any(heads != table[0] for heads in table):
        raise BakeError(
            "all layers share one table of relative position bias, so it cannot be divided by a temperature that "
            "differs from layer to layer; leave it alone with --temper-position-bias=false",
            64,
        )
    gathers = find_position_bias(graph)
    if not gathers:
        raise BakeError("MPNet's table of relative position bias was not found; --temper-position-bias=false leaves it")
    for node in gathers:
        tensor = graph.tensor(node.input[0])
        assert tensor is not None
        report.changed.append(graph.replace(node, 0, multiplied(tensor, spread(table[0], tensor.dims[1]), report)))
    report.position_bias = True


def temper_graph(
    model: onnx.ModelProto, scales: Scales, *, with_position_bias: bool = True, config: dict[str, Any] | None = None
) -> Report:
    """Multiply the attention logits of a loaded model by `scales`: a number, one a layer, or a row of heads a layer."""
    graph = Graph(model)
    queries = find_queries(graph)
    check_layers(graph, queries, config)
    refuse_other_positions(graph, config, with_position_bias=with_position_bias)
    table = scale_table(scales, len(queries))
    report = Report(layers=len(queries))
    for query, heads in zip(queries, table, strict=True):
        temper_query(graph, query, heads, report)
    if with_position_bias and any(query.is_mpnet for query in queries):
        temper_position_bias(graph, table, report)
    return report


def read_config(model_folder: Path | None) -> dict[str, Any] | None:
    """The config.json of the model that the export was made from."""
    if model_folder is None:
        return None
    for folder in (model_folder, model_folder / "0_Transformer"):
        if (folder / "config.json").is_file():
            config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            return config
    raise BakeError(f"{model_folder}: no config.json there", 66)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, as hex digits."""
    digest = hashlib.sha256()  # hashlib.file_digest is there from Python 3.11 on
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def stamp(model: onnx.ModelProto, source: Path, details: dict[str, Any], report: Report) -> None:
    """Record in the file's metadata what was done, and what was done before."""
    entry: dict[str, Any] = {
        **details,
        "source": {"name": source.name, "sha256": file_sha256(source)},
        "position_bias_changed": report.position_bias,
        "exact": report.exact,
        "greatest_rounding": report.greatest_rounding,
        "tensors_changed": report.changed,
    }
    for old in [property_ for property_ in model.metadata_props if property_.key == METADATA_KEY]:
        earlier = json.loads(old.value)
        entry["earlier"] = [*earlier.pop("earlier", []), earlier]
        model.metadata_props.remove(old)
    added = model.metadata_props.add()
    added.key, added.value = METADATA_KEY, json.dumps(entry)


def save(model: onnx.ModelProto, target: Path, *, external: bool) -> None:
    """Write the file (with external data: the two files) next to the target, then rename."""
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.baking-", dir=target.parent) as holder:
        path = Path(holder) / target.name
        if external or model.ByteSize() > LARGEST_MESSAGE:
            data = f"{target.name}_data"
            onnx.save_model(model, path, save_as_external_data=True, all_tensors_to_one_file=True, location=data)
            onnx.checker.check_model(str(path))
            if (Path(holder) / data).exists():  # small tensors stay inside
                (Path(holder) / data).replace(target.parent / data)
        else:
            onnx.save_model(model, path)
            onnx.checker.check_model(str(path))
        with path.open("rb") as file:
            os.fsync(file.fileno())
        path.replace(target)


def bake_onnx(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    logit_scales: Scales,
    *,
    temperature: str | None = None,
    temper_position_bias: bool = True,
    model_folder: str | os.PathLike[str] | None = None,
    force: bool = False,
) -> Report:
    """Write `source` with its attention logits multiplied by `logit_scales` = 1/tau to `target`.

    `logit_scales` is a number, a list with one a layer, or a list of rows with one a head. `temperature` is the written
    form to record. `model_folder` is the Hugging Face folder that the export was made from: its config.json is a check.
    Raises BakeError, OSError. The target appears complete or not at all, and replaces a file only with `force`.
    """
    from_path, to_path = Path(source), Path(target)
    data_path = to_path.with_name(f"{to_path.name}_data")
    if not force and data_path.exists():
        raise BakeError(f"{data_path}: exists already; name another file, or use --force", 64)
    if to_path.exists() and (not force or os.path.samefile(from_path, to_path)):
        message = f"{to_path}: exists already; name another file, or use --force (never for the input itself)"
        raise BakeError(message, 64)
    if not to_path.absolute().parent.is_dir():
        raise BakeError(f"{to_path}: there is no folder {to_path.parent}", 66)
    try:
        external = has_external_data(from_path)
        model = onnx.load(from_path)
    except FileNotFoundError as error:
        raise BakeError(f"{error.filename or from_path}: no such file", 66) from error
    except Exception as error:  # protobuf's own, which has no public base class
        raise BakeError(f"{from_path}: cannot be read as an ONNX file: {error}") from error
    config = read_config(Path(model_folder) if model_folder is not None else None)
    report = temper_graph(model, logit_scales, with_position_bias=temper_position_bias, config=config)
    details = {
        "temperature": temperature or f"logit scale {logit_scales}",
        "logit_scale": np.asarray(logit_scales).tolist(),
        "temper_position_bias": temper_position_bias,
    }
    stamp(model, from_path, details, report)
    save(model, to_path, external=external)
    return report


def has_external_data(path: Path) -> bool:
    """Whether weights lie in files beside this one."""
    model = onnx.load(path, load_external_data=False)
    return any(external_data_helper.uses_external_data(tensor) for tensor in model.graph.initializer)


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bake_onnx", description="Write a temperature into an ONNX export's weights.")
    parser.add_argument("source", metavar="IN.onnx")
    parser.add_argument("target", metavar="OUT.onnx")
    scale = parser.add_mutually_exclusive_group(required=True)
    scale.add_argument("--temperature", type=float, metavar="T", help="tau; the logits are multiplied by 1/tau")
    scale.add_argument(
        "--logit-scales", type=json.loads, metavar="JSON", help="1/tau: a number, one a layer, rows of heads"
    )
    parser.add_argument("--written-form", metavar="TEXT", help="how the temperature is recorded")
    parser.add_argument("--temper-position-bias", choices=["true", "false"], default="true", help="MPNet's [true]")
    parser.add_argument("--model", metavar="FOLDER", help="what it was exported from, as a check")
    parser.add_argument("--force", action="store_true", help="replace OUT.onnx")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; exit codes are those of the program `treble`."""
    options = parse_arguments(arguments)
    tau = options.temperature
    if tau is not None and not (math.isfinite(tau) and tau > 0):
        print("treble: error: --temperature must be a number greater than 0", file=sys.stderr)
        return 64
    try:
        report = bake_onnx(
            options.source,
            options.target,
            options.logit_scales if tau is None else 1 / tau,
            temperature=options.written_form or (None if tau is None else f"{tau:g}"),
            temper_position_bias=options.temper_position_bias == "true",
            model_folder=options.model,
            force=options.force,
        )
    except BakeError as error:
        print(f"treble: error: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"treble: error: {error}", file=sys.stderr)
        return 74
    rounding = "exact" if report.exact else f"rounded by at most {report.greatest_rounding:.1e} of each value"
    bias = " and the position bias" if report.position_bias else ""
    print(f"{options.target}: the queries of {report.layers} layers{bias}, {rounding}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
