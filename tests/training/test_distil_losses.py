"""Losses of distillation, against loops written out, numbers by hand and autograd's own check."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from aisle.training.distil.losses import listwise_kl, margin_mse  # noqa: E402

pytestmark = pytest.mark.train

SCORES = torch.tensor([[2.0, 0.5, -1.0], [0.3, 0.1, 99.0]], dtype=torch.float64)
TEACHER = torch.tensor([[1.0, -1.0, 0.0], [-0.5, 0.5, 7.0]], dtype=torch.float64)
MASK = torch.tensor([[True, True, True], [True, True, False]])


def softmax(values: list[float]) -> list[float]:
    total = sum(math.exp(value) for value in values)
    return [math.exp(value) / total for value in values]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_listwise_is_the_divergence_from_the_teachers_softmax_times_temperature_squared(temperature):
    values = []
    for row, count in ((0, 3), (1, 2)):
        wanted = softmax([float(value) / temperature for value in TEACHER[row, :count]])
        own = softmax([float(value) / temperature for value in SCORES[row, :count]])
        values.append(temperature**2 * sum(p * math.log(p / q) for p, q in zip(wanted, own, strict=True)))
    assert float(listwise_kl(SCORES, TEACHER, MASK, temperature)) == pytest.approx(sum(values) / 2)


def test_margin_is_the_mean_squared_difference_of_margins():
    # The first list has three pairs of texts, the second one; each counts in both directions.
    squares = [
        ((2.0 - 0.5) - (1.0 - -1.0)) ** 2,
        ((2.0 - -1.0) - (1.0 - 0.0)) ** 2,
        ((0.5 - -1.0) - (-1.0 - 0.0)) ** 2,
        ((0.3 - 0.1) - (-0.5 - 0.5)) ** 2,
    ]
    assert float(margin_mse(SCORES, TEACHER, MASK)) == pytest.approx(sum(squares) / 4)


def test_a_student_that_says_what_the_teacher_says_up_to_a_constant_has_no_loss():
    moved = TEACHER + torch.tensor([[3.0], [-2.0]])
    assert float(listwise_kl(moved, TEACHER, MASK, 0.5)) == pytest.approx(0, abs=1e-12)
    assert float(margin_mse(moved, TEACHER, MASK)) == pytest.approx(0, abs=1e-12)


def test_a_list_of_one_text_has_no_margin():
    one = torch.tensor([[True, False, False]])
    assert float(margin_mse(SCORES[:1], TEACHER[:1], one)) == 0


@pytest.mark.parametrize("loss", [lambda s, t, m: listwise_kl(s, t, m, 0.7), margin_mse])
def test_gradients_are_right_and_padding_has_none(loss):
    scores = SCORES.clone().clamp(max=3).requires_grad_()
    assert torch.autograd.gradcheck(lambda s: loss(s, TEACHER, MASK), scores)
    loss(scores, TEACHER, MASK).backward()
    assert float(scores.grad[1, 2]) == 0
    assert scores.grad[MASK].abs().min() > 0
