"""A BERT sentence encoder as a folder with an ONNX graph, int8 unless float32 is asked for, written from its weights.

Needs aisle[train]. Knows BERT with mean pooling and nothing of where the weights come from; `aisle.encoders.graph`
knows how its layers are computed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.artifacts import Manifest, write_manifest, write_text
from aisle.encoders.adapted import suited
from aisle.encoders.graph import Arithmetic, BertShape, Graph, Weights, Whole, embeddings, layers
from aisle.encoders.onnx import FORMAT, KIND, MODEL_FILE
from aisle.encoders.tokenise import ENGLISH_FILE
from aisle.errors import ArtifactError, OptionalDependencyError


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


def read_shape(folder: Path) -> BertShape:
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
    return BertShape(
        hidden=config["hidden_size"],
        heads=config["num_attention_heads"],
        layers=config["num_hidden_layers"],
        epsilon=config["layer_norm_eps"],
        max_tokens=min(limit, config["max_position_embeddings"]),
    )


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
    shape = read_shape(source)
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
    arithmetic: Arithmetic | None = None,
) -> Manifest:
    """Write the folder of an ``OnnxEncoder`` from weights under the names of transformers' BERT.

    Args:
        weights: In float; the word embeddings may have any number of rows.
        shape: Sizes of the model.
        tokenizers: The tokenizer files by name.
        out: The folder to write, made if need be.
        details: What else the manifest should say.
        words: Adds the words' own part.
        arithmetic: How the graph computes; in whole numbers where nothing is said.
    """
    import onnx

    out.mkdir(parents=True, exist_ok=True)
    onnx.save(_build(weights, shape, words, suited(arithmetic or Whole(), weights)), out / MODEL_FILE)
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


def _build(weights: Weights, shape: BertShape, words: WordsPart | None, arithmetic: Arithmetic) -> Any:
    """The whole model: ``input_ids`` (n, s) without padding to ``embedding`` (n, hidden), rows of length 1."""
    from onnx import TensorProto, helper

    graph = Graph()
    rows = embeddings(graph, weights, shape, arithmetic)
    hidden = layers(graph, weights, shape, arithmetic)
    mean = graph.node("ReduceMean", [hidden, graph.constant("axis", np.array([1]))], "mean", keepdims=0)
    if words is None:
        graph.node("LpNormalization", [mean], "embedding", axis=1, p=2)
    else:
        meaning = graph.node("LpNormalization", [mean], "meaning", axis=1, p=2)
        both = graph.node("Add", [meaning, _words_part(graph, rows, words)], "both")
        graph.node("LpNormalization", [both], "embedding", axis=1, p=2)
    output = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["texts", shape.hidden])
    return graph.model("sentence_encoder", {"input_ids": ["texts", "tokens"]}, output, arithmetic.opset)


def _words_part(graph: Graph, rows: NDArray[np.float32], words: WordsPart) -> str:
    """The mean of the centred rows by rarity, as long as the share of rows with a gate says."""
    from onnx import TensorProto

    lengths = np.linalg.norm(rows - words.centre, axis=1)
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
