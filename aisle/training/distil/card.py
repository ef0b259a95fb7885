"""The card of a distilled student: what it is, what taught it, what it is worth and where its limits are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aisle.training.gate import format_verdict

if TYPE_CHECKING:
    from aisle.training.distil.build import Distilled
    from aisle.training.distil.recipe import DistilRecipe


def card(distilled: Distilled, recipe: DistilRecipe, student: str, data: str) -> str:
    """Markdown for people; the same facts for machines are in ``metrics.json`` and ``manifest.json``."""
    candidate = distilled.candidate
    read = "title and description" if recipe.description else "title"
    lines = [
        f"# {distilled.folder.name}",
        "",
        f"A sentence encoder for product search, distilled by `aisle distil` from `{student}`.",
        "",
        "## Verdict",
        "",
        *(f"- {line.strip()}" for line in format_verdict(distilled.verdict)),
        "",
        "Compared with the same student taught by the labels alone, or with the encoder named by `--against`; nDCG@10"
        " within each held-out query's judged texts.",
        "",
        "## Teaching",
        "",
        f"- teachers: {', '.join(distilled.teachers)}",
        *(f"- {line}" for line in told(candidate.training)),
        f"- read: {read}; SHA-256 of what it learnt from: {data}",
        "- every pair with its source and score: unlabelled.jsonl.gz; every setting: recipe.toml",
        f"- {distilled.seconds:.0f} seconds",
        "",
        "## Limits",
        "",
        "It repeats its teachers, their mistakes included. On another shop measure it with `aisle rank` and"
        " `aisle evaluate` before using it.",
    ]
    return "\n".join(lines) + "\n"


def told(training: Mapping[str, Any]) -> list[str]:
    """How a distillation went, in words."""
    kinds = ", ".join(f"{count:,} {name}" for name, count in training["kinds"].items())
    found = ", ".join(f"{count:,} {name}" for name, count in training["found_by"].items())
    agreed = training["agreement"]
    return [
        f"{training['layers']} layers",
        f"queries: {kinds}; {training['pairs']:,} pairs: {found}",
        f"order as the teachers': rank correlation {agreed['before']:.3f} before, {agreed['after']:.3f} after",
    ]
