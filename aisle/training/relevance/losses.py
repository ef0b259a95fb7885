"""Losses over judged lists. Pure functions of scores and levels; higher is better in both.

Scores come as ``(lists, places)``, padded; ``mask`` is true where there is a text. Levels are grades counted from 0.
``counts``, of the same shape, says how much the grade of each text counts, above 0 (1 where there is no text); without
it all count 1. The loss of a text, of two texts or of a list is multiplied by what it counts: of two, by both.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def listwise(scores: Tensor, levels: Tensor, mask: Tensor, counts: Tensor | None = None) -> Tensor:
    """Softmax cross-entropy over each list against its gains, 2^level - 1 (Cao et al. 2007; Bruch et al. 2019).

    Lists whose gains are all alike teach nothing and are left out; without any other the loss is 0. A text that counts
    2 is two such texts in its list, and a list counts what its texts do in the mean.
    """
    gains = (torch.exp2(levels) - 1).masked_fill(~mask, 0.0)
    top = gains.masked_fill(~mask, float("-inf")).amax(1)
    least = gains.masked_fill(~mask, float("inf")).amin(1)
    telling = top > least
    if not telling.any():
        return scores.sum() * 0.0
    if counts is not None:
        shares = (counts * mask).sum(1) / mask.sum(1)
        copies = counts / shares[:, None]
        gains, scores = gains * copies, scores + copies.log()
    target = gains / gains.sum(1, keepdim=True).clamp(min=1e-9)
    log = nn.functional.log_softmax(scores.masked_fill(~mask, float("-inf")), dim=1).masked_fill(~mask, 0.0)
    if counts is None:
        return -(target * log).sum(1)[telling].mean()
    return -(shares * (target * (log - copies.log())).sum(1))[telling].mean()


def pairwise(scores: Tensor, levels: Tensor, mask: Tensor, counts: Tensor | None = None) -> Tensor:
    """Logistic loss over all pairs of a list with different levels, weighted by the difference of their gains.

    RankNet (Burges et al. 2005) with the gain difference of LambdaRank in place of the full nDCG difference.
    """
    gains = (torch.exp2(levels) - 1).masked_fill(~mask, 0.0)
    weight = (gains[:, :, None] - gains[:, None, :]).clamp(min=0) * (mask[:, :, None] & mask[:, None, :])
    loss = nn.functional.softplus(-(scores[:, :, None] - scores[:, None, :]))
    if counts is not None:
        loss = loss * counts[:, :, None] * counts[:, None, :]
    return (weight * loss).sum() / weight.sum().clamp(min=1e-9)


def lambdaloss(scores: Tensor, levels: Tensor, mask: Tensor, counts: Tensor | None = None) -> Tensor:
    """Logistic loss over all pairs of a list with different levels, weighted by the nDCG that changing places costs.

    LambdaRank's weights in the LambdaLoss framework (Wang, Li, Golbandi, Bendersky and Najork 2018): the difference of
    gains times that of discounts at the places that the scores give now, over the list's best DCG. Mean over lists
    with different levels.
    """
    gains = (torch.exp2(levels) - 1).masked_fill(~mask, 0.0)
    places = torch.arange(2, scores.shape[1] + 2, device=scores.device, dtype=scores.dtype)
    discounts = 1 / places.log2()
    order = scores.detach().masked_fill(~mask, float("-inf")).argsort(dim=1, descending=True, stable=True)
    own = torch.empty_like(scores).scatter_(1, order, discounts.expand_as(scores))
    best = (gains.sort(dim=1, descending=True).values * discounts).sum(1).clamp(min=1e-9)
    more = (gains[:, :, None] - gains[:, None, :]).clamp(min=0) * (mask[:, :, None] & mask[:, None, :])
    weight = more * (own[:, :, None] - own[:, None, :]).abs() / best[:, None, None]
    loss = nn.functional.softplus(-(scores[:, :, None] - scores[:, None, :]))
    if counts is not None:
        loss = loss * counts[:, :, None] * counts[:, None, :]
    return (weight * loss).sum() / ((more > 0).any(2).any(1).sum().clamp(min=1))


def listmle(scores: Tensor, levels: Tensor, mask: Tensor, counts: Tensor | None = None) -> Tensor:
    """How unlikely each text is to be taken before all that are graded lower, as the scores have it.

    The likelihood of ListMLE (Xia, Liu, Wang, Zhang and Li 2008) where no two texts are graded alike; texts of one
    level say nothing of each other. Mean over the texts of a list that have a lower one, then over lists.
    """
    lower = (levels[:, :, None] > levels[:, None, :]) & mask[:, :, None] & mask[:, None, :]
    tells = lower.any(2)
    if not tells.any():
        return scores.sum() * 0.0
    against = scores[:, None, :].expand_as(lower).masked_fill(~lower, float("-inf"))
    loss = torch.logsumexp(torch.cat([scores[:, :, None], against], dim=2), dim=2) - scores
    if counts is not None:
        loss = loss * counts
    each = (loss * tells).sum(1) / tells.sum(1).clamp(min=1)
    return each[tells.any(1)].mean()


def pointwise(scores: Tensor, levels: Tensor, mask: Tensor, top: float, counts: Tensor | None = None) -> Tensor:
    """Binary cross-entropy of the sigmoid of the score against the level as a share of the highest."""
    loss = nn.functional.binary_cross_entropy_with_logits(scores, levels / top, reduction="none")
    if counts is not None:
        loss = loss * counts
    return (loss * mask).sum() / mask.sum()


def cosent(scores: Tensor, levels: Tensor, mask: Tensor, counts: Tensor | None = None) -> Tensor:
    """log(1 + sum of exp(lower - higher)) over all pairs of the batch with different levels, whatever their queries.

    CoSENT (Su 2022): learns also from queries with a single judged text.
    """
    score, level = scores[mask], levels[mask]
    wrong = (score[None, :] - score[:, None]).masked_fill(level[:, None] <= level[None, :], float("-inf"))
    if counts is not None:
        log = counts[mask].log()
        wrong = wrong + log[None, :] + log[:, None]
    return torch.logsumexp(torch.cat([score.new_zeros(1), wrong.reshape(-1)]), 0)


def in_batch(scores: Tensor, wanted: Tensor, ignored: Tensor, counts: Tensor | None = None) -> Tensor:
    """InfoNCE (van den Oord et al. 2018) of each query's best text among all texts of the batch.

    Args:
        scores: ``(queries, texts)``.
        wanted: Column of each query's positive, ``(queries,)``; -1 leaves the query out.
        ignored: ``(queries, texts)``, true where a text is no negative: judged for this query already.
        counts: ``(queries,)`` how much the grade of each positive counts; None is 1 each.
    """
    there = wanted >= 0
    if not there.any():
        return scores.sum() * 0.0
    ignored = ignored.clone()
    rows = torch.arange(len(scores), device=scores.device)[there]
    ignored[rows, wanted[there]] = False
    allowed = scores.masked_fill(ignored, float("-inf"))[there]
    if counts is None:
        return nn.functional.cross_entropy(allowed, wanted[there])
    each = nn.functional.cross_entropy(allowed, wanted[there], reduction="none")
    return (counts[there] * each).mean()


def first_numbers(vectors: Tensor, dim: int) -> Tensor:
    """The first ``dim`` numbers of each vector, made of length 1: what a shorter index would hold."""
    return nn.functional.normalize(vectors[:, :dim], dim=1)


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
