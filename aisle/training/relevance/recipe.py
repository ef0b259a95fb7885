"""Settings of relevance training: frozen, checked, round-tripping through TOML. Knows names and numbers only."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from aisle.augment.settings import AugmentSettings
from aisle.config import checked, with_changes
from aisle.errors import RecipeError
from aisle.training.gate import MAX_LATENCY_RATIO
from aisle.training.head import HeadSettings
from aisle.training.peft.settings import PeftSettings
from aisle.training.tracking import SPEC

_STRICT = ConfigDict(extra="forbid")
_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
RankingLoss = Literal["listwise", "pairwise", "lambdaloss", "listmle", "pointwise", "cosent"]
FEW_QUERIES = 400
"""Below so many queries a share of them proves nothing: every query is held out once instead."""


@dataclass(frozen=True, config=_STRICT)
class FitSettings:
    """How an encoder is trained on judged lists.

    Attributes:
        epochs: Passes over the judgments.
        queries: Lists in a step.
        per_query: Texts of one query in a step.
        rate: Learning rate of the top layer.
        layer_decay: What a layer's rate is to that of the one above (Howard and Ruder 2018).
        decay: Weight decay.
        warm_up: Share of the steps in which the rates rise.
        dropout: While training.
        loss: Within a query listwise softmax, pairwise logistic, LambdaLoss, ListMLE or pointwise; over the whole batch
            cosent, which alone learns from queries with a single text.
        in_batch: Weight of the loss against the other queries' texts.
        late: Weight of the same losses over late interaction, the nearest tokens of a text to the query's, beside those
            over the cosine. What is served is the cosine.
        matryoshka: Lengths at which the first numbers of the vectors are to rank by themselves (Kusupati et al. 2022):
            the same losses over them, made of length 1 again, each counting as much as the whole vectors'.
        positive: Share of the highest level that a text needs to be a positive there.
        scale: Of cosines before a softmax.
        keep: Weight of the distance to the vectors before training, against forgetting.
        anchor: Weight of half the squared distance to the weights before training (L2-SP, Li et al. 2018).
        replay: Share of a step's lists that are of an earlier shop, where there is one; 0 only says what is forgotten.
        r_drop: Weight of how far apart each list's softmax is in two passes with dropout (R-Drop, Liang et al. 2021).
        smooth: Share of the raters' variance by which a grade becomes a softer target, where pairs have one.
        adversarial: Size of the weights' perturbation as a share of their length; 0 leaves it out.
        fgm: Size of the perturbation of the word vectors of a step (the fast gradient method, Miyato et al. 2017) as a
            share of their length; 0 leaves it out.
        average: Decay of the moving average of weights; 0 leaves it out.
        mixtures: Shares of the trained weights, beside the first ones, that are tried on validation at the end.
        choose: Whether validation chooses the epoch and the mixture; else the last weights are kept. A few dozen
            queries choose badly (docs/training.md).
        patience: Epochs without a better validation before it ends, where that chooses.
        max_tokens: A text is cut at so many tokens.
        save_every: Steps between checkpoints within an epoch.
        seed: The same seed gives the same weights on one machine.
        seeds: Trainings from this seed on, each with its own, of which the mean of the weights is kept (model soups,
            Wortsman et al. 2022).
        threads: Of PyTorch.
        device: "cpu", "cuda", "cuda:1", ...; "auto" takes a GPU where there is one.
        precision: Of matrix products. Weights and the optimiser are fp32 throughout.
        accumulate: In how many parts a step goes through the model. The gradient is that of the whole step, in-batch
            negatives and all; a part needs the memory of a part.
        checkpointing: Whether a layer's activations are computed again on the way back instead of kept.
        parallel: Where several processes were launched, what they share: a step's texts ("data"), these and the weights
            and the optimiser ("fsdp"), or the arithmetic of every layer ("tensor"). "auto" is what the configuration of
            accelerate says, else "data". What is learnt does not depend on it.
        track: Where losses are written as they come: "auto" is TensorBoard where it is installed, "none" nowhere, else
            names out of tensorboard, wandb and mlflow with commas between. Always into the model's folder alone.
    """

    epochs: int = Field(default=2, ge=1, le=1000)
    queries: int = Field(default=16, ge=1, le=4096)
    per_query: int = Field(default=8, ge=2, le=1024)
    rate: float = Field(default=5e-5, gt=0, le=1)
    layer_decay: float = Field(default=0.9, gt=0, le=1)
    decay: _Weight = 0.01
    warm_up: _Share = 0.1
    dropout: _Share = 0.0
    loss: RankingLoss = "listwise"
    in_batch: _Weight = 1.0
    late: _Weight = 0.0
    matryoshka: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = ()
    positive: _Share = 0.5
    scale: float = Field(default=20.0, gt=0, le=1000)
    keep: _Weight = 0.0
    anchor: _Weight = 0.0
    replay: float = Field(default=0.25, ge=0, lt=1)
    r_drop: _Weight = 0.0
    smooth: _Weight = 0.0
    adversarial: _Share = 0.0
    fgm: _Share = 0.0
    average: _Share = 0.0
    mixtures: tuple[_Share, ...] = (0.25, 0.5, 0.75)
    choose: bool = False
    patience: int = Field(default=2, ge=1)
    max_tokens: int = Field(default=64, ge=8, le=512)
    save_every: int = Field(default=200, ge=1)
    seed: int = 0
    seeds: int = Field(default=1, ge=1, le=100)
    threads: int = Field(default=2, ge=1)
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    precision: Literal["fp32", "bf16", "fp16"] = "bf16"
    accumulate: int = Field(default=1, ge=1, le=4096)
    checkpointing: bool = False
    parallel: Literal["auto", "data", "fsdp", "tensor"] = "auto"
    track: str = Field(default="auto", pattern=SPEC)

    def __post_init__(self) -> None:
        """Refuse what would do nothing."""
        if self.r_drop > 0 and self.dropout == 0:
            raise ValueError("r_drop with a dropout above 0, without which both passes are alike")

    @property
    def replayed(self) -> int:
        """Lists of an earlier shop in a step, where there is one; at least one list is the shop's own."""
        return min(self.queries - 1, max(1, round(self.replay * self.queries))) if self.replay > 0 else 0


@dataclass(frozen=True, config=_STRICT)
class HeadFit:
    """How a task head is fitted; what each one is stands at `HeadSettings`."""

    correction_spread: float = Field(default=HeadSettings.correction_spread, gt=0, le=100)
    free_spreads: tuple[_Weight, ...] = HeadSettings.free_spreads
    rank: int = Field(default=HeadSettings.rank, ge=1, le=1024)
    query_spread: float = Field(default=HeadSettings.query_spread, ge=0, le=100)
    queries_for_half: float = Field(default=HeadSettings.queries_for_half, ge=0, le=1e6)
    choose_from: int = Field(default=HeadSettings.choose_from, ge=1)

    def settings(self) -> HeadSettings:
        """As `fit_head` takes them."""
        return HeadSettings(**asdict(self))


@dataclass(frozen=True, config=_STRICT)
class CrossSettings:
    """How a cross-encoder is trained, where that differs from an encoder; the rest stands in ``fit``.

    Attributes:
        readings: What of the last layer makes the score: the first token ("cls"), the mean of all ("mean"), the query's
            mean times the text's ("match"), the nearest tokens of the text to the query's ("late").
        epochs: Passes over the judgments.
        more_epochs: Passes over further judgments, before those of the shop.
        rate: Learning rate of the top layer.
        loss: Within a query.
        query_tokens: A query is cut at so many tokens.
        max_tokens: Query and text together are cut at so many.
        precision: In which it is served.
    """

    readings: tuple[Literal["cls", "mean", "match", "late"], ...] = ("late", "match", "mean")
    epochs: int = Field(default=1, ge=1, le=1000)
    more_epochs: int = Field(default=1, ge=1, le=1000)
    rate: float = Field(default=1e-4, gt=0, le=1)
    loss: RankingLoss = "pairwise"
    query_tokens: int = Field(default=16, ge=1, le=512)
    max_tokens: int = Field(default=48, ge=8, le=512)
    precision: Literal["float32", "int8"] = "int8"

    def __post_init__(self) -> None:
        """Refuse what could not be scored."""
        if not self.readings or self.query_tokens + 4 > self.max_tokens:
            raise ValueError("a reading or more, and max_tokens above query_tokens by 4 or more")


@dataclass(frozen=True, config=_STRICT)
class NegativeSettings:
    """Which products of an index, where one is given, are learnt from as hard negatives.

    Attributes:
        per_query: At most so many for a query.
        depth: They are among so many that rank highest.
        margin: Their cosine with the query is at most this share of the mean cosine of its positives.
    """

    per_query: int = Field(default=4, ge=1, le=1024)
    depth: int = Field(default=30, ge=1, le=1000)
    margin: float = Field(default=0.95, gt=0, le=2)


@dataclass(frozen=True, config=_STRICT)
class TrainingRecipe:
    """Everything that decides what a training makes of the same data.

    Attributes:
        name: Of the recipe.
        model: What is made: a "head" over frozen vectors, an "encoder", a "combination" of an encoder with the signals
            of words and neighbours, a "cross-encoder", the "full" combination with one beside the other signals, or,
            by the number of judgments, whichever of the first and the third suits ("auto").
        base: The encoder that training begins with: "embedded" or an encoder folder.
        description: Whether the description is read beside the title.
        validation: Share of the queries that say when to stop.
        held_out: Share of the queries that the gate judges by; never trained or tuned on.
        seed: Of the split.
        more_epochs: Passes over further judgments, before those of the shop.
        max_latency_ratio: How many times as long one query may take as before.
        max_rerank_ms: How long a combination may take to re-rank 50 texts.
        max_forgotten: How much nDCG@10 may be lost on the held-out queries of an earlier shop, where there is one.
        judged_by: By which queries the gate judges: each one in its turn ("turns"), those of the share that is held out
            ("share"), or by their number ("auto"). `aisle tune` writes "share": it has seen the others.
        fit: How the encoder is trained.
        peft: Which part of it is trained (docs/peft.md).
        head: How a head is fitted.
        cross: How a cross-encoder is trained.
        negatives: Which products of an index are hard negatives.
        correct: Whether a combination reads words of a query that no text has in the spelling of a near one that texts
            have.
        ignore_echo: Whether a combination reads texts without the query at their end, as stuffed titles have it, unless
            the shop writes so itself.
        trees: Whether a combination grows trees over the words of query and text.
        neighbours: Whether it compares each text with the best ones of its list.
        augment: Which changes its queries and texts undergo while training (docs/augmentation.md); none.
    """

    name: str = "default"
    model: Literal["auto", "head", "encoder", "combination", "cross-encoder", "full"] = "auto"
    base: str = "embedded"
    description: bool = False
    validation: float = Field(default=0.1, gt=0, lt=0.5)
    held_out: float = Field(default=0.2, gt=0, lt=0.8)
    seed: int = 0
    max_latency_ratio: float = Field(default=MAX_LATENCY_RATIO, gt=0)
    max_rerank_ms: float = Field(default=500.0, gt=0)
    max_forgotten: _Share = 0.01
    more_epochs: int = Field(default=2, ge=1, le=1000)
    judged_by: Literal["auto", "turns", "share"] = "auto"
    fit: FitSettings = Field(default_factory=FitSettings)
    peft: PeftSettings = Field(default_factory=PeftSettings)
    head: HeadFit = Field(default_factory=HeadFit)
    cross: CrossSettings = Field(default_factory=CrossSettings)
    negatives: NegativeSettings = Field(default_factory=NegativeSettings)
    correct: bool = False
    ignore_echo: bool = False
    trees: bool = True
    neighbours: bool = True
    augment: AugmentSettings = Field(default_factory=AugmentSettings)

    def __post_init__(self) -> None:
        """Refuse what would make no sense together."""
        if self.ignore_echo and self.description:
            raise ValueError("ignore_echo without description: echoes stand behind titles, not behind descriptions")
        if self.fit.seeds > 1 and self.peft.method not in ("full", "last"):
            raise ValueError("peft.method full or last with fit.seeds above 1: the parts of the others have no mean")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], source: str = "recipe") -> TrainingRecipe:
        """Build from plain data.

        Raises:
            RecipeError: A setting is unknown, of the wrong type or out of range.
        """
        return checked(_ADAPTER, data, source, lambda _: "the settings of docs/training.md")

    def in_turns(self, queries: int) -> bool:
        """Whether each of so many queries is held out once, by trainings in turn."""
        return queries < FEW_QUERIES if self.judged_by == "auto" else self.judged_by == "turns"

    def to_dict(self) -> dict[str, Any]:
        """As plain data; ``from_dict`` gives the same recipe back."""
        found = asdict(self)
        found["fit"]["mixtures"] = list(found["fit"]["mixtures"])
        found["fit"]["matryoshka"] = list(found["fit"]["matryoshka"])
        found["peft"]["targets"] = list(found["peft"]["targets"])
        found["head"]["free_spreads"] = list(found["head"]["free_spreads"])
        found["cross"]["readings"] = list(found["cross"]["readings"])
        return found


_ADAPTER = TypeAdapter(TrainingRecipe)
RECIPES: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "head": {"name": "head", "model": "head"},
    "encoder": {"name": "encoder", "model": "encoder"},
    "combination": {"name": "combination", "model": "combination"},
    "cross-encoder": {"name": "cross-encoder", "model": "cross-encoder"},
    "full": {"name": "full", "model": "full"},
}
"""The packaged recipes by name: what differs from the defaults."""


def load_recipe(spec: str | None, changes: Sequence[str] = ()) -> TrainingRecipe:
    """A recipe by its name or from a TOML file, with settings changed as ``key=value``.

    Args:
        spec: A packaged name, a file, or None for the default.
        changes: Such as ``fit.epochs=3`` or ``base=shop-encoder``; values are TOML, bare words are strings.

    Raises:
        RecipeError: There is no such recipe, it cannot be read, or a setting is wrong.
    """
    data: dict[str, Any] = {}
    source = "recipe"
    if spec is not None and spec in RECIPES:
        data = dict(RECIPES[spec])
    elif spec is not None:
        source = spec
        try:
            data = tomllib.loads(Path(spec).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RecipeError(
                f"no recipe {spec!r}", allowed=f"{', '.join(RECIPES)}, or a TOML file", fix="check the name or the path"
            ) from None
        except (OSError, ValueError) as error:
            raise RecipeError(f"cannot read the recipe {spec!r}: {error}", fix="correct the file") from None
    return TrainingRecipe.from_dict(with_changes(data, changes), source)
