"""The three losses of the bilingual recipe. Pure functions of unit vectors."""

from __future__ import annotations

import torch
from torch import Tensor, nn

SCALE = 20.0
"""Of cosines before the softmax, as the teacher was trained."""


def alignment(student: Tensor, teacher: Tensor) -> Tensor:
    """One minus the mean cosine of rows that should be equal (Reimers and Gurevych 2020), both ``(n, dim)``."""
    return 1 - (student * teacher).sum(-1).mean()


def contrast(
    left: Tensor,
    right: Tensor,
    ignore: Tensor | None = None,
    more: Tensor | None = None,
    ignore_more: Tensor | None = None,
) -> Tensor:
    """InfoNCE in both directions: row i of one belongs to row i of the other, all other rows are negatives.

    Args:
        left: ``(n, dim)`` unit rows.
        right: ``(n, dim)`` unit rows.
        ignore: ``(n, n)``, true where ``right[j]`` is no negative for ``left[i]``; the diagonal is never ignored.
        more: ``(m, dim)`` further negatives for the left rows.
        ignore_more: ``(n, m)``, true where ``more[j]`` is no negative for ``left[i]``.
    """
    scores = left @ right.T * SCALE
    if ignore is not None:
        scores = scores.masked_fill(ignore & ~torch.eye(len(left), dtype=torch.bool), float("-inf"))
    wanted = torch.arange(len(left))
    back = nn.functional.cross_entropy(scores.T, wanted)
    if more is not None and len(more):
        further = left @ more.T * SCALE
        if ignore_more is not None:
            further = further.masked_fill(ignore_more, float("-inf"))
        scores = torch.cat([scores, further], dim=1)
    return (nn.functional.cross_entropy(scores, wanted) + back) / 2
