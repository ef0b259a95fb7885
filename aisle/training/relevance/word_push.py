"""Word vectors moved up the loss while a step is learnt from. PyTorch; knows word rows, no losses, no steps.

The fast gradient method (Miyato, Dai and Goodfellow 2017, "Adversarial training methods for semi-supervised text
classification"). Word rows themselves stay as they are: what is moved is what the layers read in their place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from aisle.training.relevance.model import TunedEncoder

Together = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Words ``(n,)`` with their gradients ``(n, hidden)`` to words with theirs."""


class WordPush:
    """What is added to the word rows of a model from here on: nothing, until `climb` has moved it up the loss.

    Args:
        layers: Whose word vectors are moved.
    """

    def __init__(self, layers: TunedEncoder) -> None:
        self._layers, self._rows = layers, layers.rows
        self._push = torch.zeros_like(layers.rows, requires_grad=True)
        self._moved = torch.empty(0, dtype=torch.long, device=layers.rows.device)
        layers.push = self

    def __call__(self, ids: Tensor) -> Tensor:
        """What is added to the vectors of tokens, ``(..., hidden)``."""
        return nn.functional.embedding(ids, self._push, sparse=True)

    def climb(self, size: float, together: Together = lambda words, slopes: (words, slopes)) -> None:
        """Move the words that gradients have reached so far, all together by ``size`` of the length of their rows.

        The length is that of all these rows as one vector, as that of the gradient is.

        Args:
            size: As a share.
            together: What all processes have reached, of what this one has.
        """
        gradient, self._push.grad = self._push.grad, None
        assert gradient is not None
        gradient = gradient.coalesce()
        words, slopes = together(gradient.indices()[0], gradient.values())
        reached = slopes.abs().sum(1) > 0  # what fills up a batch is none of its words
        words, slopes = words[reached], slopes[reached]
        self._moved = words
        with torch.no_grad():
            self._push[words] = size * self._rows[words].norm() * slopes / slopes.norm().clamp(min=1e-12)

    def clear(self) -> None:
        """Back to nothing."""
        self._push.grad = None
        with torch.no_grad():
            self._push[self._moved] = 0.0  # a few of a vocabulary

    def end(self) -> None:
        """Leave the model as it was found."""
        self._layers.push = None
