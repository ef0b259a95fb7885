"""From clean products to an index folder: render, encode what changed, write, finish or leave nothing.

    FOLDER/
        manifest.json    written last: what made this index
        recipe.toml      the recipe it was built with
        synonyms.txt     the synonyms that the recipe names, if it does
        facts.json       what the catalogue teaches of its own words: brands, colours, sizes
        compatibility.json    which products go with which devices
        taxonomy.json    the categories
        lance/           the embedded index

A new index grows in `.FOLDER.building` beside its place and moves in when it is complete. Ctrl-C or a kill leaves
that folder, and the next build with the same settings goes on from it; any other error removes it. An index with
the same fingerprint is brought up to date in place, so that readers go on; with another one it is replaced.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from aisle.artifacts import (
    MANIFEST,
    Manifest,
    one_writer,
    read_manifest,
    recover,
    swap_live,
    write_manifest,
    write_text,
)
from aisle.catalogue.render import Renderer
from aisle.config import RankingSettings, Recipe
from aisle.errors import ArtifactError, CatalogueError, FingerprintError, RecipeError
from aisle.indexes.lance import LanceIndex
from aisle.indexes.segment import SEGMENTER_VERSION
from aisle.knowledge.compatibility import FILE as COMPATIBILITY
from aisle.knowledge.compatibility import Compatibility
from aisle.knowledge.learning import Seen
from aisle.knowledge.taxonomy import FILE as TAXONOMY
from aisle.knowledge.taxonomy import Taxonomy, count_category
from aisle.language.normalise import NORMALISER_VERSION
from aisle.language.script import ReadsScripts, readable
from aisle.language.synonyms import read_synonyms
from aisle.query.facts import CatalogueFacts
from aisle.query.learn import Learner
from aisle.ranking.calibration import Calibration
from aisle.ranking.learnt import EMBEDDED, LearntRanking
from aisle.rules import read_rules
from aisle.types import Encoder, Product, Progress, Record

KIND, FORMAT = "index", 1
SYNONYMS, FACTS = "synonyms.txt", "facts.json"
BATCH = 2_048
"""Products per write: large enough that LanceDB's fixed cost per write vanishes, small enough to resume finely."""


def fingerprint(encoder: Encoder, renderer: Renderer) -> dict[str, str]:
    """What must be equal between the index and those who search it."""
    return {
        "encoder": encoder.fingerprint,
        "renderer": renderer.fingerprint,
        "normaliser": NORMALISER_VERSION,
        "segmenter": SEGMENTER_VERSION,
    }


def check_index(folder: Path) -> Manifest:
    """The manifest of a finished index, cheaply read before anything is loaded.

    Raises:
        ArtifactError: The folder is not a finished index.
    """
    return read_manifest(folder, KIND, FORMAT)


def check_made_with(folder: Path, encoder: Encoder, renderer: Renderer) -> None:
    """See that an index can be searched and written with an encoder and a renderer.

    Raises:
        ArtifactError: The folder is not a finished index.
        FingerprintError: The index was made by others.
    """
    manifest = read_manifest(folder, KIND, FORMAT)
    for part, value in fingerprint(encoder, renderer).items():
        found = manifest.fingerprint.get(part)
        if found != value:
            made_with = f"{part} {found}" if found else f"an older Aisle, without {part}"
            raise FingerprintError(
                f"the index {str(folder)!r} was made with {made_with}, this search would use {part} {value}",
                fix="search without --recipe, or index the catalogue again with these settings",
            )


def index_identity(folder: Path) -> int | None:
    """Which index this is, however often it is brought up to date; None where there is none."""
    try:
        return (folder / "lance").stat().st_ino
    except OSError:
        return None


def stored_recipe(folder: Path) -> Recipe:
    """The recipe an index was built with.

    Raises:
        ArtifactError: It is missing or damaged.
    """
    try:
        return Recipe.load(folder / "recipe.toml")
    except RecipeError as error:
        raise ArtifactError(
            f"the index {str(folder)!r} is damaged: {error.received}", fix="index the catalogue again into this folder"
        ) from None


def build_index(
    products: Iterable[Product],
    folder: Path,
    recipe: Recipe,
    encoder: Encoder,
    progress: Progress | None = None,
    attach: Callable[[Path], None] | None = None,
) -> tuple[str, ...]:
    """Make the index in ``folder`` hold exactly these products.

    Args:
        products: Clean products with distinct ids.
        folder: A folder that does not exist yet, an empty one, or an Aisle index.
        recipe: Stored beside the index; searching uses it unless told otherwise.
        encoder: Must be the one the recipe names.
        progress: Told of the stages "index", "learn" and "optimise".
        attach: Called with the folder before it is complete, to write more files into it (a cleaning report).

    Returns:
        Warnings: that the encoder cannot read most of the products.

    Raises:
        ArtifactError: The folder holds something else than an index.
        CatalogueError: There are no products, or two have the same id.
        IndexLockedError: Another process is writing to this index.
        RecipeError: The synonyms that the recipe names cannot be read.
    """
    renderer = Renderer(recipe.render, encoder.count_tokens)
    made_by = fingerprint(encoder, renderer)
    folder = folder.resolve()  # a link to an index stays one
    synonyms = read_synonyms(Path(recipe.search.synonyms)) if recipe.search.synonyms else None
    recipe = replace(recipe, ranking=_found_again(recipe.ranking))
    fill = _Fill(products, recipe, encoder, renderer, progress, synonyms)
    _holds(folder, made_by, recipe)  # a wrong folder is refused before anything is made beside it
    made = _make_parents(folder)
    try:
        with one_writer(folder):
            recover(folder)
            if _holds(folder, made_by, recipe):
                fill.run(folder)
                _finish(folder, fill, made_by, attach)
            else:
                swap_live(_build_aside(folder, fill, made_by, attach), folder)
            return fill.warnings
    except Exception:
        for parent in made:
            with suppress(OSError):  # not empty: another process uses it
                parent.rmdir()
        raise


def _found_again(settings: RankingSettings) -> RankingSettings:
    """The settings with absolute paths, after a look at what they name: the recipe is stored, and opened elsewhere.

    Raises:
        ArtifactError: A folder is none of its kind.
        RecipeError: The rules cannot be read.
    """
    if settings.rules:
        read_rules(Path(settings.rules))
    if settings.calibration:
        Calibration.load(Path(settings.calibration))
    if settings.learnt and settings.learnt != EMBEDDED:
        LearntRanking.load(Path(settings.learnt))

    def found(name: str) -> str:
        return str(Path(name).absolute()) if name and Path(name).exists() else name

    return replace(
        settings,
        rules=found(settings.rules),
        calibration=found(settings.calibration),
        learnt=found(settings.learnt),
        model=found(settings.model),
    )


def _make_parents(folder: Path) -> list[Path]:
    """Make the folders above, and say which were made, the lowest first."""
    made = [parent for parent in folder.parents if not parent.exists()]
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = "it is a file" if isinstance(error, FileExistsError | NotADirectoryError) else error.strerror
        raise ArtifactError(f"cannot make {str(folder.parent)!r}: {reason}", fix="choose another --out") from None
    return made


def _finish(home: Path, fill: _Fill, made_by: dict[str, str], attach: Callable[[Path], None] | None) -> None:
    if attach is not None:
        attach(home)
    recipe = fill.recipe
    (home / SYNONYMS).unlink(missing_ok=True)
    if fill.synonyms is not None:
        write_text(home / SYNONYMS, fill.synonyms)
        recipe = replace(recipe, search=replace(recipe.search, synonyms=SYNONYMS))
    write_text(home / "recipe.toml", recipe.to_toml())
    write_manifest(home, Manifest(KIND, FORMAT, made_by, {"products": fill.done, "encoder": fill.recipe.encoder}))


def _holds(folder: Path, made_by: dict[str, str], recipe: Recipe) -> bool:
    """Whether the folder is an index that can be brought up to date in place."""
    if not folder.exists():
        return False
    if not folder.is_dir() or (any(folder.iterdir()) and not (folder / MANIFEST).exists()):
        raise ArtifactError(
            f"{str(folder)!r} exists and is not an Aisle index",
            allowed="a new or empty folder, or an index to bring up to date",
            fix="choose another --out",
        )
    if not (folder / MANIFEST).exists():
        return False
    manifest = read_manifest(folder, KIND, FORMAT)
    try:
        same_words = set(stored_recipe(folder).index.field_weights) == set(recipe.index.field_weights)
        if dict(manifest.fingerprint) != made_by or not same_words:
            return False
        LanceIndex.open(folder / "lance", recipe.index).close()
    except ArtifactError:  # a damaged index is replaced
        return False
    return True


def _build_aside(folder: Path, fill: _Fill, made_by: dict[str, str], attach: Callable[[Path], None] | None) -> Path:
    """Fill `.FOLDER.building`, going on from what an interrupted build with the same plan left there."""
    part = folder.with_name(f".{folder.name}.building")
    plan = json.dumps([made_by, fill.recipe.to_dict()["index"]], sort_keys=True)
    plan_file = part / "plan.json"
    if not plan_file.exists() or plan_file.read_text(encoding="utf-8") != plan:
        shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True, exist_ok=True)
    try:
        write_text(plan_file, plan)
        fill.run(part)
        _finish(part, fill, made_by, attach)
        plan_file.unlink()
    except Exception:  # not KeyboardInterrupt: what is done is kept for the next try
        shutil.rmtree(part, ignore_errors=True)
        raise
    return part


@dataclass
class _Fill:
    """Upsert what is new or changed, delete what is gone, fold everything into the search structures."""

    products: Iterable[Product]
    recipe: Recipe
    encoder: Encoder
    renderer: Renderer
    progress: Progress | None
    synonyms: str | None
    done: int = 0
    unreadable: int = 0

    @property
    def warnings(self) -> tuple[str, ...]:
        """What whoever indexes should know."""
        if self.unreadable * 2 <= self.done:
            return ()
        return (
            f"the encoder does not read the script of {self.unreadable:,} of {self.done:,} products: search finds them "
            "by their words only; another encoder may read them (--encoder)",
        )

    def run(self, folder: Path) -> None:
        report = self.progress or (lambda stage, done, total: None)
        total = len(self.products) if isinstance(self.products, Sized) else None
        lance = folder / "lance"
        index = (
            LanceIndex.open(lance, self.recipe.index, writable=True)
            if lance.exists()
            else LanceIndex.create(lance, self.recipe.index, {"text": self.encoder.dim})
        )
        with closing(index):
            before = index.version
            try:
                self._bring_up_to_date(index, report, total)
                facts, fits, tree = _taught(index, report)
            except Exception:
                index.roll_back(before)  # half an update is none
                raise
            facts.save(folder / FACTS)
            fits.save(folder / COMPATIBILITY)
            tree.save(folder / TAXONOMY)
            report("optimise", 0, 1)
            index.optimize(wait=True)
            report("optimise", 1, 1)

    def _bring_up_to_date(self, index: LanceIndex, report: Progress, total: int | None) -> None:
        seen: set[str] = set()
        for batch in _batches(self.products):
            _refuse_repeated(batch, seen)
            self.unreadable += _write(index, batch, self.encoder, self.renderer)
            self.done += len(batch)
            report("index", self.done, total)
        if not self.done:
            raise CatalogueError("there are no products to index", fix="see `aisle catalogue inspect FILE`")
        index.delete(sorted(set(index.ids()) - seen))  # what is gone from the catalogue


def _taught(index: LanceIndex, report: Progress) -> tuple[CatalogueFacts, Compatibility, Taxonomy]:
    """What the catalogue teaches of its own words, of devices and of categories; its products are read once."""
    words, devices, paths = Learner(), Seen(), Counter[tuple[str, ...]]()
    total = index.count()
    for done, product in enumerate(_stored(index), start=1):
        words.add(product)
        devices.add(product)
        count_category(paths, product)
        if done % BATCH == 0:
            report("learn", done, total)
    found = words.facts(), Compatibility(devices.tables()), Taxonomy(paths)
    report("learn", total, total)
    return found


def _stored(index: LanceIndex) -> Iterator[Product]:
    """All products, in the order of their ids, so that the same catalogue teaches the same."""
    ids = sorted(index.ids())
    for start in range(0, len(ids), BATCH):
        yield from (product for product in index.get(ids[start : start + BATCH]) if product is not None)


def _refuse_repeated(batch: Sequence[Product], seen: set[str]) -> None:
    for product in batch:
        if product.id in seen:
            raise CatalogueError(
                f"two products have the id {product.id!r}", fix="clean the catalogue first: it keeps the first of them"
            )
        seen.add(product.id)


def _batches(products: Iterable[Product]) -> Iterator[list[Product]]:
    source = iter(products)
    while batch := list(islice(source, BATCH)):
        yield batch


def _write(index: LanceIndex, batch: Sequence[Product], encoder: Encoder, renderer: Renderer) -> int:
    """Write what is new or changed; says how many of all these products the encoder cannot read."""
    texts = [renderer.text(product) for product in batch]
    stored = index.stored([product.id for product in batch])
    index.upsert(fresh_records(batch, texts, stored, encoder, renderer))
    scripts = encoder.scripts if isinstance(encoder, ReadsScripts) else None
    return sum(readable(text, scripts) < 0.5 for text in texts)


def fresh_records(
    batch: Sequence[Product], texts: Sequence[str], stored: Mapping[str, Record], encoder: Encoder, renderer: Renderer
) -> list[Record]:
    """What of these products is not stored so yet, ready to be written; only texts that changed are encoded.

    Args:
        batch: Products with distinct ids.
        texts: Each as the renderer gives it.
        stored: What the index has of them, by id.
        encoder: That of the index.
        renderer: That of the index.
    """
    hashes = [renderer.hash(text) for text in texts]
    vectors = {
        product.id: stored[product.id].vectors["text"]
        for product, text_hash in zip(batch, hashes, strict=True)
        if product.id in stored and stored[product.id].text_hash == text_hash
    }
    fresh = [i for i, product in enumerate(batch) if product.id not in vectors]
    for i, vector in zip(fresh, encoder.encode([texts[i] for i in fresh], "product"), strict=True):
        vectors[batch[i].id] = vector
    return [
        Record(product, text_hash, {"text": vectors[product.id]})
        for product, text_hash in zip(batch, hashes, strict=True)
        if product.id not in stored
        or stored[product.id].product != product
        or stored[product.id].text_hash != text_hash
    ]
