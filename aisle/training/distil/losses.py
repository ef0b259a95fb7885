"""Losses between a student's scores of a list and a teacher's. Pure functions; higher is better in both.

Both come as ``(lists, places)``, padded, in standard deviations of a query's scores; ``mask`` is true where there is a
text.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def listwise_kl(scores: Tensor, teacher: Tensor, mask: Tensor, temperature: float) -> Tensor:
    """Kullback-Leibler divergence of the student's softmax over each list from the teacher's, times temperature².

    The square keeps the size of the gradient at any temperature (Hinton et al. 2015, "Distilling the knowledge in a
    neural network"). The mean over lists.
    """
    nothing = float("-inf")
    student = nn.functional.log_softmax((scores / temperature).masked_fill(~mask, nothing), 1).masked_fill(~mask, 0.0)
    target = nn.functional.log_softmax((teacher / temperature).masked_fill(~mask, nothing), 1).masked_fill(~mask, 0.0)
    return temperature**2 * (target.exp() * (target - student) * mask).sum(1).mean()


def margin_mse(scores: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """Mean squared difference of the margins of every two texts of a list (Hofstätter et al. 2020).

    "Improving efficient neural ranking models with cross-architecture knowledge distillation". A list of one text
    teaches nothing; without any other the loss is 0.
    """
    away = scores - teacher
    both = mask[:, :, None] & mask[:, None, :] & ~torch.eye(mask.shape[1], dtype=torch.bool, device=mask.device)
    different = away[:, :, None] - away[:, None, :]
    return (different**2 * both).sum() / both.sum().clamp(min=1)
