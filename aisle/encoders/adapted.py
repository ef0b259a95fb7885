"""Graphs of a BERT with what cannot be merged into its weights: bottlenecks behind outputs, prefixes of its attention.

`Adapted` meets the graph's `Arithmetic` by another one and what it finds among the weights:
``NAME.adapter.down.weight`` and ``.bias``, ``NAME.adapter.up.weight`` and ``.bias`` behind the linear layer NAME;
``NAME.prefix.keys`` and ``.values``, ``(heads, length, size)``, in the attention NAME. Needs onnx.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.encoders.graph import Arithmetic, BertShape, Graph, Real, Weights, Whole
from aisle.errors import ArtifactError

PARTS = (".adapter.", ".prefix.")
"""What names of such weights hold."""


def suited(arithmetic: Arithmetic, weights: Weights) -> Arithmetic:
    """The arithmetic for some weights: itself, or `Adapted` by it where there are bottlenecks or prefixes.

    Raises:
        ArtifactError: There are, and it is neither `Whole` nor `Real`.
    """
    if not any(part in name for name in weights for part in PARTS):
        return arithmetic
    if not isinstance(arithmetic, Whole | Real):
        raise ArtifactError(
            f"adapters or a prefix in the arithmetic {type(arithmetic).__name__}",
            allowed="int8 with ranges found at run time, or float32",
        )
    return Adapted(arithmetic)


class Adapted:
    """An arithmetic with additions.

    Args:
        inner: `Whole` or `Real`.
    """

    def __init__(self, inner: Whole | Real) -> None:
        self.inner: Arithmetic = inner
        self.opset = inner.opset

    def words(self, graph: Graph, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """As the inner one."""
        return self.inner.words(graph, rows)

    def gelu(self, graph: Graph, name: str, hidden: str) -> str:
        """As the inner one."""
        return self.inner.gelu(graph, name, hidden)

    def linear(self, graph: Graph, weights: Weights, name: str, hidden: str) -> str:
        """With the bottleneck behind it, if it has one."""
        found = self.inner.linear(graph, weights, name, hidden)
        if f"{name}.adapter.down.weight" not in weights:
            return found
        narrow = self.inner.linear(graph, weights, f"{name}.adapter.down", found)
        narrow = self.inner.gelu(graph, f"{name}.adapter.gelu", narrow)
        wide = self.inner.linear(graph, weights, f"{name}.adapter.up", narrow)
        return graph.node("Add", [found, wide], f"{name}.adapted")

    def attention(self, graph: Graph, weights: Weights, shape: BertShape, name: str, hidden: str) -> str:
        """With the prefix, if it has one: as many nodes as without, and two or three that bring it in."""
        before = len(graph.nodes)
        context = self.inner.attention(graph, weights, shape, name, hidden)
        if f"{name}.prefix.keys" in weights:
            added = graph.nodes[before:]
            del graph.nodes[before:]
            bring = _into_whole if isinstance(self.inner, Whole) else _into_real
            bring(graph, added, name, weights[f"{name}.prefix.keys"], weights[f"{name}.prefix.values"])
        return context


def _into_whole(
    graph: Graph, nodes: list[Any], name: str, keys: NDArray[np.float32], values: NDArray[np.float32]
) -> None:
    """ONNX Runtime's attention takes a prefix as the keys and values of a past; they stay in float."""
    for node in nodes:
        if node.op_type == "QAttention":
            node.input.append(_for_each_text(graph, f"{name}.prefix", np.stack([keys, values])[:, None], 1))
            node.output.append(f"{name}.present")  # must be there, and is read by none
        graph.nodes.append(node)


def _into_real(
    graph: Graph, nodes: list[Any], name: str, keys: NDArray[np.float32], values: NDArray[np.float32]
) -> None:
    """The prefix goes before what is split off as keys and as values, ``(1, texts, heads, tokens, size)``."""
    longer: dict[str, str] = {}
    for node in nodes:
        for place, found in enumerate(node.input):
            node.input[place] = longer.get(found, found)
        graph.nodes.append(node)
        if node.op_type == "Split":
            for part, prefix in (("key", keys), ("value", values)):
                whole = _for_each_text(graph, f"{name}.prefix.{part}", prefix[None, None], 1)
                graph.node("Concat", [whole, f"{name}.{part}"], f"{name}.{part}.prefixed", axis=3)
                longer[f"{name}.{part}"] = f"{name}.{part}.prefixed"


def _for_each_text(graph: Graph, name: str, value: NDArray[np.float32], axis: int) -> str:
    """The constant, its ``axis`` of length 1 made as long as there are texts."""
    texts = graph.node("Shape", ["input_ids"], f"{name}.texts", start=0, end=1)
    before, after = (
        graph.constant(f"{name}.{part}", np.array(sizes, np.int64))
        for part, sizes in (("before", value.shape[:axis]), ("after", value.shape[axis + 1 :]))
    )
    shape = graph.node("Concat", [before, texts, after], f"{name}.shape", axis=0)
    return graph.node("Expand", [graph.constant(f"{name}.rows", value), shape], f"{name}.each")
