"""The ranges of activations, found once on a shop's own texts instead of at every run: static 8-bit graphs. Needs onnx.

`observe` watches a float32 graph; `Static` writes ONNX Runtime's graph with the ranges that were found, `marked` makes
the same of a float32 graph by standard operators, which OpenVINO turns into its own 8-bit kernels. What a static graph
says of a text depends on the text alone, also in a batch, but for the last digits.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.encoders.graph import CONTRIB, BertShape, Graph, Weights, Whole, quantise, query_key_value
from aisle.errors import ArtifactError

Inputs = Mapping[str, NDArray[np.int64]]
_LEVELS = 255
_WEIGHT_LIMIT = 64
"""As in `Whole`: 7 of the 8 bits, so that every processor computes the same integers."""
RULES = ("extremes", "means", "percentile")
"""Of the least and the greatest activation of each text: the extremes, their mean, the 1st and the 99th percentile."""


@dataclass(frozen=True, slots=True)
class Observed:
    """The least and the greatest value of each watched tensor in each text, ``(texts,)`` by the tensor's name."""

    low: Mapping[str, NDArray[np.float32]]
    high: Mapping[str, NDArray[np.float32]]

    def ranges(self, rule: str) -> dict[str, tuple[float, float]]:
        """One range for each tensor, 0 inside, by one of `RULES`."""
        found = {}
        for name, low in self.low.items():
            high = self.high[name]
            if rule == "extremes":
                found[name] = (float(low.min()), float(high.max()))
            elif rule == "means":
                found[name] = (float(low.mean()), float(high.mean()))
            else:
                found[name] = (float(np.percentile(low, 1)), float(np.percentile(high, 99)))
        return {name: (min(low, 0.0), max(high, 1e-6)) for name, (low, high) in found.items()}


def observe(path: Path, runs: Iterable[Inputs]) -> Observed:
    """Run a float32 graph and watch what its matrices are multiplied with.

    Args:
        path: Of a graph of standard operators.
        runs: The inputs of each text.

    Raises:
        ArtifactError: There is no text.
    """
    import onnx
    import onnxruntime

    model = onnx.load(path)
    watched = sorted({node.input[0] for node in _products(model)})
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in watched)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    low: dict[str, list[float]] = {name: [] for name in watched}
    high: dict[str, list[float]] = {name: [] for name in watched}
    for inputs in runs:
        for name, value in zip(watched, session.run(watched, dict(inputs)), strict=True):
            low[name].append(float(value.min()))
            high[name].append(float(value.max()))
    if watched and not low[watched[0]]:
        raise ArtifactError("no text to find the ranges of activations with", fix="name a catalogue or pairs")
    return Observed(*({name: np.array(row, np.float32) for name, row in part.items()} for part in (low, high)))


class Static(Whole):
    """Whole numbers by ONNX Runtime's operators, as `Whole`, with ranges that are known beforehand.

    Args:
        ranges: Of each tensor that a matrix is multiplied with.
    """

    def __init__(self, ranges: Mapping[str, tuple[float, float]]) -> None:
        self.ranges = ranges

    def linear(self, graph: Graph, weights: Weights, name: str, hidden: str) -> str:
        """Activations to whole numbers, then one node that multiplies and adds."""
        ranged = self._ranged(graph, hidden, name)
        whole, scale, zero = self._quantised(graph, name, weights[f"{name}.weight"].T)
        bias = graph.constant(f"{name}.bias", weights[f"{name}.bias"])
        inputs = [ranged[0], whole, ranged[1], scale, ranged[2], zero, bias]
        return graph.node("MatMulIntegerToFloat", inputs, name, domain=CONTRIB)

    def attention(self, graph: Graph, weights: Weights, shape: BertShape, name: str, hidden: str) -> str:
        """One node for all of attention, one for its input in whole numbers."""
        weight, bias = query_key_value(weights, name)
        biases = graph.constant(f"{name}.bias", bias)
        whole, scale, zero = self._quantised(graph, f"{name}.qkv", weight)
        ranged = self._ranged(graph, hidden, name)
        inputs = [ranged[0], whole, biases, ranged[1], scale, "", ranged[2], zero]
        return graph.node("QAttention", inputs, f"{name}.context", domain=CONTRIB, num_heads=shape.heads)

    def _ranged(self, graph: Graph, hidden: str, name: str) -> list[str]:
        """The names of the activation in uint8, its scale and its zero."""
        scale, zero = _scale(*self.ranges[hidden])
        ranged = [f"{name}.input.{part}" for part in ("uint8", "scale", "zero")]
        graph.constant(ranged[1], np.array(scale))
        graph.constant(ranged[2], np.array(zero))
        graph.node("QuantizeLinear", [hidden, *ranged[1:]], ranged[0])
        return ranged


def marked(model: Any, ranges: Mapping[str, tuple[float, float]]) -> Any:
    """A float32 graph with its products in 8 bits by standard operators: quantise, dequantise, multiply.

    Args:
        model: Of standard operators; changed in place and returned.
        ranges: Of each tensor that a matrix is multiplied with.
    """
    from onnx import numpy_helper

    constants = {found.name: found for found in model.graph.initializer}
    added = Graph()
    ready: dict[str, str] = {}
    nodes = []
    for node in model.graph.node:
        if _is_product(node, constants):
            before = len(added.nodes)
            hidden, weight = node.input[0], node.input[1]
            if hidden not in ready:
                ready[hidden] = _there_and_back(added, hidden, ranges[hidden])
            whole, scale = quantise(numpy_helper.to_array(constants[weight]), 1, _WEIGHT_LIMIT)
            parts = [
                added.constant(f"{weight}.int8", whole),
                added.constant(f"{weight}.scale", scale[0]),
                added.constant(f"{weight}.zero", np.zeros(whole.shape[1], np.int8)),
            ]
            node.input[0] = ready[hidden]
            node.input[1] = added.node("DequantizeLinear", parts, f"{weight}.back", axis=1)
            nodes += added.nodes[before:]
            model.graph.initializer.remove(constants.pop(weight))
        nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(added.constants)
    return model


def _there_and_back(graph: Graph, hidden: str, found: tuple[float, float]) -> str:
    scale, zero = _scale(*found)
    parts = [graph.constant(f"{hidden}.scale", np.array(scale)), graph.constant(f"{hidden}.zero", np.array(zero))]
    whole = graph.node("QuantizeLinear", [hidden, *parts], f"{hidden}.uint8")
    return graph.node("DequantizeLinear", [whole, *parts], f"{hidden}.back")


def _scale(low: float, high: float) -> tuple[np.float32, np.uint8]:
    scale = np.float32((high - low) / _LEVELS)
    return scale, np.uint8(np.clip(round(-low / float(scale)), 0, _LEVELS))


def _products(model: Any) -> list[Any]:
    """The nodes of the layers that multiply with a constant matrix."""
    constants = {found.name for found in model.graph.initializer}
    return [node for node in model.graph.node if _is_product(node, constants)]


def _is_product(node: Any, constants: Container[str]) -> bool:
    return node.op_type == "MatMul" and node.input[1] in constants and node.input[1].startswith("encoder.layer.")
