"""The changes of text that need nothing but the text, by name: one line each."""

from __future__ import annotations

from collections.abc import Mapping

from aisle.augment.change import Change
from aisle.augment.text import chinese_errors as chinese
from aisle.augment.text import typos
from aisle.augment.text.clutter import Markup, Stuffed, Wordy
from aisle.augment.text.deletion import Deleted, Dropped, Truncated
from aisle.augment.text.order import Reordered
from aisle.augment.text.spacing import Joined, Torn
from aisle.augment.text.synonyms import Synonym, Translated
from aisle.augment.text.units import Abbreviations, Units

CHANGES: Mapping[str, Change] = {
    change.name: change
    for change in (
        typos.Misspelt("typos", typos.SLIPS),
        typos.Misspelt("adjacent-key", ((typos.adjacent_key, 1),)),
        typos.Misspelt("transposed", ((typos.transposed, 1),)),
        typos.Misspelt("missing-letter", ((typos.missing_letter, 1),)),
        typos.Misspelt("doubled-letter", ((typos.doubled_letter, 1),)),
        typos.Misspelt("phonetic", ((typos.by_ear, 1),)),
        Joined(),
        Torn(),
        Reordered(),
        Deleted(),
        Deleted("filler", "keeps", fillers=True),
        Dropped(),
        Truncated(),
        Wordy(),
        Markup(),
        Stuffed(),
        Units(),
        Abbreviations(),
        Synonym(),
        Translated(),
        chinese.ChineseMistake("chinese-errors", chinese.TYPED),
        chinese.ChineseMistake("same-sound", ((chinese.same_sound, 1),)),
        chinese.ChineseMistake("near-sound", ((chinese.near_sound, 1),)),
        chinese.ChineseMistake("like-shape", ((chinese.like_shape, 1),)),
        chinese.ChineseMistake("missing-character", ((chinese.missing, 1),)),
        chinese.ChineseMistake("doubled-character", ((chinese.doubled, 1),)),
        chinese.ChineseMistake("swapped-characters", ((chinese.swapped, 1),)),
        chinese.PinyinLetters(),
        chinese.Traditional(),
    )
}
