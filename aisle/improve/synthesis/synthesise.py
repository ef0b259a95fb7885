"""From a catalogue's index to graded synthetic pairs: queries made, searched for, graded; what is dropped is counted.

A query stays only if it finds the product that it was made from (the round trip of Alberti et al. 2019, "Synthetic QA
Corpora Generation with Roundtrip Consistency"). Beside that product stand others that the search found, graded by rules
(`grading.py`), and some by chance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from aisle.augment.change import Effect
from aisle.build import BATCH, FACTS
from aisle.engine import SearchEngine
from aisle.errors import RecipeError
from aisle.improve.synthesis.grading import TOP, Graded, Grader
from aisle.improve.synthesis.parts import Names
from aisle.improve.synthesis.shape import QueryShape
from aisle.improve.synthesis.templates import Made, Templates
from aisle.improve.synthesis.titles import words_in
from aisle.improve.synthesis.writer import Written
from aisle.query.facts import CatalogueFacts
from aisle.types import Product, Progress, SearchRequest

CHANGED = "changed:"
_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class SynthesisSettings:
    """How pairs are made.

    Attributes:
        queries: Made at most, before those that do not find their product are dropped.
        top: A query must find its product among so many.
        depth: Other products are looked for among so many found.
        meets: Of them, at most so many that are all that the query names, too.
        lowered: At most so many that are not: of another brand, colour or size first, then related ones, then others.
        chance: Drawn from the whole catalogue, if they have nothing of the query.
        seed: Of every draw.
    """

    queries: int = 1_500
    top: int = 10
    depth: int = 40
    meets: int = 2
    lowered: int = 3
    chance: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse numbers that make nothing."""
        small = [name for name in ("queries", "top", "depth") if getattr(self, name) < 1]
        small += [name for name in ("meets", "lowered", "chance") if getattr(self, name) < 0]
        if small:
            raise RecipeError(f"{small[0]} is {getattr(self, small[0])}", allowed="1 or more; of other products 0")


@dataclass(frozen=True, slots=True)
class SyntheticPair:
    """A made query with a product, its grade and where both come from."""

    query: str
    product: Product
    grade: float
    source: str
    template: str
    how: str
    effect: Effect
    seed: int


@dataclass(frozen=True, slots=True)
class Synthesis:
    """The pairs, query by query; ``counts`` says what was made, what was dropped and why, and which rules graded."""

    pairs: tuple[SyntheticPair, ...]
    counts: Mapping[str, int]


class Synthesiser:
    """Makes pairs of one open index.

    Args:
        engine: Open on a folder.
        shape: Of the queries; None takes the packaged one.

    Raises:
        ArtifactError: The index lacks its facts.
        RecipeError: It has no products.
    """

    def __init__(self, engine: SearchEngine, shape: QueryShape | None = None) -> None:
        self.engine = engine
        self.products = tuple(stored_products(engine))
        if not self.products:
            raise RecipeError("the index has no products to make queries of", fix="index a catalogue first")
        self.names = Names(facts_of(engine))
        self.templates = Templates(self.products, self.names, shape or QueryShape.load())
        self.grader = Grader(self.products, self.templates.titles, self.names, self.templates.statistics)
        self._places = {product.id: place for place, product in enumerate(self.products)}

    def by_templates(
        self, settings: SynthesisSettings, forbidden: Sequence[str] = (), progress: Progress | None = None
    ) -> Synthesis:
        """Pairs of queries in the shape of real ones.

        Args:
            settings: How many.
            forbidden: Queries that must not come up in any spelling: those that something will be judged by.
            progress: Told how many queries were searched for.
        """
        made = list(self.templates.make(settings.queries, settings.seed, forbidden))
        return self._graded(made, settings, progress)

    def by_model(
        self, written: Sequence[Written], settings: SynthesisSettings, progress: Progress | None = None
    ) -> Synthesis:
        """Pairs of queries that a language model wrote of products at asked grades.

        A query of the highest grade is treated as one by templates; the others stand beside the product that they
        were written of, with the grade that was asked for, and products by chance.
        """
        made = [self._read(one) for one in written if one.grade == TOP]
        found = self._graded(made, settings, progress)
        chance = Random(f"{settings.seed}:asked")
        pairs, counts = list(found.pairs), Counter(found.counts)
        for one in (one for one in written if one.grade != TOP):
            this = self._read(one)
            rows = [Graded(this.place, one.grade, f"asked:{one.grade:g}", "lowers")]
            pairs += self._pairs(this, [*rows, *self._by_chance(this, settings.chance, chance)], settings.seed)
            counts[f"queries written at grade {one.grade:g}"] += 1
        return Synthesis(tuple(pairs), dict(counts))

    def _read(self, written: Written) -> Made:
        """A written query with the names and the title's words in it."""
        place = self._places[written.product_id]
        words = words_in(written.text)
        plain = "".join(word.key for word in words)
        parts = tuple(
            part for part in self.names.of(self.products[place]) if part.kind != "attribute" and part.key in plain
        )
        named = {word.key for part in parts for word in words_in(part.name)}
        known = tuple(word.key for word in words if word.key not in named)
        return Made(written.text, place, written.model, parts, known)

    def _graded(self, made: Sequence[Made], settings: SynthesisSettings, progress: Progress | None) -> Synthesis:
        pairs: list[SyntheticPair] = []
        counted = Counter({"queries made": len(made)})
        depth = max(settings.top, settings.depth)
        requests = [SearchRequest(one.text, k=depth) for one in made]
        for done, (one, found) in enumerate(zip(made, self.engine.run_batch(requests, _AT_ONCE), strict=True), start=1):
            places = [self._places[product_id] for product_id, _ in found if product_id in self._places]
            if one.place not in places[: settings.top]:
                counted["dropped: does not find its product"] += 1
                continue
            rows = self._beside(one, places[: settings.depth], settings)
            if all(row.grade == TOP for row in rows):
                counted["dropped: nothing known to be worse"] += 1
                continue
            counted["queries kept"] += 1
            counted.update(f"pairs, {row.how}" for row in rows)
            pairs += self._pairs(one, rows, settings.seed)
            if progress and done % _AT_ONCE == 0:
                progress("searching", done, len(made))
        return Synthesis(tuple(pairs), dict(counted))

    def _beside(self, made: Made, places: Sequence[int], settings: SynthesisSettings) -> list[Graded]:
        """The product itself, others that are as good, worse ones from near to far, and some by chance."""
        chance = Random(f"{settings.seed}:{made.text}")
        graded = [row for place in places if place != made.place and (row := self.grader.grade(made, place))]
        good = [row for row in graded if row.grade == TOP]
        kinds = (
            [row for row in graded if row.how.startswith(CHANGED)],
            [row for row in graded if row.how == "partial"],
            [row for row in graded if row.how == "unrelated"],
        )
        worse: list[Graded] = []
        for rows in kinds:
            worse += chance.sample(rows, min(len(rows), settings.lowered - len(worse)))
        own = Graded(made.place, TOP, "own", "keeps")
        found = [own, *chance.sample(good, min(len(good), settings.meets)), *worse]
        taken = {row.place for row in found}
        return found + [row for row in self._by_chance(made, settings.chance, chance) if row.place not in taken]

    def _by_chance(self, made: Made, count: int, chance: Random) -> list[Graded]:
        drawn = chance.sample(range(len(self.products)), min(count, len(self.products)))
        rows = [self.grader.grade(made, place) for place in drawn if place != made.place]
        return [Graded(row.place, 0.0, "chance", "lowers") for row in rows if row is not None and row.grade == 0]

    def _pairs(self, made: Made, rows: Iterable[Graded], seed: int) -> list[SyntheticPair]:
        source = self.products[made.place].id
        return [
            SyntheticPair(
                made.text, self.products[row.place], row.grade, source, made.template, row.how, row.effect, seed
            )
            for row in rows
        ]


def stored_products(engine: SearchEngine) -> list[Product]:
    """All products of an index, in the order of their ids."""
    ids = sorted(engine.index.ids())
    found: list[Product] = []
    for start in range(0, len(ids), BATCH):
        found += [product for product in engine.index.get(ids[start : start + BATCH]) if product is not None]
    return found


def facts_of(engine: SearchEngine) -> CatalogueFacts:
    """What the catalogue of an index teaches of its own words.

    Raises:
        ArtifactError: The index lacks them.
        RecipeError: The index is not open on a folder.
    """
    if engine.folder is None:
        raise RecipeError("the index stands in no folder", fix="open one that aisle index made")
    return CatalogueFacts.load(engine.folder / FACTS)
