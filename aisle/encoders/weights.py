"""The weights of an encoder folder again in float: what `export` wrote, read back, so that training can go on from it.

Needs the onnx package of aisle[train]. Knows the graphs that `aisle.encoders.graph` builds and no other. What is read
of an 8-bit file is what it computes with, not the float weights that it was once made from.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from aisle.artifacts import read_manifest
from aisle.encoders.adapted import PARTS
from aisle.encoders.export import WordsPart
from aisle.encoders.graph import TYPES, WORDS, BertShape
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
    except ImportError:
        raise OptionalDependencyError("onnx", "train", "training an encoder further") from None
    manifest = read_manifest(folder, KIND, FORMAT)
    model = onnx.load(folder / MODEL_FILE)
    refuse_additions(model, folder)
    try:
        weights, shape = bert_weights(model)
        words = _words(constants_of(model))
    except (KeyError, StopIteration) as error:
        raise ArtifactError(
            f"the graph of {str(folder)!r} lacks {error}",
            allowed="an encoder made by aisle train, scripts/train_encoder.py or scripts/export_minilm.py",
        ) from None
    if int(manifest.details["dim"]) != shape.hidden:
        raise ArtifactError(
            f"the vectors of {str(folder)!r} were shortened to {manifest.details['dim']} dimensions",
            allowed="an encoder with its own vectors",
            fix="use the model that it was exported from",
        )
    names = [name for name in manifest.details["sizes"] if name != MODEL_FILE]
    tokenizers = {name: (folder / name).read_text(encoding="utf-8") for name in names}
    return EncoderWeights(weights, shape, tokenizers, words, manifest)


def refuse_additions(model: Any, folder: Path) -> None:
    """Refuse a graph of which the BERT alone would be another model.

    Raises:
        ArtifactError: It holds adapters or prefixes (`aisle.encoders.adapted`).
    """
    if any(part in name for name in constants_of(model) for part in PARTS):
        raise ArtifactError(
            f"the encoder {str(folder)!r} has adapters or a prefix, which cannot be merged into its weights",
            allowed="an encoder trained in full, by its last layers, by LoRA, DoRA or AdaLoRA",
            fix="begin with the encoder that this one was made from",
        )


def bert_weights(model: Any) -> tuple[dict[str, NDArray[np.float32]], BertShape]:
    """The weights of a graph that `aisle.encoders.graph` built, under transformers' names, and its sizes.

    Raises:
        KeyError, StopIteration: It is another graph.
    """
    constants = constants_of(model)
    positions = constants["positions"]
    hidden = int(positions.shape[1])
    types = constants.get("types", np.zeros((2, hidden), np.float32))  # the first is folded into the positions
    found: dict[str, NDArray[Any]] = {
        WORDS: _rows(constants),
        "embeddings.position_embeddings.weight": positions,
        TYPES: types,
        "embeddings.LayerNorm.weight": constants["embeddings.gain"],
        "embeddings.LayerNorm.bias": constants["embeddings.shift"],
    }
    nodes = list(model.graph.node)
    heads = _heads(nodes, constants)
    layers = len({name.split(".")[2] for name in constants if name.startswith("encoder.layer.")})
    for number in range(layers):
        layer = f"encoder.layer.{number}"
        attention = f"{layer}.attention"
        weight, bias = _matrix(constants, f"{attention}.qkv"), np.array(constants[f"{attention}.bias"])
        if f"{attention}.heads" in constants:  # float32: queries are divided beforehand
            weight[:, :hidden] *= np.sqrt(hidden / heads)
            bias[:hidden] *= np.sqrt(hidden / heads)
        for place, part in enumerate(("query", "key", "value")):
            columns = slice(place * hidden, (place + 1) * hidden)
            found[f"{attention}.self.{part}.weight"] = weight[:, columns].T
            found[f"{attention}.self.{part}.bias"] = bias[columns]
        for name in (f"{attention}.output.dense", f"{layer}.intermediate.dense", f"{layer}.output.dense"):
            found[f"{name}.weight"] = _matrix(constants, name).T
            found[f"{name}.bias"] = constants[f"{name}.bias"]
        for name in (f"{attention}.output", f"{layer}.output"):
            found[f"{name}.LayerNorm.weight"] = constants[f"{name}.gain"]
            found[f"{name}.LayerNorm.bias"] = constants[f"{name}.shift"]
    epsilon = _attribute(next(node for node in nodes if node.op_type == "LayerNormalization"), "epsilon")
    shape = BertShape(hidden, heads, layers, float(epsilon), len(positions))
    return {name: np.ascontiguousarray(value, np.float32) for name, value in found.items()}, shape


def constants_of(model: Any) -> dict[str, NDArray[Any]]:
    """A graph's constants by name."""
    from onnx import numpy_helper

    return {found.name: numpy_helper.to_array(found) for found in model.graph.initializer}


def _rows(constants: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
    if "words.rows" in constants:
        return constants["words.rows"]
    return np.asarray(constants["words.int8"] * constants["words.scale"], np.float32)


def _matrix(constants: dict[str, NDArray[Any]], name: str) -> NDArray[np.float32]:
    if f"{name}.weight" in constants:
        return np.array(constants[f"{name}.weight"], np.float32)
    return np.asarray(constants[f"{name}.int8"] * constants[f"{name}.scale"], np.float32)


def _heads(nodes: list[Any], constants: dict[str, NDArray[Any]]) -> int:
    if "encoder.layer.0.attention.heads" in constants:
        return int(constants["encoder.layer.0.attention.heads"][3])
    return int(_attribute(next(node for node in nodes if node.op_type == "QAttention"), "num_heads"))


def _words(constants: dict[str, NDArray[Any]]) -> WordsPart | None:
    if "words.factor" not in constants:
        return None
    centre = constants["words.centre"].astype(np.float32)
    lengths = np.linalg.norm(_rows(constants) - centre, axis=1)
    rarity = (constants["words.factor"] * np.maximum(lengths, 1e-6)).astype(np.float32)
    length = float(constants["words.gate"].max())
    return WordsPart(rarity, (constants["words.gate"] / (length or 1.0)).astype(np.float32), centre, length)


def _attribute(node: Any, name: str) -> float:
    from onnx import helper

    return float(next(helper.get_attribute_value(found) for found in node.attribute if found.name == name))
