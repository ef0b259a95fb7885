"""The Chinese vocabulary of the encoder: which words and characters it has rows for, and what a row begins as.

A row begins as the mean of the input rows of the English pieces of its glosses, so that before any training a Chinese
word is read as its translation would be. Knows dictionaries and a WordPiece tokenizer, no model.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import regex

from aisle.encoders.tokenise import HAN_RUN, UNKNOWN
from aisle.language.chinese import simplify

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from aisle.types import Array

_MAX_WORD = 4
_RARE = 3.0
_STOP = frozenset(
    [
        "a",
        "an",
        "the",
        "of",
        "to",
        "for",
        "in",
        "on",
        "with",
        "and",
        "or",
        "by",
        "from",
        "as",
        "at",
        "is",
        "be",
        "one's",
        "sb",
        "sth",
        "something",
        "that",
        "etc",
    ]
)
_UNUSED = regex.compile(r"\[unused\d+\]")
_OTHER_LETTER = regex.compile(r"[\p{L}\p{M}--[\p{Latin}\p{Greek}µʻʼʾʿˈːℓℝ]]", regex.VERSION1)
_LATIN_WORDS = regex.compile(r"[\p{Latin}\p{N}]+")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """``words`` by row, the unknown one first; ``scores`` are log probabilities for the segmentation."""

    words: tuple[str, ...]
    scores: tuple[float, ...]

    def tokenizer_json(self) -> str:
        """The unigram model as a file of the tokenizers library."""
        model = {"type": "Unigram", "unk_id": 0, "vocab": list(zip(self.words, self.scores, strict=True))}
        content: dict[str, Any] = {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [],
            "normalizer": None,
            "pre_tokenizer": None,
            "post_processor": None,
            "decoder": None,
            "model": model,
        }
        return json.dumps(content, ensure_ascii=False, separators=(",", ":"))

    def tokenizer(self) -> Tokenizer:
        """The segmentation, ready to use."""
        from tokenizers import Tokenizer

        return Tokenizer.from_str(self.tokenizer_json())


def characters() -> list[str]:
    """The 6,763 simplified characters of the national standard GB 2312."""
    found = []
    for high in range(0xB0, 0xF8):
        for low in range(0xA1, 0xFF):
            try:
                found.append(bytes((high, low)).decode("gb2312"))
            except UnicodeDecodeError:
                continue
    return found


def choose(frequencies: Mapping[str, int], texts: Iterable[tuple[str, float]], size: int) -> Vocabulary:
    """Choose rows: all characters of GB 2312 and of the texts, then words of shop texts, then the commonest others.

    Args:
        frequencies: Words and characters with their counts; only these can become rows.
        texts: Chinese texts with the weight of each.
        size: How many rows, the unknown one included.
    """
    total = sum(frequencies.values())
    batch = [(run, weight) for text, weight in texts for run in HAN_RUN.findall(simplify(text))]
    singles = list(dict.fromkeys([*characters(), *(c for run, _ in batch for c in run)]))
    possible = {w: f for w, f in frequencies.items() if 2 <= len(w) <= _MAX_WORD and HAN_RUN.fullmatch(w)}
    everything = _vocabulary(singles, possible, frequencies, total)
    segment = everything.tokenizer()
    used: dict[str, float] = defaultdict(float)
    for (_, weight), found in zip(batch, segment.encode_batch_fast([run for run, _ in batch]), strict=True):
        for token in found.ids:
            used[everything.words[token]] += weight
    scale = total / 1e6
    ranked = sorted(possible, key=lambda w: (-(used[w] + min(possible[w] / scale, 500) * 0.05), w))
    return _vocabulary(singles, {w: possible[w] for w in ranked[: size - 1 - len(singles)]}, frequencies, total)


def _vocabulary(
    singles: Sequence[str], words: Mapping[str, int], frequencies: Mapping[str, int], total: int
) -> Vocabulary:
    names = [UNKNOWN, *sorted(singles), *sorted(words)]
    scores = [-20.0, *(math.log(max(frequencies.get(name, 1), _RARE) / total) for name in names[1:])]
    return Vocabulary(tuple(names), tuple(round(score, 3) for score in scores))


def pieces_of(vocabulary: Vocabulary) -> list[list[int]]:
    """For each row the rows it falls into when it is not one itself: for a word its best other segmentation."""
    row = {word: number for number, word in enumerate(vocabulary.words)}
    found: list[list[int]] = []
    for word in vocabulary.words:
        if len(word) < 2 or word == UNKNOWN:
            found.append([row[word]])
            continue
        best: list[tuple[float, list[int]]] = [(0.0, []), *((-math.inf, list[int]()) for _ in word)]
        for end in range(1, len(word) + 1):
            for start in range(end):
                part = word[start:end]
                if part != word and part in row:
                    score = best[start][0] + vocabulary.scores[row[part]]
                    if score > best[end][0]:
                        best[end] = (score, [*best[start][1], row[part]])
        found.append(best[-1][1] or [row[word]])
    return found


def glosses(pairs: Iterable[tuple[str, str, float]]) -> dict[str, dict[str, float]]:
    """Chinese name to its English ones, weighted."""
    found: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for zh, en, weight in pairs:
        found[simplify(zh)][en] += weight
    return found


def first_rows(
    vocabulary: Vocabulary, translations: Mapping[str, Mapping[str, float]], english: Tokenizer, rows: Array
) -> tuple[Array, int]:
    """What each row begins as, ``(words, dim)``, and how many had a gloss of their own.

    A word without a gloss begins as the mean of its parts; a character without one as the mean over the glosses of the
    names it occurs in.
    """
    out = np.zeros((len(vocabulary.words), rows.shape[1]), np.float32)
    known = np.zeros(len(vocabulary.words), bool)
    by_character: dict[str, list[Array]] = defaultdict(list)
    for word, counted in translations.items():
        vector = _gloss_row(counted, english, rows)
        if vector is not None:
            for character in set(word):
                by_character[character].append(vector)
    for number, word in enumerate(vocabulary.words):
        vector = _gloss_row(translations[word], english, rows) if word in translations else None
        if vector is not None:
            out[number], known[number] = vector, True
    mean, spread = rows.mean(0), rows.std()
    chance = np.random.default_rng(0)
    for number, word in enumerate(vocabulary.words):
        if not known[number] and len(word) == 1:
            near = by_character.get(word)
            vector = np.mean(near, axis=0) if near else mean
            out[number] = vector + chance.normal(0, spread * 0.5, mean.shape)
    pieces = pieces_of(vocabulary)
    for number in sorted(range(len(pieces)), key=lambda i: len(vocabulary.words[i])):  # parts, being shorter, first
        if not known[number] and len(vocabulary.words[number]) > 1:
            out[number] = out[pieces[number]].mean(0)
    out[0] = mean
    return out, int(known.sum())


def _gloss_row(counted: Mapping[str, float], english: Tokenizer, rows: Array) -> Array | None:
    """The weighted mean over the best glosses of the mean input row of their pieces."""
    best = sorted(counted.items(), key=lambda item: (-item[1], len(item[0]), item[0]))[:3]
    vectors, weights = [], []
    for gloss, weight in best:
        words = [word for word in _LATIN_WORDS.findall(gloss) if word.lower() not in _STOP][:4]
        ids = english.encode(" ".join(words), add_special_tokens=False).ids
        if ids:
            vectors.append(rows[ids].mean(0))
            weights.append(weight)
    return np.average(vectors, axis=0, weights=weights).astype(np.float32) if vectors else None


def english_part(tokenizer_json: str) -> tuple[str, list[int]]:
    """The English tokenizer without the pieces that no English or Chinese shop text needs, and the ids that stay.

    Left out are the ``[unusedN]`` places and the single letters of other scripts, Chinese ones included: about 2,000
    rows that were never trained to mean anything. What English text becomes is the same, under new ids.
    """
    content = json.loads(tokenizer_json)
    kept = [
        (piece, number)
        for piece, number in sorted(content["model"]["vocab"].items(), key=lambda item: item[1])
        if not _UNUSED.fullmatch(piece) and not _OTHER_LETTER.search(piece)
    ]
    content["model"]["vocab"] = {piece: new for new, (piece, _) in enumerate(kept)}
    new_id = {old: new for new, (_, old) in enumerate(kept)}
    for added in content["added_tokens"]:
        added["id"] = new_id[added["id"]]
    for special in content["post_processor"]["special_tokens"].values():
        special["ids"] = [new_id[number] for number in special["ids"]]
    content["truncation"] = content["padding"] = None
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")), [old for _, old in kept]
