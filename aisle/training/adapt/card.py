"""The card of an adapted encoder: what it is, what it learnt, what it is worth and where its limits are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aisle.training.gate import format_verdict

if TYPE_CHECKING:
    from aisle.training.adapt.build import Adapted
    from aisle.training.adapt.recipe import AdaptRecipe

_METHODS = {
    "tsdae": "to write each text again from the vector of what is left of it (TSDAE)",
    "mlm": "to name hidden words of each text (masked language modelling)",
}


def card(adapted: Adapted, recipe: AdaptRecipe, data: str) -> str:
    """Markdown for people; the same facts for machines are in ``metrics.json`` and ``manifest.json``."""
    read = "title and description" if recipe.description else "title"
    lines = [
        f"# {adapted.folder.name}",
        "",
        f"A sentence encoder for product search, adapted by `aisle adapt` from `{recipe.base}` to a catalogue without"
        f" labels: it learnt {_METHODS[recipe.method]}.",
        "",
        "## Verdict",
        "",
        *(f"- {line.strip()}" for line in verdict(adapted)),
        "",
        "Compared with the encoder that it began as; nDCG@10 within each query's judged texts. Judgments decide nothing"
        " but this.",
        "",
        "## Training",
        "",
        *(f"- {line}" for line in told(adapted.candidate.training)),
        f"- read: {read}; SHA-256 of what it learnt from: {data}",
        f"- {adapted.seconds:.0f} seconds; every setting: recipe.toml",
        "",
        "## Limits",
        "",
        "What helps to write a text again is not what helps to rank it: measure it with `aisle rank` and `aisle"
        " evaluate` before using it.",
    ]
    return "\n".join(lines) + "\n"


def verdict(adapted: Adapted) -> list[str]:
    """Lines for people; without judgments one that says so."""
    if adapted.judged:
        return format_verdict(adapted.verdict)
    return ["not judged, and so not promoted: there were no judgments to show whether it ranks better"]


def told(training: Mapping[str, Any]) -> list[str]:
    """How an adaptation went, in words."""
    loss = training["loss"]
    epochs = ", ".join(f"{value:.3f}" for value in loss["epochs"])
    return [
        f"{training['method']}: {training['texts']:,} texts, {training['tokens']:,} different tokens,"
        f" {training['steps']:,} steps",
        f"loss of a token on {training['apart']:,} texts kept apart: {loss['before']:.3f} before, by epoch {epochs}",
        f"cosine of a text's vector with the one before: {training['nearness']:.3f} in the mean",
    ]
