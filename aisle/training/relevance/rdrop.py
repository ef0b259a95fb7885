"""R-Drop (Liang et al. 2021): every list goes through the model twice, and its two softmaxes are to agree.

Knows a step's rows and lists, no model. Only dropout tells the two passes apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from aisle.training.relevance.study import Step


def twice(step: Step, weight: float) -> Step:
    """A step that encodes every item twice: the mean of both passes' losses, and how far apart their lists are.

    Args:
        step: As it would be in one pass.
        weight: Of the disagreement.
    """
    count = len(step.lengths)

    def encode(part: Sequence[int]) -> Tensor:
        return step.encode([item % count for item in part])

    def losses(rows: Tensor) -> Mapping[str, Tensor]:
        one, other = (step.losses(half) for half in (rows[:count], rows[count:]))
        found = {name: (one[name] + other[name]) / 2 for name in one}
        (scores, mask), (again, _) = (step.listed(half) for half in (rows[:count], rows[count:]))
        return found | {"r_drop": weight * disagreement(scores, again, mask)}

    return Step([*step.lengths, *step.lengths], encode, losses, step.listed)


def disagreement(scores: Tensor, others: Tensor, mask: Tensor) -> Tensor:
    """The mean over lists of (KL(p, q) + KL(q, p)) / 2 of their softmaxes p and q.

    Args:
        scores: ``(lists, places)``.
        others: The same of the other pass.
        mask: True where there is a text.
    """
    p, q = (one.masked_fill(~mask, float("-inf")).log_softmax(1).masked_fill(~mask, 0.0) for one in (scores, others))
    return ((p.exp() - q.exp()) * (p - q)).sum(1).mean() / 2
