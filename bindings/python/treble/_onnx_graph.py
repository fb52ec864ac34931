"""Finding the query projections of attention, and MPNet's table of relative positions, in an ONNX graph."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

# Where the query projection of layer N sits in the module tree. Exporters keep that path in the names of nodes
# (/encoder/layer.3/attention/self/query/MatMul) or of initializers (encoder.layer.3.attention.self.query.weight).
QUERY_PATHS = re.compile(r"(?:^|\.)layer\.(\d+)\.attention\.(?:self\.query|attn\.q|q_lin)$")
MPNET_QUERY = re.compile(r"(?:^|\.)layer\.(\d+)\.attention\.attn\.q$")
POSITION_BIAS = re.compile(r"(?:^|\.)relative_attention_bias$")
# Operators in which an optimiser or quantiser has hidden the projections.
FUSED = {"Attention", "MultiHeadAttention", "QAttention", "MatMulInteger", "QLinearMatMul", "DynamicQuantizeMatMul"}
LAYER = re.compile(r"(?:^|\.)layer\.\d+\.")
# Positions that come in beside the queries and have no table that could be scaled along with them.
ALIBI = re.compile("alibi", re.IGNORECASE)
RELATIVE_KEYS = re.compile("relative_key|distance_embedding")


class BakeError(Exception):
    """The file cannot be baked; the message says why. `exit_code` is that of the command line."""

    def __init__(self, message: str, exit_code: int = 65) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass
class Query:
    """The query projection of one layer: y = x · weight + bias."""

    layer: int
    node: onnx.NodeProto
    weight_at: int  # the input of node that is the weight
    transposed: bool  # weight is [out, in], not [in, out]
    bias_node: onnx.NodeProto
    bias_at: int
    is_mpnet: bool


class Graph:
    """The nodes and initializers of a model by name."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.proto = model.graph
        self.initializers = {tensor.name: tensor for tensor in model.graph.initializer}
        self.producers = {name: node for node in model.graph.node for name in node.output}
        self.consumers: dict[str, list[onnx.NodeProto]] = {}
        for node in model.graph.node:
            for name in node.input:
                self.consumers.setdefault(name, []).append(node)
        self.constants = {
            node.output[0]: attribute.t
            for node in model.graph.node
            if node.op_type == "Constant"
            for attribute in node.attribute
            if attribute.name == "value"
        }

    def tensor(self, name: str) -> onnx.TensorProto | None:
        """An initializer, or the value of a Constant node."""
        return self.initializers.get(name, self.constants.get(name))

    def is_weight(self, name: str, dims: int) -> bool:
        """Whether a name is a tensor of that many dimensions."""
        tensor = self.tensor(name)
        return tensor is not None and len(tensor.dims) == dims

    def replace(self, node: onnx.NodeProto, at: int, values: np.ndarray) -> str:
        """Give an input of one node new values; other readers of the same tensor keep the old ones."""
        name: str = node.input[at]
        if len(self.consumers[name]) == 1 and name in self.initializers:
            self.initializers[name].CopyFrom(numpy_helper.from_array(values, name))
            return name
        fresh = f"{name}.tempered"
        while fresh in self.initializers or fresh in self.producers:
            fresh += "_"
        tensor = self.proto.initializer.add()
        tensor.CopyFrom(numpy_helper.from_array(values, fresh))
        self.initializers[fresh] = tensor
        self.consumers[name].remove(node)
        self.consumers[fresh] = [node]
        node.input[at] = fresh
        return fresh


def module_paths(node: onnx.NodeProto, graph: Graph) -> Iterator[str]:
    """Where a node may sit in the module tree: by its own name, then by those of its tensors."""
    own = node.name.rsplit("/", 1)[0].strip("/").replace("/", ".")
    yield own
    # A node that knows its place is believed: equal tensors of several modules may be stored once, under one name.
    if LAYER.search(own):
        return
    readers = [reader for name in node.output for reader in graph.consumers.get(name, []) if reader.op_type == "Add"]
    for name in [*node.input, *(name for reader in readers for name in reader.input)]:
        if graph.tensor(name) is not None and name.endswith((".weight", ".bias")):
            yield name.rsplit(".", 1)[0]


def query_of(node: onnx.NodeProto, graph: Graph) -> Query | None:
    """The node as a query projection, or None when it is another MatMul."""
    found = next(((p, m) for p in module_paths(node, graph) if (m := QUERY_PATHS.search(p))), None)
    if found is None:
        return None
    path, match = found
    weight_at = next((i for i in (0, 1) if graph.is_weight(node.input[i], 2)), None)
    if weight_at is None:
        raise BakeError(f"{path}: the weight of {node.op_type} {node.name} is not stored as a matrix in this file")
    bias_node, bias_at = find_bias(node, graph, path)
    flags = {attribute.name: attribute.i for attribute in node.attribute}
    # x · W has [in, out]; W · x does not come out of any exporter.
    transposed = bool(flags.get("transB", 0))
    return Query(
        layer=int(match.group(1)),
        node=node,
        weight_at=weight_at,
        transposed=transposed,
        bias_node=bias_node,
        bias_at=bias_at,
        is_mpnet=MPNET_QUERY.search(path) is not None,
    )


def find_bias(node: onnx.NodeProto, graph: Graph, path: str) -> tuple[onnx.NodeProto, int]:
    """Where the bias of a projection is added: in a Gemm itself, or in the one Add that follows a MatMul."""
    if node.op_type == "Gemm" and len(node.input) > 2 and graph.is_weight(node.input[2], 1):
        return node, 2
    readers = graph.consumers.get(node.output[0], [])
    if len(readers) == 1 and readers[0].op_type == "Add":
        for at, name in enumerate(readers[0].input):
            if graph.is_weight(name, 1):
                return readers[0], at
    raise BakeError(f"{path}: no bias is added after {node.op_type} {node.name}; this is not an export that is known")


def find_queries(graph: Graph) -> list[Query]:
    """The query projections, one a layer, in the order of the layers."""
    matmuls = [node for node in graph.proto.node if node.op_type in ("MatMul", "Gemm")]
    queries = sorted((q for q in (query_of(node, graph) for node in matmuls) if q), key=lambda query: query.layer)
    layers = [query.layer for query in queries]
    if layers and layers == list(range(len(layers))):
        return queries
    hidden = sorted({node.op_type for node in graph.proto.node} & FUSED)
    if hidden:
        raise BakeError(
            f"the projections are hidden in {', '.join(hidden)} nodes: this file was fused or quantised; bake the "
            "plain float export and optimise the result"
        )
    raise BakeError(
        f"query projections were found for the layers {layers}, expected 0, 1, 2, … once each; known are exports of "
        "BERT-type models (encoder/layer.N/attention/self/query), DistilBERT (q_lin) and MPNet (attention/attn/q)"
    )


def check_layers(graph: Graph, queries: list[Query], config: dict[str, Any] | None) -> None:
    """Every attention must have been found: one softmax a layer, and as many layers as the config says."""
    softmaxes = sum(node.op_type == "Softmax" for node in graph.proto.node)
    if softmaxes not in (0, len(queries)):
        raise BakeError(f"{len(queries)} query projections were found, but the graph has {softmaxes} softmax nodes")
    if config is None:
        return
    stated = config.get("num_hidden_layers", config.get("n_layers"))
    if stated != len(queries):
        raise BakeError(
            f"{len(queries)} query projections were found, but the model's config.json says {stated} layers"
        )


def find_position_bias(graph: Graph) -> list[onnx.NodeProto]:
    """The Gather nodes (one, in known exports) that read MPNet's table of relative position bias, their first input."""
    gathers = (n for n in graph.proto.node if n.op_type == "Gather" and graph.is_weight(n.input[0], 2))
    return [node for node in gathers if any(POSITION_BIAS.search(path) for path in module_paths(node, graph))]


def refuse_other_positions(graph: Graph, config: dict[str, Any] | None, *, with_position_bias: bool) -> None:
    """ALiBi's slopes and relative keys are part of the logits, but no matmuls with the queries alone."""
    kind = str((config or {}).get("position_embedding_type", ""))
    names = [kind, *graph.initializers, *(node.name for node in graph.proto.node)]
    if any(RELATIVE_KEYS.search(name) for name in names):
        raise BakeError("this model has relative keys (position_embedding_type), which cannot be baked", 64)
    if with_position_bias and any(ALIBI.search(name) for name in names):
        raise BakeError(
            "the slopes of ALiBi come from a formula, not from weights, so a temperature that divides them too cannot "
            "be baked; leave them alone with --temper-position-bias=false",
            64,
        )
