"""Losses over judged lists. Pure functions of scores and levels; higher is better in both.

Scores come as ``(lists, places)``, padded; ``mask`` is true where there is a text. Levels are grades counted from 0.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def listwise(scores: Tensor, levels: Tensor, mask: Tensor) -> Tensor:
    """Softmax cross-entropy over each list against its gains, 2^level - 1 (Cao et al. 2007; Bruch et al. 2019).

    Lists whose gains are all alike teach nothing and are left out; without any other the loss is 0.
    """
    gains = (torch.exp2(levels) - 1).masked_fill(~mask, 0.0)
    top = gains.masked_fill(~mask, float("-inf")).amax(1)
    least = gains.masked_fill(~mask, float("inf")).amin(1)
    telling = top > least
    if not telling.any():
        return scores.sum() * 0.0
    target = gains / gains.sum(1, keepdim=True).clamp(min=1e-9)
    log = nn.functional.log_softmax(scores.masked_fill(~mask, float("-inf")), dim=1).masked_fill(~mask, 0.0)
    return -(target * log).sum(1)[telling].mean()


def pairwise(scores: Tensor, levels: Tensor, mask: Tensor) -> Tensor:
    """Logistic loss over all pairs of a list with different levels, weighted by the difference of their gains.

    RankNet (Burges et al. 2005) with the gain difference of LambdaRank in place of the full nDCG difference.
    """
    gains = (torch.exp2(levels) - 1).masked_fill(~mask, 0.0)
    weight = (gains[:, :, None] - gains[:, None, :]).clamp(min=0) * (mask[:, :, None] & mask[:, None, :])
    loss = nn.functional.softplus(-(scores[:, :, None] - scores[:, None, :]))
    return (weight * loss).sum() / weight.sum().clamp(min=1e-9)


def pointwise(scores: Tensor, levels: Tensor, mask: Tensor, top: float) -> Tensor:
    """Binary cross-entropy of the sigmoid of the score against the level as a share of the highest."""
    loss = nn.functional.binary_cross_entropy_with_logits(scores, levels / top, reduction="none")
    return (loss * mask).sum() / mask.sum()


def cosent(scores: Tensor, levels: Tensor, mask: Tensor) -> Tensor:
    """log(1 + sum of exp(lower - higher)) over all pairs of the batch with different levels, whatever their queries.

    CoSENT (Su 2022): learns also from queries with a single judged text.
    """
    score, level = scores[mask], levels[mask]
    wrong = (score[None, :] - score[:, None]).masked_fill(level[:, None] <= level[None, :], float("-inf"))
    return torch.logsumexp(torch.cat([score.new_zeros(1), wrong.reshape(-1)]), 0)


def in_batch(scores: Tensor, wanted: Tensor, ignored: Tensor) -> Tensor:
    """InfoNCE (van den Oord et al. 2018) of each query's best text among all texts of the batch.

    Args:
        scores: ``(queries, texts)``.
        wanted: Column of each query's positive, ``(queries,)``; -1 leaves the query out.
        ignored: ``(queries, texts)``, true where a text is no negative: judged for this query already.
    """
    there = wanted >= 0
    if not there.any():
        return scores.sum() * 0.0
    ignored = ignored.clone()
    rows = torch.arange(len(scores), device=scores.device)[there]
    ignored[rows, wanted[there]] = False
    return nn.functional.cross_entropy(scores.masked_fill(ignored, float("-inf"))[there], wanted[there])


def late_interaction(queries: Tensor, texts: Tensor) -> Tensor:
    """How near each query's tokens come to the nearest tokens of each text, in the mean.

    The MaxSim of ColBERT (Khattab and Zaharia 2020), as a mean so that it is on the scale of a cosine. A token that no
    token of the text is near counts 0.

    Args:
        queries: ``(queries, tokens, hidden)``, rows of length 1, or 0 where there is no token.
        texts: ``(texts, tokens, hidden)``, the same.

    Returns:
        ``(queries, texts)``.
    """
    nearest = torch.einsum("qih,tjh->qtij", queries, texts).amax(3)
    there = (queries.abs().amax(2) > 0).sum(1).clamp(min=1)
    return nearest.sum(2) / there.unsqueeze(1)
