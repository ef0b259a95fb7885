"""What an index folder keeps of its catalogue's own words, devices and categories, as a search uses it.

Each file is read when the first query needs it. An index that an older version made lacks them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from aisle.build import FACTS
from aisle.errors import ArtifactError
from aisle.knowledge.added import add_compatible, add_part, missing
from aisle.knowledge.asked import Asked, asked_devices
from aisle.knowledge.compatibility import FILE as COMPATIBILITY
from aisle.knowledge.compatibility import Compatibility, Fit
from aisle.knowledge.taxonomy import FILE as TAXONOMY
from aisle.knowledge.taxonomy import WHOLE, Named, Taxonomy
from aisle.language.lexicon import Lexicon
from aisle.query.facts import CatalogueFacts
from aisle.ranking.listed import Scored
from aisle.rules import meets_in_index
from aisle.shelf import TEXT
from aisle.types import And, Array, Index, SearchRequest

T = TypeVar("T")
REACH = 300
"""So many of the best products of a category are brought to a query that names it."""


class Known:
    """Over one index.

    Args:
        index: Of the catalogue.
        folder: Of the index; None where there is none, and then nothing is known.
        lexicon: Other names of things.
    """

    def __init__(self, index: Index, folder: Path | None, lexicon: Lexicon) -> None:
        self.index, self.folder, self.lexicon = index, folder, lexicon
        self._meets = meets_in_index(index)
        self._files: dict[str, tuple[int, Any]] = {}

    @property
    def facts(self) -> CatalogueFacts:
        """What the catalogue taught of its own words.

        Raises:
            ArtifactError: The index has none.
        """
        found = self.facts_if_any
        if found is None:
            raise ArtifactError(
                f"this index has no {FACTS}, so demands cannot be read: an older Aisle made it, or it has no folder",
                fix='index the catalogue again, or set demands = "off" in [ranking]',
            )
        return found

    @property
    def facts_if_any(self) -> CatalogueFacts | None:
        """The same, None where the index has none."""
        return self._read(FACTS, CatalogueFacts.load)

    @property
    def compatibility(self) -> Compatibility | None:
        """What the catalogue says of devices."""
        return self._read(COMPATIBILITY, Compatibility.load)

    @property
    def taxonomy(self) -> Taxonomy | None:
        """The catalogue's categories."""
        return self._read(TAXONOMY, lambda path: Taxonomy.load(path, self.lexicon))

    def _read(self, name: str, load: Callable[[Path], T]) -> T | None:
        """A file of the index folder, read anew when the index was brought up to date; None where there is none."""
        if self.folder is None:
            return None
        try:
            stamp = (self.folder / name).stat().st_mtime_ns
        except OSError:
            return None
        known = self._files.get(name)
        if known is None or known[0] != stamp:
            known = self._files[name] = (stamp, load(self.folder / name))
        found: T = known[1]
        return found

    def devices(self, text: str) -> tuple[Asked, ...]:
        """The devices that a query asks something for."""
        known = self.compatibility if any(character.isdigit() for character in text) else None
        return asked_devices(text, known, self.lexicon) if known is not None else ()

    def category(self, text: str) -> Named | None:
        """The categories that a whole query names; "jacket hanger" names one that it is not after."""
        known = self.taxonomy
        named = known.named(text) if known is not None else None
        return named if named is not None and named.certainty >= WHOLE else None

    def fitting(
        self, scored: Sequence[Scored], request: SearchRequest, devices: Sequence[Asked], weight: float
    ) -> list[Scored]:
        """What fits one of the devices asked for moves up, or is added if it passes the request's filter."""
        known = self.compatibility
        assert known is not None
        best: dict[str, Fit] = {}
        for one in devices:
            for fit in known.fitting(one.device) if one.device is not None else ():
                sure = replace(fit, certainty=fit.certainty * one.certainty)
                if fit.product_id not in best or sure.certainty > best[fit.product_id].certainty:
                    best[fit.product_id] = sure
        new = missing(scored, tuple(best.values()))
        gone = set(new) - set(self._meets(request.filter or And(()), new))
        return add_compatible(scored, [fit for fit in best.values() if fit.product_id not in gone], weight)

    def under(
        self, scored: Sequence[Scored], request: SearchRequest, named: Named, vector: Array | None, weight: float
    ) -> list[Scored]:
        """The best products of the categories named move up, or are added if the query itself did not find them."""
        known = self.taxonomy
        assert known is not None
        inside = known.constraint(named).filter
        within = replace(request, filter=inside if request.filter is None else And((request.filter, inside)))
        found = self.index.search(within, {TEXT: vector} if vector is not None else {}, REACH)
        ids = dict.fromkeys(product_id for items in found.lists.values() for product_id, _ in items)
        return add_part(scored, "category", dict.fromkeys(ids, named.certainty), weight)
