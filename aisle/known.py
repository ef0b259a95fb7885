"""What an index folder keeps of its catalogue's own words, devices and categories, as a search uses it.

Each file is read when the first query needs it. An index that an older version made lacks them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from aisle.build import FACTS
from aisle.errors import ArtifactError
from aisle.knowledge.added import add_compatible, add_part, missing
from aisle.knowledge.asked import Asked, asked_devices
from aisle.knowledge.compatibility import FILE as COMPATIBILITY
from aisle.knowledge.compatibility import Compatibility
from aisle.knowledge.taxonomy import FILE as TAXONOMY
from aisle.knowledge.taxonomy import WHOLE, Named, Taxonomy
from aisle.language.lexicon import Lexicon
from aisle.query.facts import CatalogueFacts
from aisle.ranking.fusion import Scored
from aisle.rules import meets_in_index
from aisle.shelf import TEXT
from aisle.types import And, Array, Index, SearchRequest

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

    @cached_property
    def facts(self) -> CatalogueFacts:
        """What the catalogue taught of its own words.

        Raises:
            ArtifactError: The index has none.
        """
        path = self._path(FACTS)
        if path is None:
            raise ArtifactError(
                f"this index has no {FACTS}, so demands cannot be read: an older Aisle made it, or it has no folder",
                fix='index the catalogue again, or set demands = "off" in [ranking]',
            )
        return CatalogueFacts.load(path)

    @cached_property
    def compatibility(self) -> Compatibility | None:
        """What the catalogue says of devices."""
        path = self._path(COMPATIBILITY)
        return Compatibility.load(path) if path is not None else None

    @cached_property
    def taxonomy(self) -> Taxonomy | None:
        """The catalogue's categories."""
        path = self._path(TAXONOMY)
        return Taxonomy.load(path, self.lexicon) if path is not None else None

    def _path(self, name: str) -> Path | None:
        path = self.folder / name if self.folder is not None else None
        return path if path is not None and path.is_file() else None

    def devices(self, text: str) -> tuple[Asked, ...]:
        """The devices that a query asks something for."""
        if not any(character.isdigit() for character in text) or self.compatibility is None:
            return ()
        return asked_devices(text, self.compatibility, self.lexicon)

    def category(self, text: str) -> Named | None:
        """The categories that a whole query names; "jacket hanger" names one that it is not after."""
        named = self.taxonomy.named(text) if self.taxonomy is not None else None
        return named if named is not None and named.certainty >= WHOLE else None

    def fitting(
        self, scored: list[Scored], request: SearchRequest, devices: Sequence[Asked], weight: float
    ) -> list[Scored]:
        """What fits the devices asked for moves up, or is added if it passes the request's filter."""
        assert self.compatibility is not None
        for one in devices:
            fits = self.compatibility.fitting(one.device) if one.device is not None else ()
            new = missing(scored, fits)
            gone = set(new) - set(self._meets(request.filter or And(()), new))
            kept = [fit for fit in fits if fit.product_id not in gone]
            scored = add_compatible(scored, kept, weight * one.certainty)
        return scored

    def under(
        self, scored: list[Scored], request: SearchRequest, named: Named, vector: Array | None, weight: float
    ) -> list[Scored]:
        """The best products of the categories named move up, or are added if the query itself did not find them."""
        assert self.taxonomy is not None
        inside = self.taxonomy.constraint(named).filter
        within = replace(request, filter=inside if request.filter is None else And((request.filter, inside)))
        found = self.index.search(within, {TEXT: vector} if vector is not None else {}, REACH)
        ids = dict.fromkeys(product_id for items in found.lists.values() for product_id, _ in items)
        return add_part(scored, "category", dict.fromkeys(ids, named.certainty), weight)
