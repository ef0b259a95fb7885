"""The card of a trained model: what it is, what made it, what it is worth and where its limits are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aisle.training.gate import format_verdict
from aisle.training.relevance.earlier import told as told_earlier

if TYPE_CHECKING:
    from aisle.training.relevance.build import Trained
    from aisle.training.relevance.recipe import TrainingRecipe


_WHAT = {
    "encoder": "A sentence encoder for product search",
    "combination": "A sentence encoder for product search with what words and neighbours say beside it",
    "cross-encoder": "A cross-encoder for product search: query and text are read together",
    "head": "A task head for product search over the vectors of an encoder",
}


def card(trained: Trained, recipe: TrainingRecipe, sources: Sequence[Mapping[str, Any]], data: str) -> str:
    """Markdown for people; the same facts for machines are in ``metrics.json`` and ``manifest.json``."""
    candidate = trained.candidate
    read = "title and description" if recipe.description else "title"
    lines = [
        f"# {trained.folder.name}",
        "",
        f"{_WHAT[candidate.architecture]}, trained by `aisle train` from `{recipe.base}` on judged pairs.",
        "",
        "## Verdict",
        "",
        *(f"- {line.strip()}" for line in format_verdict(trained.verdict)),
        "",
        "nDCG@10 within each query's judged texts: gain 2^level - 1 with levels counted from the lowest grade, discount"
        " log2(rank + 1), queries whose texts are all graded alike left out. Such values have a floor near .7 and are"
        " not to be compared with those of a whole catalogue.",
        "",
        "## Data",
        "",
        *(
            f"- {found['file']}: {found['pairs']:,} pairs, {found['queries']:,} queries{_weighed(found)}"
            for found in sources
        ),
        f"- read: {read}; SHA-256 of all pairs: {data}",
        f"- queries: {', '.join(f'{count:,} {name}' for name, count in candidate.queries.items())}",
        "",
        "## Training",
        "",
        *(f"- {line}" for line in told(candidate.training)),
        *(f"- {line}" for line in changes(recipe)),
        f"- {trained.seconds:.0f} seconds; every setting: recipe.toml",
        "",
        "## Limits",
        "",
        "It was judged on queries like those it learnt from. On another shop measure it with `aisle rank` and"
        " `aisle evaluate` before using it.",
    ]
    return "\n".join(lines) + "\n"


def _weighed(source: Mapping[str, Any]) -> str:
    found = source.get("weights")
    return f"; {found['not 1']:,} with a weight other than 1, {found['left out']:,} of them left out" if found else ""


def changes(recipe: TrainingRecipe) -> list[str]:
    """What its queries and texts underwent while training, and what queries undergo when it is asked, in words."""
    augment = recipe.augment
    lines = []
    for what, shares in (("queries", augment.query), ("texts", augment.title)):
        if shares:
            named = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
            lines.append(f"changed {what} while training: {named}")
    if augment.changes and augment.consistency:
        lines.append(f"consistency with the texts as they were: weight {augment.consistency:g}, lists {augment.lists}")
    if recipe.ignore_echo:
        lines.append("a text is read without the query at its end, unless the shop writes so itself")
    if recipe.correct:
        lines.append("words of a query that the shop lacks are read in the spelling of a near one that it has")
    return lines


def told(training: Mapping[str, Any]) -> list[str]:
    """How a training went, in words."""
    lines = []
    if "validation" in training and any(training["validation"]["epochs"]):
        found = training["validation"]
        epochs = ", ".join(f"{value:.4f}" for value in found["epochs"])
        lines.append(
            f"validation nDCG@10: {found['before']:.4f} before; by epoch {epochs}; {found['after']:.4f} kept (epoch "
            f"{found['best']}, {found['mixture']:.2f} of the way from the first weights)"
        )
    if "weights" in training:
        weights = ", ".join(f"{name} {value:.3f}" for name, value in training["weights"].items())
        lines.append(f"weights of the signals: {weights}")
    if "forgetting" in training:
        lines.append(told_earlier(training["forgetting"]))
    for name, row in training.get("alone", {}).items():
        found = row["difference"]
        lines.append(f"{name} alone: {found['mean']:+.4f} [{found['low']:+.4f}, {found['high']:+.4f}] nDCG@10")
    return lines
