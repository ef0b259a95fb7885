"""Adapters (Houlsby et al. 2019): a narrow pair of matrices behind an output, added to it. Needs PyTorch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

_SPREAD = 0.02


class AdaptedLinear(nn.Module):
    """A linear layer, and what a bottleneck adds to its output: nothing, at first.

    Args:
        base_layer: What it takes the place of.
        width: Of the bottleneck.
    """

    def __init__(self, base_layer: nn.Linear, width: int) -> None:
        super().__init__()
        self.base_layer = base_layer
        self.down = nn.Linear(base_layer.out_features, width)
        self.up = nn.Linear(width, base_layer.out_features)
        for layer, spread in ((self.down, _SPREAD), (self.up, 0.0)):
            nn.init.normal_(layer.weight, std=spread)
            nn.init.zeros_(layer.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """The layer's output and the bottleneck's beside it."""
        found = self.base_layer(hidden)
        added: Tensor = self.up(nn.functional.gelu(self.down(found)))
        return torch.add(found, added)


def attach(bert: Any, width: int, place: str) -> None:
    """Put a bottleneck behind the output of every layer; with "both" behind that of its attention too."""
    for layer in bert.encoder.layer:
        layer.output.dense = AdaptedLinear(layer.output.dense, width)
        if place == "both":
            layer.attention.output.dense = AdaptedLinear(layer.attention.output.dense, width)


def found_in(bert: Any) -> dict[str, Tensor]:
    """The bottlenecks under the names that a graph reads: the layer's, then ``adapter.down`` or ``adapter.up``."""
    found = {}
    for name, module in bert.named_modules():
        if isinstance(module, AdaptedLinear):
            for part, layer in (("down", module.down), ("up", module.up)):
                found[f"{name}.adapter.{part}.weight"] = layer.weight
                found[f"{name}.adapter.{part}.bias"] = layer.bias
    return found
