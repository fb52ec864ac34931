"""Read the weights of a BERT-like ONNX export and write them as safetensors, with nothing but the standard library."""

from __future__ import annotations

import array
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Only the few protobuf fields that carry weights and their names are read (numbers from onnx.proto).

MODEL_GRAPH = 7
GRAPH_NODE, GRAPH_INITIALIZER = 1, 5
NODE_INPUT, NODE_NAME, NODE_OPERATOR = 1, 3, 4
TENSOR_DIMS, TENSOR_TYPE, TENSOR_NAME, TENSOR_RAW = 1, 2, 8, 9
ONNX_FLOAT = 1
FIXED_SIZES = {1: 8, 5: 4}


def read_varint(data: memoryview, at: int) -> tuple[int, int]:
    """Return a protobuf integer and the place after it."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def fields(data: memoryview) -> Iterator[tuple[int, Any]]:
    """Walk one protobuf message: field number with an int or the bytes of a nested value."""
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = read_varint(data, at)
            yield number, value
        elif kind == 2:
            size, at = read_varint(data, at)
            yield number, data[at : at + size]
            at += size
        elif kind in FIXED_SIZES:
            at += FIXED_SIZES[kind]
        else:
            raise ValueError(f"ONNX file: unexpected protobuf wire type {kind}")


@dataclass
class Weight:
    """A float32 tensor as the ONNX file holds it."""

    shape: list[int]
    raw: memoryview

    def transposed(self) -> Weight:
        """ONNX multiplies by [in, out]; Hugging Face's linear layers keep [out, in]."""
        rows, columns = self.shape
        values = array.array("f", bytes(self.raw))
        turned = b"".join(values[column::columns].tobytes() for column in range(columns))
        return Weight([columns, rows], memoryview(turned))


def read_initializer(data: memoryview) -> tuple[str, Weight | None]:
    """Name and weight; no weight for anything but float32, such as the buffer of position ids."""
    name, shape, kind, raw = "", [], 0, memoryview(b"")
    for number, value in fields(data):
        if number == TENSOR_NAME:
            name = bytes(value).decode()
        elif number == TENSOR_DIMS and isinstance(value, int):
            shape.append(value)
        elif number == TENSOR_TYPE:
            kind = value
        elif number == TENSOR_RAW:
            raw = value
    return name, Weight(shape, raw) if kind == ONNX_FLOAT else None


def read_matmul(data: memoryview) -> tuple[list[str], str] | None:
    """Inputs and the parameter's real name for a MatMul node, whose own name is the module's path."""
    inputs, name, operator = [], "", ""
    for number, value in fields(data):
        if number == NODE_INPUT:
            inputs.append(bytes(value).decode())
        elif number == NODE_NAME:
            name = bytes(value).decode()
        elif number == NODE_OPERATOR:
            operator = bytes(value).decode()
    if operator != "MatMul":
        return None
    return inputs, name.removesuffix("/MatMul").strip("/").replace("/", ".") + ".weight"


def onnx_weights(data: bytes) -> dict[str, Weight]:
    """All weights under Hugging Face's names: the exporter renamed only those it had folded a transposition into."""
    graph = next(value for number, value in fields(memoryview(data)) if number == MODEL_GRAPH)
    initializers: dict[str, Weight | None] = {}
    matmuls: list[tuple[list[str], str]] = []
    for number, value in fields(graph):
        if number == GRAPH_INITIALIZER:
            name, weight = read_initializer(value)
            initializers[name] = weight
        elif number == GRAPH_NODE and (matmul := read_matmul(value)) is not None:
            matmuls.append(matmul)
    weights = {name: w for name, w in initializers.items() if w and name.startswith(("embeddings.", "encoder."))}
    for inputs, name in matmuls:
        for source in inputs:
            if (weight := initializers.get(source)) is not None:
                weights[name] = weight.transposed()
    return weights


def write_safetensors(path: Path, weights: dict[str, Weight]) -> None:
    """Float32 only, names in order, data aligned to 8 bytes as the format asks."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name in sorted(weights):
        end = offset + len(weights[name].raw)
        header[name] = {"dtype": "F32", "shape": weights[name].shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in sorted(weights):
            file.write(weights[name].raw)
