"""A BERT as an ONNX graph, node by node: embeddings, layers, and how their arithmetic is done. Needs onnx.

Knows transformers' names of weights; nothing of what is made of the hidden states, nothing of files. No graph has a
mask because none has padding. Three ways of computing meet `Arithmetic`: `Whole` and `Real` here, and any other that
brings its own ranges.

Graphs are written rather than traced because the traced one, fused by onnxruntime's optimiser, is slower: its fused
skip-and-normalise kernel takes a quarter of the time on a CPU, plain LayerNormalization does not (docs/encoder.md).
Writing also makes the bytes depend on nothing but the weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

Weights = Mapping[str, NDArray[np.float32]]
CONTRIB = "com.microsoft"
WORDS = "embeddings.word_embeddings.weight"
TYPES = "embeddings.token_type_embeddings.weight"
_WEIGHT_LIMIT = 64
_ROW_LIMIT = 127


@dataclass(frozen=True, slots=True)
class BertShape:
    """What the graph needs to know of a BERT: sizes, heads, layers and the longest input in tokens."""

    hidden: int
    heads: int
    layers: int
    epsilon: float
    max_tokens: int


@dataclass
class Graph:
    """Nodes and constants in the order they are added."""

    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Add a constant; returns its name."""
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(
        self, kind: str, inputs: list[str], output: str, domain: str = "", **attributes: int | float | Sequence[int]
    ) -> str:
        """Add a node with one output, which names it; returns that name."""
        from onnx import helper

        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, domain=domain, **attributes))
        return output

    def model(self, name: str, inputs: Mapping[str, Sequence[str]], output: Any, opset: int) -> Any:
        """The finished model.

        Args:
            name: Of the graph.
            inputs: Whole numbers by name, with the names of their axes.
            output: Its only one, as `onnx.helper.make_tensor_value_info` gives it.
            opset: Of the standard operators.
        """
        from onnx import TensorProto, helper

        asked = [helper.make_tensor_value_info(key, TensorProto.INT64, list(axes)) for key, axes in inputs.items()]
        built = helper.make_graph(self.nodes, name, asked, [output], self.constants)
        opsets = [helper.make_opsetid("", opset)]
        if any(node.domain == CONTRIB for node in self.nodes):
            opsets.append(helper.make_opsetid(CONTRIB, 1))
        return helper.make_model(built, opset_imports=opsets, ir_version=9, producer_name="aisle")


class Arithmetic(Protocol):
    """How products of matrices are computed."""

    @property
    def opset(self) -> int:
        """Of the standard operators."""
        ...

    def words(self, graph: Graph, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Add the node ``word``, (texts, tokens, hidden), from ``input_ids``; returns the rows as it computes them."""
        ...

    def linear(self, graph: Graph, weights: Weights, name: str, hidden: str) -> str:
        """Add ``hidden @ weight.T + bias``."""
        ...

    def attention(self, graph: Graph, weights: Weights, shape: BertShape, name: str, hidden: str) -> str:
        """Add self-attention over all tokens, up to the context: its output matrix is a `linear`."""
        ...

    def gelu(self, graph: Graph, name: str, hidden: str) -> str:
        """Add the exact GELU."""
        ...


class Whole:
    """Whole numbers, by ONNX Runtime's own operators.

    Weights are int8 per output channel, activations uint8 with a range found at run time. Weights use 7 of their 8
    bits: without VNNI instructions a pair of products is summed in 16 bits, and 2 * 255 * 64 still fits there while
    2 * 255 * 127 does not, so every machine computes the same integers.
    """

    opset = 18

    def words(self, graph: Graph, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rows in int8 with a scale each."""
        from onnx import TensorProto

        words, scales = quantise(rows, 0, _ROW_LIMIT)
        whole = graph.node("Gather", [graph.constant("words.int8", words), "input_ids"], "word.int8")
        scale = graph.node("Gather", [graph.constant("words.scale", scales), "input_ids"], "word.scale")
        graph.node("Mul", [graph.node("Cast", [whole], "word.float", to=TensorProto.FLOAT), scale], "word")
        return words * scales

    def linear(self, graph: Graph, weights: Weights, name: str, hidden: str) -> str:
        """One node that finds the range, multiplies and adds."""
        whole, scale, zero = self._quantised(graph, name, weights[f"{name}.weight"].T)
        bias = graph.constant(f"{name}.bias", weights[f"{name}.bias"])
        return graph.node("DynamicQuantizeMatMul", [hidden, whole, scale, zero, bias], name, domain=CONTRIB)

    def attention(self, graph: Graph, weights: Weights, shape: BertShape, name: str, hidden: str) -> str:
        """One node for all of attention, one for the range of its input."""
        weight, bias = query_key_value(weights, name)
        biases = graph.constant(f"{name}.bias", bias)
        whole, scale, zero = self._quantised(graph, f"{name}.qkv", weight)
        from onnx import helper

        ranged = [f"{name}.input.{part}" for part in ("uint8", "scale", "zero")]
        graph.nodes.append(helper.make_node("DynamicQuantizeLinear", [hidden], ranged, name=f"{name}.range"))
        inputs = [ranged[0], whole, biases, ranged[1], scale, "", ranged[2], zero]
        return graph.node("QAttention", inputs, f"{name}.context", domain=CONTRIB, num_heads=shape.heads)

    def gelu(self, graph: Graph, name: str, hidden: str) -> str:
        """ONNX Runtime's own."""
        return graph.node("Gelu", [hidden], name, domain=CONTRIB)

    @staticmethod
    def _quantised(graph: Graph, name: str, weight: NDArray[np.float32]) -> list[str]:
        whole, scale = quantise(weight, 1, _WEIGHT_LIMIT)
        zero = np.zeros(weight.shape[1], np.int8)
        return [
            graph.constant(f"{name}.int8", whole),
            graph.constant(f"{name}.scale", scale[0]),
            graph.constant(f"{name}.zero", zero),
        ]


@dataclass(frozen=True, slots=True)
class Real:
    """Float32 by standard operators only, which every runtime knows.

    Attributes:
        small_rows: Whether word rows are kept in int8, which loses nothing of rows that came from a file of int8.
    """

    small_rows: bool = False
    opset: ClassVar[int] = 20

    def words(self, graph: Graph, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rows as they are, unless they are to be small."""
        if self.small_rows:
            return Whole().words(graph, rows)
        graph.node("Gather", [graph.constant("words.rows", rows), "input_ids"], "word")
        return rows

    def linear(self, graph: Graph, weights: Weights, name: str, hidden: str) -> str:
        """A product and a sum."""
        weight = graph.constant(f"{name}.weight", weights[f"{name}.weight"].T)
        product = graph.node("MatMul", [hidden, weight], f"{name}.product")
        return graph.node("Add", [product, graph.constant(f"{name}.bias", weights[f"{name}.bias"])], name)

    def attention(self, graph: Graph, weights: Weights, shape: BertShape, name: str, hidden: str) -> str:
        """The softmax of queries times keys, times values, for each head."""
        from onnx import helper

        weight, bias = query_key_value(weights, name)
        weight[:, : shape.hidden] /= np.sqrt(shape.hidden / shape.heads)
        bias[: shape.hidden] /= np.sqrt(shape.hidden / shape.heads)
        product = graph.node("MatMul", [hidden, graph.constant(f"{name}.qkv.weight", weight)], f"{name}.product")
        both = graph.node("Add", [product, graph.constant(f"{name}.bias", bias)], f"{name}.qkv")
        apart = graph.constant(f"{name}.heads", np.array([0, 0, 3, shape.heads, -1]))
        split = graph.node("Reshape", [both, apart], f"{name}.split")
        parts = [f"{name}.{part}" for part in ("query", "key", "value")]
        turned = graph.node("Transpose", [split], f"{name}.turned", perm=[2, 0, 3, 1, 4])
        graph.nodes.append(helper.make_node("Split", [turned], parts, name=f"{name}.parts", axis=0, num_outputs=3))
        keys = graph.node("Transpose", [parts[1]], f"{name}.key.turned", perm=[0, 1, 2, 4, 3])
        logits = graph.node("MatMul", [parts[0], keys], f"{name}.logits")
        chances = graph.node("Softmax", [logits], f"{name}.softmax", axis=-1)
        context = graph.node("MatMul", [chances, parts[2]], f"{name}.each")
        context = graph.node("Transpose", [context], f"{name}.back", perm=[0, 1, 3, 2, 4])
        whole = graph.constant(f"{name}.hidden", np.array([-1, 0, shape.hidden]))
        first = graph.constant(f"{name}.first", np.array([0]))
        context = graph.node("Squeeze", [context, first], f"{name}.one")
        return graph.node("Reshape", [context, whole], f"{name}.context")

    def gelu(self, graph: Graph, name: str, hidden: str) -> str:
        """The standard one."""
        return graph.node("Gelu", [hidden], name)


INT8, FLOAT32 = "int8", "float32"
PRECISIONS: Mapping[str, type[Whole] | type[Real]] = {INT8: Whole, FLOAT32: Real}
"""The arithmetic of each precision that a manifest may name."""


def embeddings(
    graph: Graph, weights: Weights, shape: BertShape, arithmetic: Arithmetic, types: bool = False
) -> NDArray[np.float32]:
    """Add the node ``embeddings.normalised``; returns the word rows as the graph computes them.

    Args:
        graph: Its input ``input_ids``, ``(texts, tokens)``, is read; with types also ``token_type_ids``.
        weights: Under transformers' names.
        shape: Sizes of the model.
        arithmetic: How word rows are kept.
        types: Whether there are two types of token; otherwise the first is folded into the positions.
    """
    rows = arithmetic.words(graph, weights[WORDS])
    positions = weights["embeddings.position_embeddings.weight"][: shape.max_tokens] + weights[TYPES][0]
    tokens = graph.node("Shape", ["input_ids"], "tokens", start=1, end=2)
    zero = graph.constant("zero", np.array([0]))
    position = graph.node("Slice", [graph.constant("positions", positions), zero, tokens, zero], "position")
    total = graph.node("Add", ["word", position], "embeddings.sum")
    if types:
        beyond = graph.constant("types", weights[TYPES] - weights[TYPES][0])
        total = graph.node("Add", [total, graph.node("Gather", [beyond, "token_type_ids"], "type")], "embeddings.typed")
    normalised(graph, weights, shape, "embeddings", total)
    return rows


def layers(graph: Graph, weights: Weights, shape: BertShape, arithmetic: Arithmetic) -> str:
    """Add all layers after `embeddings`; returns the last hidden states, ``(texts, tokens, hidden)``."""
    hidden = "embeddings.normalised"
    for number in range(shape.layers):
        name = f"encoder.layer.{number}"
        attended = arithmetic.attention(graph, weights, shape, f"{name}.attention", hidden)
        attended = arithmetic.linear(graph, weights, f"{name}.attention.output.dense", attended)
        attended = graph.node("Add", [attended, hidden], f"{name}.attention.sum")
        attended = normalised(graph, weights, shape, f"{name}.attention.output", attended)
        wide = arithmetic.linear(graph, weights, f"{name}.intermediate.dense", attended)
        wide = arithmetic.gelu(graph, f"{name}.gelu", wide)
        narrow = arithmetic.linear(graph, weights, f"{name}.output.dense", wide)
        narrow = graph.node("Add", [narrow, attended], f"{name}.sum")
        hidden = normalised(graph, weights, shape, f"{name}.output", narrow)
    return hidden


def normalised(graph: Graph, weights: Weights, shape: BertShape, name: str, hidden: str) -> str:
    """Add a LayerNorm."""
    gain = graph.constant(f"{name}.gain", weights[f"{name}.LayerNorm.weight"])
    bias = graph.constant(f"{name}.shift", weights[f"{name}.LayerNorm.bias"])
    return graph.node("LayerNormalization", [hidden, gain, bias], f"{name}.normalised", axis=-1, epsilon=shape.epsilon)


def query_key_value(weights: Weights, name: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The three matrices of an attention as one, ``(hidden, 3 * hidden)``, and their biases."""
    parts = [f"{name}.self.{part}" for part in ("query", "key", "value")]
    weight = np.concatenate([weights[f"{part}.weight"].T for part in parts], axis=1)
    return weight, np.concatenate([weights[f"{part}.bias"] for part in parts])


def quantise(weight: NDArray[np.float32], axis: int, limit: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Symmetric int8 with one scale for each slice along ``axis``: ``weight ≈ whole * scale``."""
    scale = np.abs(weight).max(axis=1 - axis, keepdims=True) / limit
    scale = np.where(scale == 0, 1, scale).astype(np.float32)
    return np.rint(weight / scale).astype(np.int8), scale
