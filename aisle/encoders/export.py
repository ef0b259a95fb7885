"""A BERT sentence encoder as an int8 ONNX graph, written node by node from its weights.

Needs aisle[train]. Knows BERT with mean pooling and nothing of where the weights come from. The graph is written
rather than traced because the traced one, fused by onnxruntime's optimiser, is slower: its fused skip-and-normalise
kernel takes a quarter of the time on a CPU, plain LayerNormalization does not (docs/encoder.md). Writing also makes
the bytes depend on nothing but the weights.

Weights are int8 per output channel, activations uint8 with a range found at run time. Weights use 7 of their 8 bits:
without VNNI instructions a pair of products is summed in 16 bits, and 2 * 255 * 64 still fits there while
2 * 255 * 127 does not, so every machine computes the same integers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.artifacts import Manifest, write_manifest, write_text
from aisle.encoders.onnx import FORMAT, KIND, MODEL_FILE
from aisle.encoders.tokenise import ENGLISH_FILE
from aisle.errors import ArtifactError, OptionalDependencyError

Weights = Mapping[str, NDArray[np.float32]]
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

    @classmethod
    def read(cls, folder: Path) -> BertShape:
        """Read a sentence-transformers folder's configuration.

        Raises:
            ArtifactError: The folder is no sentence-transformers model, not a BERT, or does not pool by the mean.
        """
        config = _json(folder / "config.json")
        pooling = _json(folder / "1_Pooling" / "config.json")
        modules = [module["type"].rsplit(".", 1)[-1] for module in _json(folder / "modules.json")]
        if config["model_type"] != "bert" or config["hidden_act"] != "gelu":
            raise ArtifactError(
                f"{str(folder)!r} is a {config['model_type']!r} model with {config['hidden_act']!r}",
                allowed="a BERT with the GELU activation",
                fix="use the folder itself as the encoder: it is then run by sentence-transformers",
            )
        if modules != ["Transformer", "Pooling", "Normalize"] or not _pools_by_mean(pooling):
            raise ArtifactError(
                f"{str(folder)!r} has the modules {modules}", allowed="Transformer, Pooling by the mean, Normalize"
            )
        limit = _json(folder / "sentence_bert_config.json").get("max_seq_length") or config["max_position_embeddings"]
        return cls(
            hidden=config["hidden_size"],
            heads=config["num_attention_heads"],
            layers=config["num_hidden_layers"],
            epsilon=config["layer_norm_eps"],
            max_tokens=min(limit, config["max_position_embeddings"]),
        )


@dataclass(frozen=True, slots=True)
class WordsPart:
    """A second part of the vector: the words of the text themselves, beside what the layers make of them.

    Attributes:
        rarity: What each row counts, ``(rows,)``; 0 for special tokens.
        gate: 1 for rows whose share of a text decides how long the part is, 0 for others, ``(rows,)``.
        centre: Taken from every row first, ``(hidden,)``.
        length: Of the part where every row has a gate of 1; the part of meaning has 1.
    """

    rarity: NDArray[np.float32]
    gate: NDArray[np.float32]
    centre: NDArray[np.float32]
    length: float


def export_encoder(source: Path, out: Path, details: Mapping[str, Any]) -> Manifest:
    """Write the folder of an ``OnnxEncoder``: model, tokenizer, and the manifest last.

    Args:
        source: A sentence-transformers folder that holds a BERT.
        out: The folder to write, made if need be.
        details: What else the manifest should say: name, source, licence, command.

    Raises:
        ArtifactError: The source is not a model that the graph can express.
        OptionalDependencyError: The packages of aisle[train] are missing.
    """
    try:
        import onnx  # noqa: F401  told now, before anything is read
        from transformers import AutoModel
    except ImportError as error:
        raise OptionalDependencyError(error.name or "onnx", "train", "exporting an encoder") from None
    shape = BertShape.read(source)
    model = AutoModel.from_pretrained(source, local_files_only=True)
    weights = {name: value.float().numpy() for name, value in model.state_dict().items()}
    return write_encoder(weights, shape, {ENGLISH_FILE: _free_tokenizer(source / ENGLISH_FILE)}, out, details)


def write_encoder(
    weights: Weights,
    shape: BertShape,
    tokenizers: Mapping[str, str],
    out: Path,
    details: Mapping[str, Any],
    words: WordsPart | None = None,
) -> Manifest:
    """Write the folder of an ``OnnxEncoder`` from weights under the names of transformers' BERT.

    Args:
        weights: In float; the word embeddings may have any number of rows.
        shape: Sizes of the model.
        tokenizers: The tokenizer files by name.
        out: The folder to write, made if need be.
        details: What else the manifest should say.
        words: Adds the words' own part.
    """
    import onnx

    out.mkdir(parents=True, exist_ok=True)
    onnx.save(_build(weights, shape, words), out / MODEL_FILE)
    for name, text in tokenizers.items():
        write_text(out / name, text)
    files = (MODEL_FILE, *tokenizers)
    sums = {name: sha256((out / name).read_bytes()).hexdigest() for name in files}
    sizes = {name: (out / name).stat().st_size for name in files}
    manifest = Manifest(
        kind=KIND,
        format=FORMAT,
        fingerprint={**sums, "pooling": "mean over all tokens, unit length" + ("; words beside it" if words else "")},
        details={"dim": shape.hidden, "max_tokens": shape.max_tokens, "sizes": sizes, **details},
    )
    write_manifest(out, manifest)
    return manifest


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(
            f"cannot read {str(path)!r}: {error}", allowed="the folder of a sentence-transformers model"
        ) from None


def _pools_by_mean(config: Mapping[str, Any]) -> bool:
    chosen = config.get("pooling_mode") or [key for key, on in config.items() if key.startswith("pooling_mode") and on]
    return chosen in ("mean", ["mean"], ["pooling_mode_mean_tokens"])


def _free_tokenizer(path: Path) -> str:
    """The tokenizer without the truncation and padding baked into its file; the encoder cuts, and pads nothing."""
    content = _json(path)
    content["truncation"] = content["padding"] = None
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def _quantise(weight: NDArray[np.float32], axis: int, limit: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Symmetric int8 with one scale for each slice along ``axis``: ``weight ≈ whole * scale``."""
    scale = np.abs(weight).max(axis=1 - axis, keepdims=True) / limit
    scale = np.where(scale == 0, 1, scale).astype(np.float32)
    return np.rint(weight / scale).astype(np.int8), scale


@dataclass
class _Graph:
    """Nodes and constants in the order they are added."""

    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)

    def constant(self, name: str, value: NDArray[Any]) -> str:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, kind: str, inputs: list[str], output: str, domain: str = "", **attributes: int | float) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, domain=domain, **attributes))
        return output

    def quantised(self, name: str, weight: NDArray[np.float32]) -> list[str]:
        whole, scale = _quantise(weight, 1, _WEIGHT_LIMIT)
        zero = np.zeros(weight.shape[1], np.int8)
        return [
            self.constant(f"{name}.int8", whole),
            self.constant(f"{name}.scale", scale[0]),
            self.constant(f"{name}.zero", zero),
        ]


_CONTRIB = "com.microsoft"


def _build(weights: Weights, shape: BertShape, words: WordsPart | None = None) -> Any:
    """The whole model: ``input_ids`` (n, s) without padding to ``embedding`` (n, hidden), rows of length 1."""
    from onnx import TensorProto, helper

    graph = _Graph()
    hidden = _embeddings(graph, weights, shape)
    for number in range(shape.layers):
        hidden = _layer(graph, weights, shape, number, hidden)
    mean = graph.node("ReduceMean", [hidden, graph.constant("axis", np.array([1]))], "mean", keepdims=0)
    if words is None:
        graph.node("LpNormalization", [mean], "embedding", axis=1, p=2)
    else:
        meaning = graph.node("LpNormalization", [mean], "meaning", axis=1, p=2)
        both = graph.node("Add", [meaning, _words_part(graph, weights, words)], "both")
        graph.node("LpNormalization", [both], "embedding", axis=1, p=2)
    built = helper.make_graph(
        graph.nodes,
        "sentence_encoder",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["texts", "tokens"])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["texts", shape.hidden])],
        graph.constants,
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(_CONTRIB, 1)]
    return helper.make_model(built, opset_imports=opsets, ir_version=9, producer_name="aisle")


def _embeddings(graph: _Graph, weights: Weights, shape: BertShape) -> str:
    """Words in int8 with a scale per word; positions in float, with the only token type folded in."""
    from onnx import TensorProto

    words, scales = _quantise(weights["embeddings.word_embeddings.weight"], 0, _ROW_LIMIT)
    positions = weights["embeddings.position_embeddings.weight"][: shape.max_tokens]
    positions = positions + weights["embeddings.token_type_embeddings.weight"][0]
    whole = graph.node("Gather", [graph.constant("words.int8", words), "input_ids"], "word.int8")
    scale = graph.node("Gather", [graph.constant("words.scale", scales), "input_ids"], "word.scale")
    word = graph.node("Mul", [graph.node("Cast", [whole], "word.float", to=TensorProto.FLOAT), scale], "word")
    tokens = graph.node("Shape", ["input_ids"], "tokens", start=1, end=2)
    zero = graph.constant("zero", np.array([0]))
    position = graph.node("Slice", [graph.constant("positions", positions), zero, tokens, zero], "position")
    return _normalised(graph, weights, shape, "embeddings", graph.node("Add", [word, position], "embeddings.sum"))


def _words_part(graph: _Graph, weights: Weights, words: WordsPart) -> str:
    """The mean of the centred rows by rarity, as long as the share of rows with a gate says."""
    from onnx import TensorProto

    whole, scales = _quantise(weights["embeddings.word_embeddings.weight"], 0, _ROW_LIMIT)
    lengths = np.linalg.norm(whole * scales - words.centre, axis=1)
    factor = (words.rarity / np.maximum(lengths, 1e-6)).astype(np.float32)
    centred = graph.node("Sub", ["word", graph.constant("words.centre", words.centre)], "words.centred")
    one = graph.constant("one", np.array([1]))
    counts = graph.node("Gather", [graph.constant("words.factor", factor), "input_ids"], "words.factors")
    total = graph.node("MatMul", [graph.node("Unsqueeze", [counts, one], "words.row"), centred], "words.total")
    total = graph.node("Squeeze", [total, one], "words.sum")
    length = graph.node("ReduceL2", [total, one], "words.length", keepdims=1)
    least = graph.constant("least", np.array([1e-6], np.float32))
    total = graph.node("Div", [total, graph.node("Max", [length, least], "words.safe")], "words.unit")
    gates = graph.node("Gather", [graph.constant("words.gate", words.gate * words.length), "input_ids"], "words.gates")
    gated = graph.node("ReduceSum", [gates, one], "words.gated", keepdims=1)
    inner = graph.node("Sub", ["tokens", graph.constant("two", np.array([2]))], "inner")
    inner = graph.node("Max", [inner, one], "inner.safe")
    inner = graph.node("Cast", [inner], "inner.float", to=TensorProto.FLOAT)
    return graph.node("Mul", [total, graph.node("Div", [gated, inner], "words.share")], "words.part")


def _layer(graph: _Graph, weights: Weights, shape: BertShape, number: int, hidden: str) -> str:
    layer = f"encoder.layer.{number}"
    attended = _attention(graph, weights, shape, f"{layer}.attention", hidden)
    attended = _linear(graph, weights, f"{layer}.attention.output.dense", attended)
    attended = graph.node("Add", [attended, hidden], f"{layer}.attention.sum")
    attended = _normalised(graph, weights, shape, f"{layer}.attention.output", attended)
    wide = _linear(graph, weights, f"{layer}.intermediate.dense", attended)
    wide = graph.node("Gelu", [wide], f"{layer}.gelu", domain=_CONTRIB)
    narrow = _linear(graph, weights, f"{layer}.output.dense", wide)
    narrow = graph.node("Add", [narrow, attended], f"{layer}.sum")
    return _normalised(graph, weights, shape, f"{layer}.output", narrow)


def _attention(graph: _Graph, weights: Weights, shape: BertShape, name: str, hidden: str) -> str:
    """Self-attention over all tokens: there is no mask because there is no padding."""
    parts = [f"{name}.self.{part}" for part in ("query", "key", "value")]
    weight = np.concatenate([weights[f"{part}.weight"].T for part in parts], axis=1)
    bias = graph.constant(f"{name}.bias", np.concatenate([weights[f"{part}.bias"] for part in parts]))
    whole, scale, zero = graph.quantised(f"{name}.qkv", weight)
    from onnx import helper

    ranged = [f"{name}.input.{part}" for part in ("uint8", "scale", "zero")]
    graph.nodes.append(helper.make_node("DynamicQuantizeLinear", [hidden], ranged, name=f"{name}.range"))
    inputs = [ranged[0], whole, bias, ranged[1], scale, "", ranged[2], zero]
    return graph.node("QAttention", inputs, f"{name}.context", domain=_CONTRIB, num_heads=shape.heads)


def _linear(graph: _Graph, weights: Weights, name: str, hidden: str) -> str:
    whole, scale, zero = graph.quantised(name, weights[f"{name}.weight"].T)
    bias = graph.constant(f"{name}.bias", weights[f"{name}.bias"])
    return graph.node("DynamicQuantizeMatMul", [hidden, whole, scale, zero, bias], name, domain=_CONTRIB)


def _normalised(graph: _Graph, weights: Weights, shape: BertShape, name: str, hidden: str) -> str:
    gain = graph.constant(f"{name}.gain", weights[f"{name}.LayerNorm.weight"])
    bias = graph.constant(f"{name}.shift", weights[f"{name}.LayerNorm.bias"])
    return graph.node("LayerNormalization", [hidden, gain, bias], f"{name}.normalised", axis=-1, epsilon=shape.epsilon)
