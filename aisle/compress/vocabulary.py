"""Fewer word rows: those that a shop's texts use, and enough to spell what they do not.

Texts that were given are cut into the same pieces as before, so that their vectors stay what they were: WordPiece takes
the longest piece there is, a unigram model the likeliest cut, and pieces that no text uses were neither. Letters and
digits stay, Chinese characters stay where any text is Chinese, and so do the commonest words of each: an unseen word is
spelt rather than lost. Knows tokenizer files and rows; no layers.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.compress.model import Served, tokenizer_of
from aisle.encoders.export import WordsPart
from aisle.encoders.graph import WORDS
from aisle.encoders.tokenise import ENGLISH_FILE, HAN_FILE, UNKNOWN
from aisle.errors import ArtifactError

_CONTINUING = "##"
_LONGEST = 1_000_000
"""Tokens of a text that are counted: all."""
COMMON = 5_000
"""So many of the commonest words of each script stay, used or not: docs/compression.md says what that saves."""


@dataclass(frozen=True, slots=True)
class Loss:
    """What texts lose that the rows were not chosen by.

    Attributes:
        texts: How many were read.
        changed: Share of texts cut otherwise than before.
        tokens: Tokens of all texts before.
        unknown_before: Share of the tokens that were unknown already.
        unknown: Share of the tokens that are unknown now.
        longer: Tokens now over tokens before.
    """

    texts: int
    changed: float
    tokens: int
    unknown_before: float
    unknown: float
    longer: float

    def to_dict(self) -> dict[str, float]:
        """As plain data."""
        return dataclasses.asdict(self)


def prune(model: Served, texts: Sequence[str], work: Path, common: int = COMMON) -> Served:
    """The model with the rows that these texts use, and those that spell others.

    Args:
        model: With the rows of its tokenizer files.
        texts: Titles, descriptions and queries.
        work: A folder for the tokenizer files.
        common: So many of the commonest words of a script stay whatever the texts use.

    Raises:
        ArtifactError: There are no texts, or the tokenizer is no WordPiece.
    """
    if not texts:
        raise ArtifactError("no texts to choose the vocabulary by", fix="name a catalogue, pairs or --vocab FILE")
    tokenizer = tokenizer_of(dataclasses.replace(model, shape=_unlimited(model)), work)
    used: set[int] = {token for ids in tokenizer.ids(list(texts)) for token in ids}
    offset = model.han_offset
    english = json.loads(model.tokenizers[ENGLISH_FILE])
    if english["model"]["type"] != "WordPiece":
        raise ArtifactError(
            f"a vocabulary of the type {english['model']['type']!r}", allowed="WordPiece", fix="leave --vocab out"
        )
    kept = _english_rows(english, used, common)
    files = {ENGLISH_FILE: _english_file(english, kept)}
    rows = list(kept)
    details = dict(model.details)
    if offset is not None:
        if any(token >= offset for token in used):
            han = json.loads(model.tokenizers[HAN_FILE])
            places = _han_places(han, {token - offset for token in used if token >= offset}, common)
            files[HAN_FILE] = _han_file(han, places)
            details["han_offset"] = len(kept)
            rows += [offset + place for place in places]
        else:
            del details["han_offset"]
            details["scripts"] = [script for script in details.get("scripts", []) if script != "Han"]
    chosen = np.array(rows)
    weights = {**model.weights, WORDS: np.ascontiguousarray(model.weights[WORDS][chosen])}
    return dataclasses.replace(
        model, weights=weights, tokenizers=files, details=details, words=_words(model.words, chosen)
    )


def loss(before: Served, after: Served, texts: Sequence[str], work: Path) -> Loss:
    """How texts are cut by the pruned model beside how they were."""
    spelt = []
    for name, model in (("before", before), ("after", after)):
        tokenizer = tokenizer_of(dataclasses.replace(model, shape=_unlimited(model)), work / name)
        names = _names(model)
        spelt.append([[names[token] for token in ids[1:-1]] for ids in tokenizer.ids(list(texts))])
    old, new = spelt
    counts = [sum(map(len, found)) for found in spelt]
    unknown = [sum(row.count(UNKNOWN) for row in found) for found in spelt]
    changed = sum(one != other for one, other in zip(old, new, strict=True))
    return Loss(
        len(texts),
        changed / max(1, len(texts)),
        counts[0],
        unknown[0] / max(1, counts[0]),
        unknown[1] / max(1, counts[1]),
        counts[1] / max(1, counts[0]),
    )


def _english_rows(file: Mapping[str, Any], used: set[int], common: int) -> list[int]:
    """The ids that stay, rising: used and special ones, single letters, digits and signs, and the commonest words.

    BERT's vocabulary is in the order of frequency: common words are those of low ids.
    """
    vocabulary = file["model"]["vocab"]
    special = {int(token["id"]) for token in file["added_tokens"]}
    single = {number for token, number in vocabulary.items() if len(token.removeprefix(_CONTINUING)) == 1}
    words = sorted(number for token, number in vocabulary.items() if not token.startswith("[unused"))
    return sorted((used & set(vocabulary.values())) | special | single | set(words[:common]))


def _english_file(file: Mapping[str, Any], kept: Sequence[int]) -> str:
    place = {old: new for new, old in enumerate(kept)}
    vocabulary = {token: place[old] for token, old in file["model"]["vocab"].items() if old in place}
    added = [{**token, "id": place[token["id"]]} for token in file["added_tokens"]]
    processor = json.loads(json.dumps(file["post_processor"]))
    for found in (processor or {}).get("special_tokens", {}).values():
        found["ids"] = [place[old] for old in found["ids"]]
    for side in ("sep", "cls"):  # the other way of writing it: ["[SEP]", 102]
        if processor and isinstance(processor.get(side), list):
            processor[side][1] = place[processor[side][1]]
    written = {
        **file,
        "added_tokens": added,
        "post_processor": processor,
        "model": {**file["model"], "vocab": dict(sorted(vocabulary.items(), key=lambda item: item[1]))},
    }
    return json.dumps(written, ensure_ascii=False, separators=(",", ":"))


def _han_places(file: Mapping[str, Any], used: set[int], common: int) -> list[int]:
    """Used words, all characters, the likeliest words; and the least likely, which prices an unknown character."""
    words = file["model"]["vocab"]
    single = {place for place, (word, _) in enumerate(words) if len(word) == 1}
    order = sorted(range(len(words)), key=lambda place: -words[place][1])
    return sorted(used | single | {int(file["model"]["unk_id"]), order[-1]} | set(order[:common]))


def _han_file(file: Mapping[str, Any], places: Sequence[int]) -> str:
    words = file["model"]["vocab"]
    unknown = places.index(int(file["model"]["unk_id"]))
    model = {**file["model"], "unk_id": unknown, "vocab": [words[place] for place in places]}
    return json.dumps({**file, "model": model}, ensure_ascii=False, separators=(",", ":"))


def _words(part: WordsPart | None, chosen: NDArray[np.int64]) -> WordsPart | None:
    """The words' own part for the rows that stay; none where none of them has a share in its length."""
    if part is None or not part.gate[chosen].any():
        return None
    return dataclasses.replace(part, rarity=part.rarity[chosen], gate=part.gate[chosen])


def _names(model: Served) -> dict[int, str]:
    file = json.loads(model.tokenizers[ENGLISH_FILE])
    names = {number: token for token, number in file["model"]["vocab"].items()}
    if model.han_offset is not None:
        han = json.loads(model.tokenizers[HAN_FILE])["model"]["vocab"]
        names |= {model.han_offset + place: word for place, (word, _) in enumerate(han)}
    return names


def _unlimited(model: Served) -> Any:
    return dataclasses.replace(model.shape, max_tokens=_LONGEST)
