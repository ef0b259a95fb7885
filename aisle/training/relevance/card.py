"""The card of a trained model: what it is, what made it, what it is worth and where its limits are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aisle.training.gate import format_verdict

if TYPE_CHECKING:
    from aisle.training.relevance.build import Trained
    from aisle.training.relevance.recipe import TrainingRecipe


def card(trained: Trained, recipe: TrainingRecipe, sources: Sequence[Mapping[str, Any]], data: str) -> str:
    """Markdown for people; the same facts for machines are in ``metrics.json`` and ``manifest.json``."""
    outcome = trained.outcome
    epochs = ", ".join(f"{value:.4f}" for value in outcome.epochs)
    read = "title and description" if recipe.description else "title"
    lines = [
        f"# {trained.folder.name}",
        "",
        f"A sentence encoder for product search, trained by `aisle train` from `{recipe.base}` on judged pairs.",
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
        *(f"- {found['file']}: {found['pairs']:,} pairs, {found['queries']:,} queries" for found in sources),
        f"- read: {read}; SHA-256 of all pairs: {data}",
        f"- queries: {', '.join(f'{count:,} {name}' for name, count in trained.queries.items())}",
        "",
        "## Training",
        "",
        f"- validation nDCG@10: {outcome.before:.4f} before; by epoch {epochs}; {outcome.after:.4f} kept"
        f" (epoch {outcome.best}, {outcome.mixture:.2f} of the way from the first weights)",
        f"- {trained.seconds:.0f} seconds; every setting: recipe.toml",
        "",
        "## Limits",
        "",
        "It was judged on queries like those it learnt from. On another shop measure it with `aisle rank` and"
        " `aisle evaluate` before using it.",
    ]
    return "\n".join(lines) + "\n"
