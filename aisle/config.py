"""The recipe: every setting of a search system as frozen dataclasses that round-trip through TOML.

A recipe knows names and numbers only; it builds nothing. Unknown settings and wrong types are errors.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import tomli_w
from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from aisle.errors import RecipeError

T = TypeVar("T")
_STRICT = ConfigDict(extra="forbid")
_Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_CURRENCY = r"^([A-Za-z]{3}|[A-Za-z]{0,2}\$|[A-Za-z]?[^\x00-\x7F]{1,3})?$"
_ALLOWED = {
    ("catalogue", "currency"): "three letters such as EUR, or a sign such as €",
    ("catalogue", "category_separator"): "one character or more, such as >",
}
STAGES = ("bm25", "dense:text")
"""What a search fuses."""


def _weighed(weights: dict[str, float]) -> dict[str, float]:
    """Refuse weights of other stages, which would change nothing, and those that leave nothing to order by."""
    unknown = [stage for stage in weights if stage not in STAGES]
    if unknown:
        raise ValueError(f"there is no stage {unknown[0]!r}")
    if not any(weights.get(stage, 1.0) for stage in STAGES):
        raise ValueError("every weight is 0, which leaves no order")
    return weights


@dataclass(frozen=True, config=_STRICT)
class CatalogueSettings:
    """How a catalogue file is read and cleaned.

    ``columns`` maps a product field ("title") to the file's column ("name") where the name is not found by
    itself. ``price_unit`` "minor" reads 4995 as 49.95. ``currency`` is used where the file names none.
    """

    columns: dict[str, str] = Field(default_factory=dict)
    price_unit: Literal["major", "minor"] = "major"
    currency: str = Field(default="", pattern=_CURRENCY)
    category_separator: str = Field(default=">", min_length=1)
    boilerplate: bool = True
    near_duplicates: bool = True


@dataclass(frozen=True, config=_STRICT)
class RenderSettings:
    """How a product becomes the text that an encoder reads: fields in order, cut at a token budget.

    A field is a product field or ``attributes.NAME``; "attributes" alone means all of them.
    """

    fields: tuple[str, ...] = Field(default=("title", "brand", "category", "description"), min_length=1)
    max_tokens: int = Field(default=96, ge=8, le=8192)


@dataclass(frozen=True, config=_STRICT)
class IndexSettings:
    """BM25 over weighted fields with typo tolerance, as every back end must offer it.

    ``field_weights`` boosts each searched text field: title, brand, category, description, attributes,
    identifiers. ``fuzziness`` is how many letters of a query word may be wrong (0 switches it off); only words that
    no product has are corrected, and never those shorter than ``fuzzy_min_length`` or with digits.
    """

    field_weights: dict[str, _Weight] = Field(
        default_factory=lambda: {
            "title": 3.0,
            "brand": 1.0,
            "category": 1.0,
            "description": 1.0,
            "identifiers": 1.0,
            "attributes": 0.5,
        }
    )
    fuzziness: int = Field(default=1, ge=0, le=2)
    fuzzy_min_length: int = Field(default=5, ge=1)
    max_query_terms: int = Field(default=64, ge=1)


@dataclass(frozen=True, config=_STRICT)
class SearchSettings:
    """How candidates become a ranking: a fusion of weighted stages, by scores or by ranks.

    ``fusion`` "scores" adds each stage's scores as shares of its best one (Bruch et al. 2023), "ranks" reciprocal ranks
    with ``rrf_k`` (Cormack et al. 2009). Scores gave more on four shops (docs/results.md); ranks ask nothing of how the
    scores are spread. ``depth`` candidates of each stage are fused; pages down to that depth fit together, so it is
    larger than quality alone would need. ``weights`` are those of the stages ``bm25`` and ``dense:text``, not both 0.

    A re-ranker reads the first ``rerank_depth`` products; with ``rerank_slack`` above 0 it ends before them where none
    below is expected on the page, by so many standard deviations (docs/ranking.md).

    ``pinyin`` puts the catalogue's Chinese words where a query has their sound. Other names of what is asked count
    ``expansion_weight`` beside it where the packaged lexicon knows them, ``synonym_weight`` where the file ``synonyms``
    does (found beside the recipe, kept in the index); 0 leaves them out (docs/languages.md).
    """

    depth: int = Field(default=1_000, ge=1, le=100_000)
    fusion: Literal["scores", "ranks"] = "scores"
    rrf_k: float = Field(default=20.0, gt=0, allow_inf_nan=False)
    weights: Annotated[dict[str, _Weight], AfterValidator(_weighed)] = Field(
        default_factory=lambda: {"bm25": 0.35, "dense:text": 0.65}
    )
    identifiers: bool = True
    rerank_depth: int = Field(default=50, ge=1)
    rerank_slack: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    pinyin: bool = True
    expansion_weight: float = Field(default=0.25, ge=0, le=1)
    synonyms: str = ""
    synonym_weight: float = Field(default=0.5, ge=0, le=1)


@dataclass(frozen=True, config=_STRICT)
class DiversitySettings:
    """How much variety the first products of a ranking have.

    Attributes:
        method: "none" keeps the order by relevance (but for caps), "mmr" holds back what is like one product above it,
            "dpp" what those above it together already show.
        strength: 0 is relevance alone, 1 variety alone. At .5 a tenth of the best score counts as much as being the
            same as a product above instead of unlike it.
        window: So many first products are reordered; the rest keep their places below them.
        per_family: At most so many of one family on a page; 0 for no cap, 1 for one tile a family.
        per_brand: The same for brands.
        per_seller: The same for sellers.
        page: Products on a page. Caps count anew on each, so that pages are alike and fit together.
        margin: A cap holds a product back only for one whose relevance is at most so much less, as a share of the best
            product's: the ninth printer of a brand is better than a lamp. 1 takes anything from the window.
        seller_field: Where the seller stands; as in a filter.
    """

    method: Literal["none", "mmr", "dpp"] = "none"
    strength: float = Field(default=0.3, ge=0, le=1)
    window: int = Field(default=100, ge=1)
    per_family: int = Field(default=0, ge=0)
    per_brand: int = Field(default=0, ge=0)
    per_seller: int = Field(default=0, ge=0)
    page: int = Field(default=10, ge=1)
    margin: float = Field(default=0.08, ge=0, le=1)
    seller_field: str = "seller"

    @property
    def caps(self) -> tuple[int, int, int]:
        """At most so many of one family, brand and seller on a page; 0 for no cap."""
        return self.per_family, self.per_brand, self.per_seller

    @property
    def active(self) -> bool:
        """Whether anything can move."""
        return (self.method != "none" and self.strength > 0) or any(self.caps)


@dataclass(frozen=True, config=_STRICT)
class RankingSettings:
    """What becomes of the candidates that were found (docs/ranking.md); each stage can be left out.

    Attributes:
        demands: What a query asks of brand, colour, size and price, as read with the catalogue's own words: "off";
            "boost" moves products that meet it up and others down; "filter" leaves the others out where the reading is
            certain, and gives demands up again where nothing would be left.
        demand_weight: What a certain demand counts, as a share of the best score.
        certain: So sure a reading must be to leave products out.
        compatibility: What a product that fits the device asked for counts, as a share of the best score; 0: nothing.
        category: What a product counts whose category the whole query names ("jackets", 夹克), as a share of the best
            score; 0: nothing.
        learnt: How the signals of hybrid search are weighed: "embedded" as two other shops' judgments taught, a folder
            as this shop's own did (`aisle learn`), or nothing, which leaves the fusion's order.
        model: Re-ranker: a folder, "embedded", the TOML file of a language model, the name of a Hugging Face
            cross-encoder, or nothing. Where ``learnt`` reads its score, it is no stage of its own.
        calibration: Folder that `aisle calibrate` made, or nothing.
        cut: With it, the share of a query's relevant products that may be cut on average; 0 cuts nothing.
        cut_guaranteed: Whether that holds for a new query like those judged, or is an estimate that cuts more.
        cut_depth: So many candidates the cut-off looks at, all others are cut; 0: it looks at all.
        least_best: Where no product reaches this probability of being relevant, there is no good result at all.
        rules: File of a merchant's rules, or nothing.
        diversity: Of the first products.
    """

    demands: Literal["off", "boost", "filter"] = "off"
    demand_weight: _Weight = 0.1
    certain: float = Field(default=0.8, ge=0, le=1)
    compatibility: _Weight = 2.0
    category: _Weight = 0.3
    learnt: str = "embedded"
    model: str = ""
    calibration: str = ""
    cut: float = Field(default=0.05, ge=0, lt=1)
    cut_guaranteed: bool = True
    cut_depth: int = Field(default=0, ge=0)
    least_best: float = Field(default=0.0, ge=0, le=1)
    rules: str = ""
    diversity: DiversitySettings = Field(default_factory=DiversitySettings)


@dataclass(frozen=True, config=_STRICT)
class Recipe:
    """All settings of one search system."""

    name: str = "default"
    encoder: str = "embedded"
    catalogue: CatalogueSettings = Field(default_factory=CatalogueSettings)
    render: RenderSettings = Field(default_factory=RenderSettings)
    index: IndexSettings = Field(default_factory=IndexSettings)
    search: SearchSettings = Field(default_factory=SearchSettings)
    ranking: RankingSettings = Field(default_factory=RankingSettings)

    @classmethod
    def from_dict(cls, data: dict[str, Any], source: str = "recipe") -> Recipe:
        """Build a recipe from plain data.

        Raises:
            RecipeError: A setting is unknown, of the wrong type or out of range.
        """
        return checked(_ADAPTER, data, source, _allowed)

    @classmethod
    def from_toml(
        cls, text: str, source: str = "recipe", base: Recipe | None = None, folder: Path | None = None
    ) -> Recipe:
        """Parse a recipe; what is left out keeps the value of ``base``, or its default.

        Args:
            text: The recipe.
            source: Named in errors.
            base: Gives what is left out.
            folder: Where files that the recipe names are, unless it says so itself.

        Raises:
            RecipeError: The text is not TOML or a setting is wrong.
        """
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise RecipeError(f"{source}: not valid TOML: {error}", fix="see docs/recipes.md") from None
        if folder is not None:
            _beside(data, folder)
        return cls.from_dict(_merge(base.to_dict(), data) if base else data, source)

    @classmethod
    def load(cls, path: Path, base: Recipe | None = None) -> Recipe:
        """Read a recipe file; what is left out keeps the value of ``base``, or its default.

        Raises:
            RecipeError: The file cannot be read, is not TOML, or a setting is wrong.
        """
        try:
            text = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError:
            raise RecipeError(f"recipe {str(path)!r} is not UTF-8", allowed="a TOML file in UTF-8") from None
        except OSError as error:
            reason = error.strerror or error
            raise RecipeError(f"cannot read recipe {str(path)!r}: {reason}", allowed="a TOML file in UTF-8") from None
        return cls.from_toml(text, str(path), base, path.absolute().parent)

    def to_dict(self) -> dict[str, Any]:
        """The recipe as plain data."""
        return dataclasses.asdict(self)

    def to_toml(self) -> str:
        """The recipe as TOML that ``from_toml`` reads back to an equal recipe."""
        return tomli_w.dumps(self.to_dict())


_ADAPTER = TypeAdapter(Recipe)
_NAMED = ("model", "learnt")
"""What may be a name instead of a folder or file."""
_FILES = {"search": ("synonyms",), "ranking": ("rules", "calibration", "learnt", "model")}


def checked(
    adapter: TypeAdapter[T], data: Any, source: str, allowed: Callable[[tuple[int | str, ...]], str | None]
) -> T:
    """Plain data as settings, with the first thing that is wrong as one clear error.

    Args:
        adapter: Of the settings' class.
        data: As TOML or JSON give it.
        source: Named in errors.
        allowed: What could stand at the place of the fault.

    Raises:
        RecipeError: A setting is unknown, of the wrong type or out of range.
    """
    try:
        return adapter.validate_python(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "recipe"
        said = first["msg"].removeprefix("Value error, ")
        raise RecipeError(
            f"{source}: setting {where!r}: {said} (received {first.get('input')!r})",
            allowed=allowed(first["loc"]),
            fix="correct the setting, or leave it out for the default",
        ) from None


def settings_of(parts: Mapping[tuple[str, ...], Any]) -> Callable[[tuple[int | str, ...]], str | None]:
    """The ``allowed`` of `checked` for settings whose parts are named.

    Args:
        parts: Where a part stands in the data to its dataclass.
    """

    def allowed(location: tuple[int | str, ...]) -> str | None:
        found = parts.get(tuple(str(part) for part in location[:-1]))
        return ", ".join(field.name for field in dataclasses.fields(found)) if found is not None else None

    return allowed


def read_toml(path: Path) -> dict[str, Any]:
    """The settings of a training's recipe file.

    Raises:
        RecipeError: The file cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecipeError(f"cannot read the recipe {str(path)!r}: {error}", fix="correct the file") from None


def with_changes(data: Mapping[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """Settings with some changed as ``key=value``; ``part.key`` is a key within a part.

    Args:
        data: Settings as plain data.
        changes: Such as ``fit.epochs=3``; values are TOML, bare words are strings.

    Raises:
        RecipeError: A change is not KEY=VALUE.
    """
    changed = dict(data)
    for change in changes:
        key, equals, value = change.partition("=")
        *parts, name = (part.strip() for part in key.split("."))
        if not (key.strip() and equals):
            raise RecipeError(f"--set {change!r} is not KEY=VALUE", allowed="for example --set fit.epochs=3")
        if not name:
            raise RecipeError(f"--set {change!r} names no setting", allowed="for example --set fit.epochs=3")
        here = changed
        for part in parts:
            here[part] = dict(here.get(part) or {})
            here = here[part]
        here[name] = _value(value.strip())
    return changed


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in over.items():
        old = merged.get(name)
        merged[name] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _beside(data: dict[str, Any], folder: Path) -> None:
    """Make the files that a recipe names those beside it; a model's name that is nothing there stays a name."""
    for section, names in _FILES.items():
        part = data.get(section)
        if not isinstance(part, dict):
            continue
        for name in names:
            given = part.get(name)
            if isinstance(given, str) and given and (name not in _NAMED or (folder / given).exists()):
                part[name] = str(folder / Path(given).expanduser())


def _allowed(location: tuple[int | str, ...]) -> str | None:
    """The settings that exist where an unknown one was given."""
    if location in _ALLOWED:
        return _ALLOWED[location]
    if location == ("search", "weights"):
        return f"{' and '.join(STAGES)}, not both 0"
    here: Any = Recipe()
    for part in location[:-1]:
        here = getattr(here, str(part), None)
    if not dataclasses.is_dataclass(here):
        return None
    return ", ".join(f.name for f in dataclasses.fields(here))
