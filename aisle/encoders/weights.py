"""The weights of an encoder folder again in float: what `export` wrote, read back, so that training can go on from it.

Needs the onnx package of aisle[train]. Knows the graph that `aisle.encoders.export` writes and no other. What is read
is what the 8-bit file computes with, not the float weights that it was once made from.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from aisle.artifacts import read_manifest
from aisle.encoders.export import BertShape, WordsPart
from aisle.encoders.onnx import FORMAT, KIND, MODEL_FILE
from aisle.errors import ArtifactError, OptionalDependencyError

if TYPE_CHECKING:
    from aisle.artifacts import Manifest


@dataclass(frozen=True, slots=True)
class EncoderWeights:
    """Everything that `write_encoder` takes: weights under transformers' names, sizes, tokenizer files, words' part."""

    weights: dict[str, NDArray[np.float32]]
    shape: BertShape
    tokenizers: dict[str, str]
    words: WordsPart | None
    manifest: Manifest


def read_weights(folder: Path) -> EncoderWeights:
    """Read an encoder folder's weights into float32.

    Raises:
        ArtifactError: The folder is no encoder, or its graph is not one that Aisle wrote.
        OptionalDependencyError: onnx is missing.
    """
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError:
        raise OptionalDependencyError("onnx", "train", "training an encoder further") from None
    manifest = read_manifest(folder, KIND, FORMAT)
    model = onnx.load(folder / MODEL_FILE)
    constants = {found.name: numpy_helper.to_array(found) for found in model.graph.initializer}
    try:
        weights, shape = _weights(constants, model)
        words = _words(constants)
    except (KeyError, StopIteration) as error:
        raise ArtifactError(
            f"the graph of {str(folder)!r} lacks {error}",
            allowed="an encoder made by aisle train, scripts/train_encoder.py or scripts/export_minilm.py",
        ) from None
    names = [name for name in manifest.details["sizes"] if name != MODEL_FILE]
    tokenizers = {name: (folder / name).read_text(encoding="utf-8") for name in names}
    return EncoderWeights(weights, shape, tokenizers, words, manifest)


def _weights(constants: dict[str, NDArray[Any]], model: Any) -> tuple[dict[str, NDArray[np.float32]], BertShape]:
    found: dict[str, NDArray[np.float32]] = {
        "embeddings.word_embeddings.weight": constants["words.int8"] * constants["words.scale"],
        "embeddings.position_embeddings.weight": constants["positions"],
        "embeddings.LayerNorm.weight": constants["embeddings.gain"],
        "embeddings.LayerNorm.bias": constants["embeddings.shift"],
    }
    hidden = int(constants["positions"].shape[1])
    found["embeddings.token_type_embeddings.weight"] = np.zeros((2, hidden), np.float32)  # folded into the positions
    layers = len({name.split(".")[2] for name in constants if name.startswith("encoder.layer.")})
    for number in range(layers):
        layer = f"encoder.layer.{number}"
        attention = f"{layer}.attention"
        weight = constants[f"{attention}.qkv.int8"] * constants[f"{attention}.qkv.scale"]
        bias = constants[f"{attention}.bias"]
        for place, part in enumerate(("query", "key", "value")):
            columns = slice(place * hidden, (place + 1) * hidden)
            found[f"{attention}.self.{part}.weight"] = weight[:, columns].T
            found[f"{attention}.self.{part}.bias"] = bias[columns]
        for name in (f"{attention}.output.dense", f"{layer}.intermediate.dense", f"{layer}.output.dense"):
            found[f"{name}.weight"] = (constants[f"{name}.int8"] * constants[f"{name}.scale"]).T
            found[f"{name}.bias"] = constants[f"{name}.bias"]
        for name in (f"{attention}.output", f"{layer}.output"):
            found[f"{name}.LayerNorm.weight"] = constants[f"{name}.gain"]
            found[f"{name}.LayerNorm.bias"] = constants[f"{name}.shift"]
    nodes = list(model.graph.node)
    heads = _attribute(next(node for node in nodes if node.op_type == "QAttention"), "num_heads")
    epsilon = _attribute(next(node for node in nodes if node.op_type == "LayerNormalization"), "epsilon")
    shape = BertShape(hidden, int(heads), layers, float(epsilon), int(constants["positions"].shape[0]))
    return {name: np.ascontiguousarray(value, np.float32) for name, value in found.items()}, shape


def _words(constants: dict[str, NDArray[Any]]) -> WordsPart | None:
    if "words.factor" not in constants:
        return None
    centre = constants["words.centre"].astype(np.float32)
    lengths = np.linalg.norm(constants["words.int8"] * constants["words.scale"] - centre, axis=1)
    rarity = (constants["words.factor"] * np.maximum(lengths, 1e-6)).astype(np.float32)
    length = float(constants["words.gate"].max())
    return WordsPart(rarity, (constants["words.gate"] / (length or 1.0)).astype(np.float32), centre, length)


def _attribute(node: Any, name: str) -> float:
    from onnx import helper

    return float(next(helper.get_attribute_value(found) for found in node.attribute if found.name == name))
