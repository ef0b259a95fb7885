"""Activations moved to where 8 bits serve them best, without a change in what the model computes. Needs onnx.

A few numbers of a BERT's hidden states are large and nearly the same for every token: they stretch the range of 8-bit
activations and carry nothing. Their means are taken from what each LayerNorm puts out and given back in the biases of
what reads it: the next matrices, and the sum that the residual connection goes into. In float32 nothing changes; at
run time nothing is added. Knows weights and graphs, no text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aisle.compress.ranges import Inputs
from aisle.encoders.graph import Weights

Centres = Mapping[str, NDArray[np.float32]]


def norms(layers: int) -> list[str]:
    """The LayerNorms whose output a matrix reads, all but the last one, in order."""
    found = ["embeddings"]
    for number in range(layers):
        found += [f"encoder.layer.{number}.attention.output", f"encoder.layer.{number}.output"]
    return found[:-1]


def centres(path: Path, layers: int, runs: Iterable[Inputs]) -> dict[str, NDArray[np.float32]]:
    """The mean of what each LayerNorm puts out over all tokens, ``(hidden,)`` by its name.

    Args:
        path: Of a float32 graph.
        layers: Of the model.
        runs: The inputs of each text.
    """
    import onnx
    import onnxruntime

    names = norms(layers)
    watched = [f"{name}.normalised" for name in names]
    model = onnx.load(path)
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in watched)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    totals: dict[str, NDArray[np.float64]] = {}
    tokens = 0
    for inputs in runs:
        tokens += inputs["input_ids"].size
        for name, value in zip(names, session.run(watched, dict(inputs)), strict=True):
            totals[name] = totals.get(name, 0) + value.sum((0, 1), dtype=np.float64)
    return {name: (total / tokens).astype(np.float32) for name, total in totals.items()}


def centred(weights: Weights, layers: int, found: Centres) -> dict[str, NDArray[np.float32]]:
    """The same model with these centres taken from its LayerNorms' outputs and given back in biases."""
    made = dict(weights)

    def add(name: str, value: NDArray[np.float32]) -> None:
        made[name] = made[name] + value

    for name, centre in found.items():
        add(f"{name}.LayerNorm.bias", -centre)
        inside = name.endswith("attention.output")
        number = int(name.split(".")[2]) + (not inside) if name != "embeddings" else 0
        layer = f"encoder.layer.{number}"
        parts = ["intermediate.dense"] if inside else [f"attention.self.{part}" for part in ("query", "key", "value")]
        for part in parts:
            add(f"{layer}.{part}.bias", made[f"{layer}.{part}.weight"] @ centre)
        add(f"{layer}.output.dense.bias" if inside else f"{layer}.attention.output.dense.bias", centre)
    return made
