"""Losses over judged lists, against loops written out and numbers by hand."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from aisle.training.relevance.losses import (  # noqa: E402
    cosent,
    in_batch,
    lambdaloss,
    late_interaction,
    listmle,
    listwise,
    pairwise,
    pointwise,
)

pytestmark = pytest.mark.train

SCORES = torch.tensor([[2.0, 0.5, -1.0], [0.3, 0.1, 99.0], [1.0, 2.0, 3.0]], dtype=torch.float64)
LEVELS = torch.tensor([[3.0, 1.0, 0.0], [0.0, 2.0, 0.0], [1.0, 1.0, 1.0]], dtype=torch.float64)
MASK = torch.tensor([[True, True, True], [True, True, False], [True, True, True]])


def rows() -> list[tuple[list[float], list[float]]]:
    return [
        ([float(s) for s, m in zip(*pair, strict=True) if m], [float(v) for v, m in zip(*other, strict=True) if m])
        for pair, other in zip(zip(SCORES, MASK, strict=True), zip(LEVELS, MASK, strict=True), strict=True)
    ]


def test_listwise_is_cross_entropy_against_gains_and_flat_lists_are_left_out():
    values = []
    for scores, levels in rows():
        gains = [2**level - 1 for level in levels]
        if max(gains) == min(gains):
            continue
        total = sum(math.exp(score) for score in scores)
        values.append(-sum(g / sum(gains) * math.log(math.exp(s) / total) for s, g in zip(scores, gains, strict=True)))
    assert len(values) == 2
    assert float(listwise(SCORES, LEVELS, MASK)) == pytest.approx(sum(values) / 2)


def test_listwise_of_flat_lists_alone_is_nothing():
    loss = listwise(SCORES[2:], LEVELS[2:], MASK[2:])
    assert float(loss) == 0


def test_pairwise_weighs_each_pair_by_the_difference_of_gains():
    total = weight = 0.0
    for scores, levels in rows():
        for s, a in zip(scores, levels, strict=True):
            for t, b in zip(scores, levels, strict=True):
                if a > b:
                    total += (2**a - 2**b) * math.log1p(math.exp(-(s - t)))
                    weight += 2**a - 2**b
    assert float(pairwise(SCORES, LEVELS, MASK)) == pytest.approx(total / weight)


def test_lambdaloss_weighs_each_pair_by_the_ndcg_that_changing_places_costs():
    values = []
    for scores, levels in rows():
        if max(levels) == min(levels):
            continue
        gains = [2**level - 1 for level in levels]
        order = sorted(range(len(scores)), key=lambda i: -scores[i])
        best = sum(gain / math.log2(rank + 2) for rank, gain in enumerate(sorted(gains, reverse=True)))

        def ndcg(order):
            return sum(gains[i] / math.log2(rank + 2) for rank, i in enumerate(order)) / best  # noqa: B023

        total = 0.0
        for i, a in enumerate(levels):
            for j, b in enumerate(levels):
                if a > b:
                    changed = [j if k == i else i if k == j else k for k in order]
                    total += abs(ndcg(order) - ndcg(changed)) * math.log1p(math.exp(scores[j] - scores[i]))
        values.append(total)
    assert len(values) == 2
    assert float(lambdaloss(SCORES, LEVELS, MASK)) == pytest.approx(sum(values) / 2)
    assert float(lambdaloss(SCORES[2:], LEVELS[2:], MASK[2:])) == 0


def test_listmle_is_the_likelihood_of_the_order_and_ties_say_nothing_of_each_other():
    s = [2.0, 0.5, -1.0]  # graded 3, 1, 0: drawn one after the other, as Plackett and Luce have it
    drawn = [math.exp(s[i]) / sum(math.exp(rest) for rest in s[i:]) for i in range(2)]
    assert float(listmle(SCORES[:1], LEVELS[:1], MASK[:1])) == pytest.approx(-sum(map(math.log, drawn)) / 2)
    tied = torch.tensor([[2.0, 2.0, 0.0]], dtype=torch.float64)
    by_hand = [-math.log(math.exp(x) / (math.exp(x) + math.exp(-1.0))) for x in s[:2]]
    assert float(listmle(SCORES[:1], tied, MASK[:1])) == pytest.approx(sum(by_hand) / 2)
    assert float(listmle(SCORES[2:], LEVELS[2:], MASK[2:])) == 0


def test_what_sentence_transformers_has_too_is_the_same():
    losses = pytest.importorskip("sentence_transformers.losses")
    draw = torch.Generator().manual_seed(0)
    one, other = (torch.nn.functional.normalize(torch.randn(6, 5, generator=draw), dim=1) for _ in range(2))
    levels = torch.tensor([3.0, 0.0, 1.0, 1.0, 2.0, 0.0])
    scores = ((one * other).sum(1) * 20.0)[:, None]
    theirs = losses.CoSENTLoss(torch.nn.Identity(), scale=20.0).compute_loss_from_embeddings([one, other], levels)
    assert float(cosent(scores, levels[:, None], torch.ones(6, 1, dtype=torch.bool))) == pytest.approx(float(theirs))
    ranking = losses.MultipleNegativesRankingLoss(torch.nn.Identity(), scale=20.0)
    theirs = ranking.compute_loss_from_embeddings([one, other], None)
    every = one @ other.T * 20.0
    assert float(in_batch(every, torch.arange(6), torch.zeros(6, 6, dtype=torch.bool))) == pytest.approx(float(theirs))


def test_pointwise_is_binary_cross_entropy():
    total, count = 0.0, 0
    for scores, levels in rows():
        for score, level in zip(scores, levels, strict=True):
            p = 1 / (1 + math.exp(-score))
            total -= level / 3 * math.log(p) + (1 - level / 3) * math.log(1 - p)
            count += 1
    assert float(pointwise(SCORES, LEVELS, MASK, 3.0)) == pytest.approx(total / count)


def test_cosent_compares_all_pairs_of_the_batch():
    flat = [found for scores, levels in rows() for found in zip(scores, levels, strict=True)]
    total = 1.0
    for s, a in flat:
        for t, b in flat:
            if a > b:
                total += math.exp(t - s)
    assert float(cosent(SCORES, LEVELS, MASK)) == pytest.approx(math.log(total))


def test_in_batch_ignores_what_is_judged_and_queries_without_a_positive():
    scores = torch.tensor([[1.0, 2.0, 3.0], [4.0, 0.0, 1.0]], dtype=torch.float64)
    ignored = torch.tensor([[True, False, True], [False, False, False]])
    by_hand = -math.log(math.exp(1) / (math.exp(1) + math.exp(2)))
    assert float(in_batch(scores, torch.tensor([0, -1]), ignored)) == pytest.approx(by_hand)
    assert float(in_batch(scores, torch.tensor([-1, -1]), ignored)) == 0


@pytest.mark.parametrize("loss", [listwise, pairwise, listmle, cosent, lambda s, lv, m: pointwise(s, lv, m, 3.0)])
def test_gradients_are_right_and_padding_has_none(loss):
    scores = SCORES[:2].clone().clamp(max=3).requires_grad_()
    assert torch.autograd.gradcheck(lambda s: loss(s, LEVELS[:2], MASK[:2]), scores)
    loss(scores, LEVELS[:2], MASK[:2]).backward()
    assert float(scores.grad[1, 2]) == 0


def test_late_interaction_is_the_mean_of_each_query_tokens_nearest_token():
    draw = torch.Generator().manual_seed(0)

    def units(count: int, tokens: int, real: list[int]) -> torch.Tensor:
        found = torch.nn.functional.normalize(
            torch.randn(count, tokens, 5, generator=draw, dtype=torch.float64), dim=-1
        )
        for row, kept in enumerate(real):
            found[row, kept:] = 0
        return found

    queries, texts = units(2, 3, [3, 2]), units(3, 4, [4, 1, 3])
    found = late_interaction(queries, texts)
    for q, tokens in enumerate((3, 2)):
        for t, (kept, padded) in enumerate(((4, False), (1, True), (3, True))):
            nearest = [
                max([float(queries[q, i] @ texts[t, j]) for j in range(kept)] + ([0.0] if padded else []))
                for i in range(tokens)
            ]
            assert float(found[q, t]) == pytest.approx(sum(nearest) / tokens)
    same = units(1, 3, [3])
    assert float(late_interaction(same, same)) == pytest.approx(1.0)
    assert float(late_interaction(torch.zeros(1, 2, 5), texts.float())[0, 0]) == 0.0
