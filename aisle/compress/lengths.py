"""How many tokens a model need read, learnt from a shop's pairs: the smallest limit that keeps its ranking."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aisle.compress.agreement import agreement, quality
from aisle.compress.material import Material
from aisle.compress.measure import scores
from aisle.compress.model import Served, graph_inputs, write_served
from aisle.encoders.graph import Whole

LIMITS = (16, 24, 32, 48, 64, 96, 128)
LOSS = 0.002
"""nDCG@10 that a limit may cost."""
CONCORDANCE = 0.98
"""Where nothing is graded: of two texts of a query so many must stay in the order they had."""


def learn_limit(model: Served, material: Material, work: Path, limits: Sequence[int] = LIMITS) -> dict[str, Any]:
    """Try limits from the smallest up until one keeps the ranking.

    Args:
        model: With its own limit.
        material: Its pairs decide; by nDCG@10 where they are graded, otherwise by the order of two.
        work: A folder for what is tried.
        limits: To try, those below the model's own.

    Returns:
        ``limit``, the mean ``tokens`` of the pairs without one, and what each limit ``tried`` gave.
    """
    pairs = material.pair_texts()
    lengths = [run["input_ids"].shape[1] for run in graph_inputs(model, pairs, [text for _, text in pairs], work)]
    groups, levels = material.pairs.by_query(), material.pairs.levels()
    write_served(model, work / "whole", Whole(), {})
    before = scores(work / "whole", material)
    tried = []
    limit = model.shape.max_tokens
    for tokens in sorted(limit for limit in limits if limit < model.shape.max_tokens):
        write_served(model.cut(tokens), work / "cut", Whole(), {})
        after = scores(work / "cut", material)
        graded = quality(groups, levels, before, after) if material.pairs.scale is not None else None
        same = agreement(groups, before, after)
        row: dict[str, Any] = {"limit": tokens, "tokens": float(np.minimum(lengths, tokens).mean())}
        row |= {"concordance": same.concordance, "quality": graded}
        tried.append(row)
        kept = same.concordance >= CONCORDANCE if graded is None else graded["difference"] >= -LOSS
        if kept:
            limit = tokens
            break
    return {"limit": limit, "tokens": float(np.mean(lengths)), "tried": tried}
