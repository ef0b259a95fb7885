"""Words in another order. Knows no grammar but a few words that others depend on."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from aisle.augment.change import BOTH, Effect, Side
from aisle.augment.text.words import BINDING, Word, words


@dataclass(frozen=True, slots=True)
class Reordered:
    """The words between two binding ones in another order: "wireless usb hub for mac" -> "hub wireless usb for mac".

    A number stays between the words beside it ("galaxy s 4 case": whose it is nobody knows), as does all of a text
    without blanks. The grade keeps.
    """

    name: str = "order"
    effect: Effect = "keeps"
    sides: frozenset[Side] = BOTH

    def apply(self, text: str, rng: Random) -> str | None:
        """The changed text; None where there is nothing to change round."""
        parts = _parts(text)
        movable = [at for at, part in enumerate(parts) if len(part) > 1]
        if not movable:
            return None
        moved = list(parts)
        for at in movable:
            units = list(parts[at])
            while units == list(parts[at]):
                rng.shuffle(units)
            moved[at] = units
        found = " ".join(unit for part in moved for unit in part)
        return found if found != text else None


def _parts(text: str) -> list[list[str]]:
    """Runs of units between binding words; a binding word is a run of its own."""
    parts: list[list[str]] = [[]]
    glued = False
    for piece in text.split():
        found: list[Word] = words(piece)
        if not found or (len(found) == 1 and found[0].text.casefold() in BINDING):
            parts += [[piece], []]
            glued = False
            continue
        number = not any(letter.isalpha() for letter in piece)
        if parts[-1] and (glued or number):
            parts[-1][-1] += f" {piece}"
        else:
            parts[-1].append(piece)
        glued = number
    return [part if len(set(part)) > 1 else [" ".join(part)] for part in parts if part]
