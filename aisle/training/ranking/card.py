"""The card of a learnt ranking: what it is, what it is worth, what matters in it and where its limits are."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from aisle.ranking.learnt import RERANK
from aisle.training.gate import format_verdict
from aisle.training.gate_checks import number, signed

if TYPE_CHECKING:
    from aisle.training.ranking.build import TrainedRanking
    from aisle.training.ranking.recipe import RankingRecipe

_OF_A_RERANKER = (
    "It reads the score of the re-ranker that the manifest names, of as many first products as it says there: a search"
    " needs that as `[ranking] model`. The verdict holds if that re-ranker learnt nothing from these judgments.",
    "",
)


def card(trained: TrainedRanking, recipe: RankingRecipe, plotted: Collection[str]) -> str:
    """Markdown for people; the same facts for machines are in ``metrics.json`` and ``manifest.json``.

    Args:
        trained: What it is about.
        recipe: How it was made.
        plotted: Features that have a plot of their own.
    """
    model = trained.model
    parts = "a linear part and boosted trees" if model.trees else "a linear part"
    if set(model.terms) == {"fused"} and not model.trees:
        parts = "the fusion alone, for there was nothing to learn from"
    lines = [
        f"# {trained.folder.name}",
        "",
        f"A learnt ranking of the first {model.depth} products that a search finds: {parts}.",
        "",
        "## Verdict",
        "",
        *(f"- {line.strip()}" for line in format_verdict(trained.verdict)),
        "",
        "nDCG@10, gain 2^grade - 1, discount log2(rank + 1), over the whole catalogue. Every query was held out once in"
        f" {recipe.folds} folds by query; unjudged products are removed, except in the check named after them.",
        "",
        "## Data",
        "",
        f"- {trained.queries:,} queries, {trained.with_relevant:,} with a relevant product; {trained.judged:,} judged"
        f" products among {trained.candidates:,} candidates; SHA-256 of all of it: {trained.data}",
        "",
        "## Features",
        "",
        "| feature | meaning | sign | weight of one standard deviation | share of the trees' gain | nDCG@10 lost by"
        " shuffling |",
        "|---|---|---|---|---|---|",
        *(
            f"| {_linked(trained, row.name, plotted)} | {trained.meaning(row.name)} |"
            f" {trained.sign(row.name)} | {signed(row.weight)} | {number(row.gain)} | {signed(row.permutation)} |"
            for row in trained.importance
        ),
        "",
        "![importance](plots/importance.svg)",
        "",
        "Sign: `+` never lowers a score by having more of it, `-` never raises it.",
        "",
        "## Limits",
        "",
        "It learnt which products were judged for queries like these, and unjudged ones count"
        f" {recipe.unjudged:g} as wrong ones: where the judged were chosen by another search, it leans towards that"
        " search. On another shop measure it with `aisle evaluate` before using it. With another encoder or another"
        " fusion than those of the manifest its features mean something else: train it again.",
        "",
        *(_OF_A_RERANKER if RERANK in model.reads else ()),
        f"{trained.seconds:.0f} seconds; every setting: recipe.toml",
    ]
    return "\n".join(lines) + "\n"


def _linked(trained: TrainedRanking, name: str, plotted: Collection[str]) -> str:
    return f"[{name}](plots/{trained.plot_of(name)})" if name in plotted else name
