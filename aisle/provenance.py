"""What a search's signals and order come from, so that what was learnt of them is used with no others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path

from aisle.artifacts import MANIFEST
from aisle.config import Recipe
from aisle.errors import FingerprintError
from aisle.types import Encoder


def made_with(encoder: Encoder, recipe: Recipe) -> dict[str, str]:
    """What the signals of retrieval come from: what was learnt of them holds for no others."""
    search = recipe.search
    fusion = f"{search.fusion} {sorted(search.weights.items())} {search.rrf_k:g} {search.depth}"
    words = " ".join(f"{name} {weight:g}" for name, weight in sorted(recipe.index.field_weights.items()))
    return {"encoder": encoder.fingerprint, "fusion": fusion, "fields": words}


def ranked_with(recipe: Recipe, given: bool = False) -> dict[str, str]:
    """What the order before the cut-off comes from.

    Args:
        recipe: Says which stages there are.
        given: Whether the re-ranker was given as an object, of which nothing is known.
    """
    ranking, search = recipe.ranking, recipe.search
    stages = f"{ranking.demands} {ranking.demand_weight:g} {ranking.compatibility:g} {ranking.category:g}"
    model = "an object" if given else _identity(ranking.model)
    if given or ranking.model:
        model += f", {search.rerank_depth} products, slack {search.rerank_slack:g}"
    depth = f"the first {ranking.cut_depth}" if ranking.cut_depth else "all"
    return {"demands and knowledge": stages, "learnt": _identity(ranking.learnt), "model": model, "candidates": depth}


def _identity(name: str) -> str:
    """What a folder of ours was made of; what is in a file; another folder's place; a name."""
    folder = Path(name).expanduser()
    if name and (folder / MANIFEST).is_file():
        return " ".join(map(str, json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["fingerprint"].values()))
    if name and folder.is_file():  # the settings of a language model
        return blake2b(folder.read_bytes(), digest_size=16).hexdigest()
    return str(folder.resolve()) if name and folder.is_dir() else name or "none"


def same_making(what: str, folder: str, made: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Refuse what was learnt of other signals; a part that it says nothing of is taken to be the same.

    Raises:
        FingerprintError: A part differs.
    """
    for part, value in wanted.items():
        if made.get(part, value) != value:
            raise FingerprintError(
                f"the {what} {folder!r} was made with {part} {made[part]}, this search would use {part} {value}",
                fix=f"make the {what} again with this recipe, or leave it out of [ranking]",
            )
