"""What can be made smaller: an encoder, what is inside a combination, or a cross-encoder. Needs onnx; no PyTorch.

A `Served` model is its weights with everything that its folder says. Each step of compression takes one and gives one;
`write` makes a folder that is served like the original.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.artifacts import MANIFEST, Manifest, read_kind, read_manifest, write_manifest
from aisle.encoders import onnx as served_encoder
from aisle.encoders.embedded import FOLDER
from aisle.encoders.export import WordsPart, write_encoder
from aisle.encoders.graph import Arithmetic, BertShape
from aisle.encoders.load import EMBEDDED
from aisle.encoders.tokenise import BilingualTokenizer, WordPieceTokenizer
from aisle.encoders.weights import read_weights
from aisle.errors import ArtifactError
from aisle.rerankers import combination, cross_encoder, word_trees
from aisle.rerankers.cross_encoder import PairTokenizer
from aisle.rerankers.cross_export import CrossWeights, read_cross_encoder, write_cross_encoder
from aisle.rerankers.head import FORMAT, KIND

ENCODER, COMBINATION, CROSS = "encoder", combination.ARCHITECTURE, cross_encoder.ARCHITECTURE
POSITIONS = "embeddings.position_embeddings.weight"
_KEPT = ("han_offset", "scripts", "licence", "name", "source", "data")


@dataclass(frozen=True, slots=True)
class Served:
    """A model as weights.

    Attributes:
        architecture: `ENCODER`, `COMBINATION` or `CROSS`.
        folder: Of the original.
        weights: Under transformers' names.
        shape: Sizes; its ``max_tokens`` is the longest input.
        tokenizers: The tokenizer files by name.
        details: What the folder's manifest goes on saying, ``han_offset`` among it.
        words: The words' own part of an encoder's vector.
        cross: The rest of a cross-encoder.
        projection: ``(hidden, dim)``: what an encoder's vectors are multiplied with, before they get length 1 again.
        inside: The cross-encoder of a combination that has one; the rest is then of its encoder.
    """

    architecture: str
    folder: Path
    weights: Mapping[str, NDArray[np.float32]]
    shape: BertShape
    tokenizers: Mapping[str, str]
    details: Mapping[str, Any]
    words: WordsPart | None = None
    cross: CrossWeights | None = None
    projection: NDArray[np.float32] | None = None
    inside: Served | None = None

    @property
    def han_offset(self) -> int | None:
        """The row of the first Chinese word, where there are any."""
        found = self.details.get("han_offset")
        return None if found is None else int(found)

    def cut(self, max_tokens: int) -> Served:
        """Read no more than so many tokens: of a text, or of query and text together."""
        limit = min(max_tokens, self.shape.max_tokens)
        weights = {**self.weights, POSITIONS: self.weights[POSITIONS][:limit]}
        inside = None if self.inside is None else self.inside.cut(self.inside.beside_query(max_tokens))
        shape = dataclasses.replace(self.shape, max_tokens=limit)
        return dataclasses.replace(self, weights=weights, shape=shape, inside=inside)

    def beside_query(self, max_tokens: int) -> int:
        """The limit at which a cross-encoder reads as much of a text as an encoder at this one."""
        assert self.cross is not None
        return max_tokens + self.cross.query_tokens + 1


def read_served(spec: str | Path) -> Served:
    """Read a model to make smaller.

    Args:
        spec: "embedded", or the folder of an encoder, a combination or a cross-encoder.

    Raises:
        ArtifactError: It is something else.
        OptionalDependencyError: onnx is missing.
    """
    folder = FOLDER if spec == EMBEDDED else Path(spec).expanduser()
    kind = read_kind(folder)
    architecture = ENCODER
    if kind == KIND:
        architecture = str(read_manifest(folder, KIND, FORMAT).details.get("architecture"))
    if kind not in (served_encoder.KIND, KIND) or architecture not in (ENCODER, COMBINATION, CROSS):
        what = architecture if kind == KIND else f"of kind {kind!r}" if kind else "no Aisle model"
        raise ArtifactError(
            f"{str(spec)!r} is {what}",
            allowed=f"{EMBEDDED!r}, or the folder of an {ENCODER}, a {COMBINATION} or a {CROSS}",
            fix="check the path; a task head is small as it is",
        )
    if architecture == CROSS:
        cross = read_cross_encoder(folder)
        found = Served(CROSS, folder, cross.weights, cross.shape, cross.tokenizers, cross.details, cross=cross)
        return found.cut(cross.max_tokens)
    part = folder / combination.ENCODER if architecture == COMBINATION else folder
    found_weights = read_weights(part)
    details = found_weights.manifest.details
    kept = {name: details[name] for name in _KEPT if name in details}
    if served_encoder.OnnxEncoder(part).reads_description:
        kept["recipe"] = {"description": True}
    has_cross = architecture == COMBINATION and (folder / combination.CROSS).exists()
    return Served(
        architecture,
        folder,
        found_weights.weights,
        found_weights.shape,
        found_weights.tokenizers,
        kept,
        found_weights.words,
        inside=read_served(folder / combination.CROSS) if has_cross else None,
    )


def write_served(model: Served, out: Path, arithmetic: Arithmetic, details: Mapping[str, Any]) -> None:
    """Write the folder of a model, the manifest last.

    Args:
        model: What to write.
        out: The folder, made if need be; a combination has its encoder inside, and a cross-encoder where it has one.
        arithmetic: How the graph computes, or both graphs.
        details: What else the manifest says, ``runtime`` among it.
    """
    if model.cross is not None:
        cross = dataclasses.replace(
            model.cross,
            weights=model.weights,
            shape=model.shape,
            tokenizers=model.tokenizers,
            query_tokens=min(model.cross.query_tokens, model.shape.max_tokens - 4),
            max_tokens=model.shape.max_tokens,
            details={**model.details, **details},
        )
        write_cross_encoder(cross, out, arithmetic)
        return
    inside = out / combination.ENCODER if model.architecture == COMBINATION else out
    write_encoder(
        model.weights, model.shape, model.tokenizers, inside, {**model.details, **details}, model.words, arithmetic
    )
    if model.projection is not None:
        _project(inside, model.projection)
    if model.architecture == COMBINATION:
        for name in (combination.FILE, word_trees.FILE):
            if (model.folder / name).exists():
                shutil.copy(model.folder / name, out / name)
        if model.inside is not None:
            write_served(model.inside, out / combination.CROSS, arithmetic, details)
        rewrite_combination(out, details)


def rewrite_combination(out: Path, details: Mapping[str, Any]) -> None:
    """Write the manifest of a combination for the parts that are in its folder now."""
    about = {"architecture": COMBINATION, **details}
    write_manifest(out, Manifest(KIND, FORMAT, combination.fingerprint(out), about))


def encoder_folder(model: Served, folder: Path) -> Path:
    """Where in a written folder the graph is."""
    return folder / combination.ENCODER if model.architecture == COMBINATION else folder


def reads_description(model: Served) -> bool:
    """Whether it reads descriptions beside titles."""
    if model.architecture == COMBINATION:
        return combination.Combination.load(model.folder / combination.FILE).description
    if model.cross is not None:
        return bool(model.details.get("description", False))
    return bool(model.details.get("recipe", {}).get("description", False))


def tokenizer_of(model: Served, work: Path) -> WordPieceTokenizer | BilingualTokenizer:
    """What makes the model's token ids of single texts; its files are written to ``work``."""
    work.mkdir(parents=True, exist_ok=True)
    for name, text in model.tokenizers.items():
        (work / name).write_text(text, encoding="utf-8")
    if model.han_offset is None:
        return WordPieceTokenizer(work, model.shape.max_tokens)
    return BilingualTokenizer(work, model.han_offset, model.shape.max_tokens)


def pair_tokenizer(model: Served, work: Path) -> PairTokenizer:
    """What makes the ids of pairs, of a cross-encoder."""
    assert model.cross is not None
    return PairTokenizer(tokenizer_of(model, work), model.cross.query_tokens, model.shape.max_tokens)


def graph_inputs(
    model: Served, pairs: Sequence[tuple[str, str]], texts: Sequence[str], work: Path
) -> list[dict[str, NDArray[np.int64]]]:
    """What the graph takes for each pair (a cross-encoder) or each text (an encoder)."""
    if model.cross is None:
        return [{"input_ids": np.array([ids], np.int64)} for ids in tokenizer_of(model, work).ids(list(texts))]
    tokenizer = pair_tokenizer(model, work)
    queries, read = (tokenizer.ids([pair[side] for pair in pairs]) for side in (0, 1))
    found = []
    for query, text in zip(queries, read, strict=True):
        pair = tokenizer.pair(query, text)
        types = np.array([[0] * pair.start + [1] * (len(pair) - pair.start)], np.int64)
        found.append({"input_ids": np.array([pair.ids], np.int64), "token_type_ids": types})
    return found


def folder_bytes(folder: Path) -> int:
    """What a model's files take on disk, its manifest and card among them."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _project(folder: Path, projection: NDArray[np.float32]) -> None:
    """Multiply the folder's vectors by a matrix: its graph and manifest are written again."""
    import json
    from hashlib import sha256

    import onnx

    from aisle.artifacts import write_text
    from aisle.compress.dimensions import projected

    path = folder / served_encoder.MODEL_FILE
    onnx.save(projected(onnx.load(path), projection), path)
    data = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    data["fingerprint"][path.name] = sha256(path.read_bytes()).hexdigest()
    data["details"]["dim"] = int(projection.shape[1])
    data["details"]["sizes"][path.name] = path.stat().st_size
    write_text(folder / MANIFEST, json.dumps(data, indent=2, ensure_ascii=False) + "\n")
