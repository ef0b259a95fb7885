"""Losses against loops written out, numbers by hand, and numerical gradients."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.train


def unit_rows(count: int, seed: int):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(count, 6, generator=generator, dtype=torch.float64)
    return rows / rows.norm(dim=1, keepdim=True)


LEFT, RIGHT, MORE = ((5, 1), (5, 2), (3, 3))
IGNORE = torch.tensor([[(3 * i + 5 * j) % 4 == 0 for j in range(5)] for i in range(5)])
IGNORE_MORE = torch.tensor([[(i + j) % 3 == 0 for j in range(3)] for i in range(5)])


def slow(left, right, ignore=None, more=None, ignore_more=None) -> float:
    """The same in loops: a softmax over each row of cosines times 20, and over each column without ``more``."""
    n, total = len(left), 0.0
    for i in range(n):
        row, column = 0.0, 0.0
        for j in range(n):
            if i == j or ignore is None or not ignore[i][j]:
                row += math.exp(20 * float(left[i] @ right[j]))
            if i == j or ignore is None or not ignore[j][i]:
                column += math.exp(20 * float(left[j] @ right[i]))
        for j in range(0 if more is None else len(more)):
            if ignore_more is None or not ignore_more[i][j]:
                row += math.exp(20 * float(left[i] @ more[j]))
        own = math.exp(20 * float(left[i] @ right[i]))
        total -= math.log(own / row) + math.log(own / column)
    return total / (2 * n)


@pytest.mark.parametrize("ignore", [None, IGNORE, torch.ones(5, 5, dtype=torch.bool)], ids=["none", "some", "all"])
@pytest.mark.parametrize(
    ("more", "ignore_more"),
    [
        (None, None),
        (unit_rows(*MORE), None),
        (unit_rows(*MORE), IGNORE_MORE),
        (unit_rows(*MORE), torch.ones(5, 3, dtype=torch.bool)),
        (torch.empty(0, 6, dtype=torch.float64), torch.empty(5, 0, dtype=torch.bool)),
    ],
    ids=["alone", "more", "some of more", "none of more", "empty"],
)
def test_contrast_is_the_loop(ignore, more, ignore_more):
    from aisle.training.bilingual.losses import contrast

    left, right = unit_rows(*LEFT), unit_rows(*RIGHT)
    found = contrast(left, right, ignore, more, ignore_more)
    assert float(found) == pytest.approx(slow(left, right, ignore, more, ignore_more), rel=1e-9, abs=1e-12)


def test_contrast_by_hand():
    from aisle.training.bilingual.losses import SCALE, contrast

    assert SCALE == 20
    # Equal pairs at right angles: cosine 1 for its own, 0 for the other.
    rows = torch.eye(2, dtype=torch.float64)
    assert float(contrast(rows, rows)) == pytest.approx(math.log(1 + math.exp(-20)))
    # All alike: two answers are equally likely, three with one more on the left side.
    same = torch.tensor([[1.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    assert float(contrast(same, same)) == pytest.approx(math.log(2))
    assert float(contrast(same, same, more=same[:1])) == pytest.approx((math.log(3) + math.log(2)) / 2)
    # Nothing else to choose: no loss, and the diagonal is never ignored.
    everything = torch.ones(2, 2, dtype=torch.bool)
    assert float(contrast(same, same, everything)) == 0


@pytest.mark.parametrize("masked", [False, True])
def test_the_gradient_of_contrast_is_the_numerical_one(masked):
    from aisle.training.bilingual.losses import contrast

    inputs = [unit_rows(*shape).requires_grad_() for shape in (LEFT, RIGHT, MORE)]

    def loss(left, right, more):
        ignored = (IGNORE, IGNORE_MORE) if masked else (None, None)
        return contrast(left, right, ignored[0], more, ignored[1])

    assert torch.autograd.gradcheck(loss, inputs)


def test_what_is_ignored_has_no_gradient():
    from aisle.training.bilingual.losses import contrast

    left, right, more = (unit_rows(*shape) for shape in (LEFT, RIGHT, MORE))
    more.requires_grad_()
    contrast(left, right, None, more, IGNORE_MORE | torch.tensor([True, False, False])).backward()
    assert float(more.grad[0].abs().sum()) == 0
    assert float(more.grad[1].abs().sum()) > 0


def test_alignment_by_hand():
    from aisle.training.bilingual.losses import alignment

    a = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    b = torch.tensor([[1.0, 0.0], [0.6, 0.8]], dtype=torch.float64)
    assert float(alignment(a, a)) == 0
    assert float(alignment(a, b)) == pytest.approx(0.1)  # cosines 1 and .8
    assert float(alignment(a, -a)) == 2


def test_the_gradient_of_alignment_is_the_numerical_one():
    from aisle.training.bilingual.losses import alignment

    inputs = [unit_rows(*shape).requires_grad_() for shape in (LEFT, RIGHT)]
    assert torch.autograd.gradcheck(alignment, inputs)
