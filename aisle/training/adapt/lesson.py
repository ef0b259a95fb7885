"""From a catalogue's texts to what an adaptation learns from: token ids, and those kept apart. No model, no PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from aisle.encoders.tokenise import ENGLISH_FILE, UNKNOWN
from aisle.errors import CatalogueError, RecipeError
from aisle.training.adapt.noise import Ids
from aisle.training.adapt.recipe import AdaptRecipe

MASK = "[MASK]"
FEWEST = 20
"""Of fewer texts none could be kept apart, and nothing would be learnt."""
_MOST_APART = 500
"""Texts kept apart say enough; more only cost time."""
_FRAME = 2
"""Special tokens around a text."""


@dataclass(frozen=True, slots=True)
class AdaptLesson:
    """What is learnt from.

    Attributes:
        texts: Token ids of each text, special ones included.
        apart: The same of texts that nothing is learnt from.
        words: The tokens that occur in any of them, in order, without special ones: what can be named.
        mask: The token that hides; -1 where the tokenizer has none.
    """

    texts: Sequence[Ids]
    apart: Sequence[Ids]
    words: Sequence[int]
    mask: int = -1


def lesson(ids: Sequence[Ids], special: Mapping[str, int], recipe: AdaptRecipe) -> AdaptLesson:
    """Divide the texts by chance; those of a single known token are left out, for nothing can be taken from them.

    Args:
        ids: Of each distinct text.
        special: Ids of ``MASK`` and ``UNKNOWN``, as `special_tokens` finds them.
        recipe: How many are kept apart, and how many are taken at most.

    Raises:
        CatalogueError: Too few texts.
        RecipeError: The method hides tokens, and the tokenizer has none to hide them with; or too few are to be taken.
    """
    if recipe.method == "mlm" and MASK not in special:
        raise RecipeError(
            f"the tokenizer of {recipe.base!r} has no {MASK}, which method=mlm hides tokens with",
            allowed="method=tsdae",
        )
    unknown = special.get(UNKNOWN, -1)
    long = [text for text in ids if len(text) - _FRAME - text[1:-1].count(unknown) > 1]
    if len(long) < FEWEST:
        raise CatalogueError(
            f"a catalogue with {len(long)} distinct texts of two tokens or more that the encoder knows",
            allowed=f"{FEWEST} or more to adapt an encoder to",
            fix="name a larger catalogue or an encoder that reads its script, or leave the encoder as it is",
        )
    if 0 < recipe.most < FEWEST:
        raise RecipeError(f"most={recipe.most}", allowed=f"{FEWEST} texts or more, or 0 for all")
    order = np.random.default_rng((recipe.fit.seed, len(long))).permutation(len(long))
    if recipe.most:
        order = order[: recipe.most]
    count = min(_MOST_APART, max(1, round(recipe.held_out * len(order))))
    apart, texts = order[:count].tolist(), sorted(order[count:].tolist())
    words = {token for row in order.tolist() for token in long[row][1:-1]} - {unknown}
    return AdaptLesson([long[row] for row in texts], [long[row] for row in apart], sorted(words), special.get(MASK, -1))


def special_tokens(folder: Path) -> dict[str, int]:
    """The ids of ``MASK`` and ``UNKNOWN``, those that the encoder in a folder has."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / ENGLISH_FILE))
    found = {name: tokenizer.token_to_id(name) for name in (MASK, UNKNOWN)}
    return {name: number for name, number in found.items() if number is not None}


def fingerprint(texts: Sequence[str]) -> str:
    """A hash of the texts in order."""
    digest = sha256()
    for text in texts:
        digest.update(repr(text).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
