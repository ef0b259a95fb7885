"""A cross-encoder's weights as a folder that `OnnxCrossEncoder` serves, and back again. Needs aisle[train] (onnx).

Knows a BERT with two types of token, and a score that is a sum of readings of its last layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from aisle.artifacts import Manifest, read_manifest, write_manifest, write_text
from aisle.encoders.adapted import suited
from aisle.encoders.graph import Arithmetic, BertShape, Graph, Whole, embeddings, layers
from aisle.encoders.weights import bert_weights, constants_of, refuse_additions
from aisle.errors import ArtifactError, OptionalDependencyError
from aisle.rerankers.cross_encoder import ARCHITECTURE, MODEL_FILE, fingerprint
from aisle.rerankers.head import FORMAT, KIND

Reading = Literal["cls", "mean", "match", "late"]
_KEPT: tuple[str, ...] = ("han_offset", "scripts", "licence", "description")


@dataclass(frozen=True, slots=True)
class CrossWeights:
    """Everything that a cross-encoder is.

    Attributes:
        weights: Under transformers' names; two rows of token types.
        shape: Sizes of the model.
        readings: What is read of the last layer, and how much each of its dimensions counts. "cls" is the first token,
            "mean" the mean of all, both ``(hidden,)``. "match" is the mean of the query's tokens times that of the
            text's, each of length 1, ``(hidden,)``: with equal weights a cosine. "late" is how near the query's tokens
            come to the text's nearest ones, ``(1,)``.
        bias: Added to the score.
        tokenizers: The tokenizer files by name.
        query_tokens: A query is cut to so many.
        max_tokens: Query, text and special tokens together.
        details: What else the manifest says: ``han_offset``, ``scripts``, ``licence``, ``description``.
    """

    weights: Mapping[str, NDArray[np.float32]]
    shape: BertShape
    readings: Mapping[Reading, NDArray[np.float32]]
    bias: float
    tokenizers: Mapping[str, str]
    query_tokens: int
    max_tokens: int
    details: Mapping[str, Any]


def write_cross_encoder(found: CrossWeights, out: Path, arithmetic: Arithmetic | None = None) -> Manifest:
    """Write the folder of an `OnnxCrossEncoder`, the manifest last.

    Args:
        found: What to write.
        out: The folder, made if need be.
        arithmetic: How the graph computes; in whole numbers where nothing is said.

    Raises:
        OptionalDependencyError: onnx is missing.
    """
    onnx = _onnx()
    out.mkdir(parents=True, exist_ok=True)
    onnx.save(build(found, suited(arithmetic or Whole(), found.weights)), out / MODEL_FILE)
    for name, text in found.tokenizers.items():
        write_text(out / name, text)
    sizes = {name: (out / name).stat().st_size for name in (MODEL_FILE, *found.tokenizers)}
    own = {
        "architecture": ARCHITECTURE,
        "readings": sorted(found.readings),
        "query_tokens": found.query_tokens,
        "max_tokens": found.max_tokens,
        "sizes": sizes,
    }
    manifest = Manifest(KIND, FORMAT, fingerprint(out), dict(found.details) | own)
    write_manifest(out, manifest)
    return manifest


def read_cross_encoder(folder: Path) -> CrossWeights:
    """Read back what `write_cross_encoder` wrote; of an int8 file, what it computes with.

    Raises:
        ArtifactError: The folder is no cross-encoder, or its graph is not one that Aisle wrote.
        OptionalDependencyError: onnx is missing.
    """
    onnx = _onnx()
    manifest = read_manifest(folder, KIND, FORMAT)
    details = dict(manifest.details)
    if details.get("architecture") != ARCHITECTURE:
        raise ArtifactError(
            f"{str(folder)!r} has the architecture {details.get('architecture')!r}", allowed=ARCHITECTURE
        )
    try:
        model = onnx.load(folder / MODEL_FILE)
        refuse_additions(model, folder)
        weights, shape = bert_weights(model)
        constants = constants_of(model)
        names = [name for name in details["sizes"] if name != MODEL_FILE]
        kept = {name: details[name] for name in _KEPT if name in details}
        return CrossWeights(
            weights,
            shape,
            {name: constants[f"score.{name}"].ravel() for name in cast(list[Reading], details["readings"])},
            float(constants["score.bias"][0]),
            {name: (folder / name).read_text(encoding="utf-8") for name in names},
            int(details["query_tokens"]),
            int(details["max_tokens"]),
            kept,
        )
    except (OSError, KeyError, StopIteration) as error:
        raise ArtifactError(
            f"the graph of {str(folder)!r} lacks {error}", allowed="a cross-encoder made by aisle train"
        ) from None


def build(found: CrossWeights, arithmetic: Arithmetic) -> Any:
    """The whole model: ``input_ids`` and ``token_type_ids``, (n, s) without padding, to ``score`` (n,)."""
    from onnx import TensorProto, helper

    graph = Graph()
    embeddings(graph, found.weights, found.shape, arithmetic, types=True)
    hidden = layers(graph, found.weights, found.shape, arithmetic)
    one = graph.constant("axis", np.array([1]))
    total = graph.constant("score.bias", np.array([found.bias], np.float32))
    segments = _segments(graph, hidden) if set(found.readings) & {"match", "late"} else None
    for name in sorted(found.readings):
        read = _read(graph, name, hidden, segments)
        weight = graph.constant(f"score.{name}", np.float32(found.readings[name]).reshape(-1, 1))
        product = graph.node("MatMul", [read, weight], f"score.{name}.product")
        total = graph.node("Add", [product, total], f"score.{name}.sum")
    graph.node("Squeeze", [total, one], "score")
    output = helper.make_tensor_value_info("score", TensorProto.FLOAT, ["texts"])
    inputs = {name: ["texts", "tokens"] for name in ("input_ids", "token_type_ids")}
    return graph.model("cross_encoder", inputs, output, arithmetic.opset)


def _segments(graph: Graph, hidden: str) -> tuple[str, str]:
    """Which tokens are the query's and which the text's, as ``(n, 1, s)`` of 0 and 1."""
    from onnx import TensorProto

    one = graph.constant("segment.axis", np.array([1]))
    types = graph.node("Unsqueeze", ["token_type_ids", one], "segment.types")
    text = graph.node("Cast", [types], "segment.text", to=TensorProto.FLOAT)
    return graph.node("Sub", [graph.constant("segment.one", np.ones(1, np.float32)), text], "segment.query"), text


def _read(graph: Graph, name: Reading, hidden: str, segments: tuple[str, str] | None) -> str:
    """A reading of the last layer, ``(n, hidden)``, or ``(n, 1)`` for late interaction."""
    if name == "cls":
        first = graph.node("Gather", [hidden, graph.constant("cls.first", np.array([0]))], "cls.token", axis=1)
        return graph.node("Squeeze", [first, graph.constant("cls.axis", np.array([1]))], "cls")
    if name == "mean":
        return graph.node("ReduceMean", [hidden, graph.constant("mean.axis", np.array([1]))], "mean", keepdims=0)
    assert segments is not None
    if name == "match":
        units = []
        for part, mask in zip(("query", "text"), segments, strict=True):
            total = graph.node("MatMul", [mask, hidden], f"match.{part}.sum")
            units.append(graph.node("LpNormalization", [total], f"match.{part}", axis=2, p=2))
        axis = graph.constant("match.axis", np.array([1]))
        return graph.node("Squeeze", [graph.node("Mul", units, "match.product"), axis], "match")
    tokens = graph.node("LpNormalization", [hidden], "late.tokens", axis=2, p=2)
    across = graph.node("Transpose", [tokens], "late.across", perm=[0, 2, 1])
    near = graph.node("MatMul", [tokens, across], "late.near")
    far = graph.node("Mul", [segments[0], graph.constant("late.apart", np.full(1, 4, np.float32))], "late.far")
    near = graph.node("Sub", [near, far], "late.texts")  # a cosine is at least -1: no query token is the nearest
    last = graph.constant("late.axis", np.array([2]))
    nearest = graph.node("ReduceMax", [near, last], "late.nearest", keepdims=1)
    total = graph.node("Squeeze", [graph.node("MatMul", [segments[0], nearest], "late.sum"), last], "late.total")
    count = graph.node("ReduceSum", [segments[0], last], "late.count", keepdims=0)
    return graph.node("Div", [total, count], "late")


def _onnx() -> Any:
    try:
        import onnx
    except ImportError:
        raise OptionalDependencyError("onnx", "train", "writing or reading a cross-encoder") from None
    return onnx
