"""A cross-encoder as a PyTorch module: query and text read together, by the layers of an encoder or of another one.

The layers, what of them moves and the word rows that stay are those of `TunedEncoder`; new are the second type of token
and the readings of the last layer that make the score. Needs aisle[train].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from aisle.artifacts import Manifest
from aisle.encoders.graph import TYPES
from aisle.encoders.weights import EncoderWeights
from aisle.rerankers.cross_encoder import Pair
from aisle.rerankers.cross_export import CrossWeights, Reading
from aisle.training.batches import by_length
from aisle.training.peft.adapt import Adaptation
from aisle.training.peft.settings import PeftSettings
from aisle.training.relevance.compute import Compute
from aisle.training.relevance.model import TunedEncoder

if TYPE_CHECKING:
    from transformers import BertModel

COSINE = 15.0
"""What a cosine of 1 is worth in the score to begin with, in the logit of "this text before that one"."""
_SMALL = 0.01
"""Standard deviation of what marks the text's tokens to begin with; word rows have one of about .05."""


def begin(
    base: EncoderWeights, readings: Sequence[Reading], seed: int, max_tokens: int, query_tokens: int
) -> CrossWeights:
    """A cross-encoder with the layers of an encoder: its score is at first nearly what `readings` say of them.

    "match" and "late" begin as cosines, "cls" and "mean" at 0.
    """
    chance = np.random.default_rng(seed)
    hidden = base.shape.hidden
    weights = dict(base.weights)
    rows = weights[TYPES].copy()
    rows[1] = rows[0] + chance.normal(0, _SMALL, hidden)
    weights[TYPES] = rows
    cosine = {"match": np.full(hidden, COSINE), "late": np.full(1, COSINE)}
    read = {name: cosine.get(name, np.zeros(hidden)).astype(np.float32) for name in readings}
    old = base.manifest.details
    details = {name: old[name] for name in ("han_offset", "scripts", "licence") if name in old}
    limit = min(max_tokens, base.shape.max_tokens)
    return CrossWeights(weights, base.shape, read, 0.0, base.tokenizers, query_tokens, limit, details)


class CrossModel(nn.Module):
    """Pairs to scores, as the folder's own graph computes them, in float.

    Args:
        base: What it begins as.
        dropout: Of the layers and of attention, while training.
        peft: Which part of the layers moves; everything, where nothing is said. The readings always move.
        seed: Of what such a part begins with at random.
    """

    def __init__(
        self, base: CrossWeights, dropout: float = 0.0, peft: PeftSettings | None = None, seed: int = 0
    ) -> None:
        super().__init__()
        plain = EncoderWeights(dict(base.weights), base.shape, dict(base.tokenizers), None, Manifest("encoder", 1, {}))
        self.base = base
        self.layers = TunedEncoder(plain, dropout, peft, seed)
        types = base.weights[TYPES]
        self.text_type = nn.Parameter(torch.tensor(types[1] - types[0]))
        self.bias = nn.Parameter(torch.tensor(base.bias))
        self.readings = nn.ParameterDict({name: torch.tensor(value) for name, value in base.readings.items()})

    @property
    def bert(self) -> BertModel:
        """The layers."""
        return self.layers.bert

    @property
    def adaptation(self) -> Adaptation:
        """What of the layers moves, and how."""
        return self.layers.adaptation

    def place(self, compute: Compute) -> None:
        """Move to a device; scores are then computed there, in its precision."""
        self.layers.compute = compute
        self.to(compute.device)

    def forward(self, pairs: Sequence[Pair]) -> Tensor:
        """Score pairs, ``(n,)`` float32."""
        longest, device = max(map(len, pairs)), self.layers.rows.device
        ids = torch.tensor([[*pair.ids, *[0] * (longest - len(pair))] for pair in pairs], device=device)
        lengths = torch.tensor([[len(pair)] for pair in pairs], device=device)
        starts = torch.tensor([[pair.start] for pair in pairs], device=device)
        places = torch.arange(longest, device=device)
        there = (places < lengths).float()
        text = there * (places >= starts)
        inputs = self.layers.word_vectors(ids) + text.unsqueeze(-1) * self.text_type
        hidden = self.bert(inputs_embeds=inputs, attention_mask=there).last_hidden_state.float()
        total = self.bias.expand(len(pairs))
        with torch.autocast(device.type, enabled=False):  # in bf16 scores would be equal that are not
            for name, weight in self.readings.items():
                total = total + _read(name, hidden, there - text, text) @ weight
        return total

    def outputs(self, pairs: Sequence[Pair], budget: int = 2_048) -> Tensor:
        """`forward` in batches of like length, padding and all of at most ``budget`` tokens, in the order given."""
        return by_length(self, pairs, budget)

    def scores(self, pairs: Sequence[Pair]) -> np.ndarray:
        """Score without gradients, ``(n,)`` float32."""
        training = self.training
        self.eval()
        with torch.no_grad(), self.layers.compute.autocast():
            found: np.ndarray = self.outputs(pairs, 8_192).cpu().numpy()
        self.train(training)
        return found

    def trained(self) -> dict[str, Tensor]:
        """The parameters that training moves, by name."""
        return {name: value for name, value in self.named_parameters() if value.requires_grad}

    def groups(self, rate: float, decay: float, layer_decay: float) -> list[dict[str, object]]:
        """Parameter groups for an optimiser: those of the layers, then the readings at the full rate."""
        own = [value for name, value in self.trained().items() if not name.startswith("layers.")]
        return [
            *self.layers.groups(rate, decay, layer_decay),
            {"params": own, "lr": rate, "weight_decay": 0.0},
        ]

    def weights(self) -> CrossWeights:
        """As `write_cross_encoder` takes them."""
        weights = self.layers.weights()
        types = np.repeat(weights[TYPES][:1], 2, axis=0)
        types[1] += self.text_type.detach().float().cpu().numpy()
        readings: Mapping[str, np.ndarray] = {
            name: value.detach().float().cpu().numpy() for name, value in self.readings.items()
        }
        base = self.base
        return CrossWeights(
            {**weights, TYPES: types},
            base.shape,
            {name: readings[name] for name in base.readings},
            float(self.bias.detach()),
            base.tokenizers,
            base.query_tokens,
            base.max_tokens,
            base.details,
        )


def _read(name: str, hidden: Tensor, query: Tensor, text: Tensor) -> Tensor:
    """A reading of the last layer, as `aisle.rerankers.cross_export` writes it, ``(n, hidden)`` or ``(n, 1)``."""
    if name == "cls":
        return hidden[:, 0]
    if name == "mean":
        there = (query + text).unsqueeze(-1)
        return (hidden * there).sum(1) / there.sum(1)
    if name == "match":
        parts = [nn.functional.normalize((hidden * part.unsqueeze(-1)).sum(1), dim=-1) for part in (query, text)]
        return parts[0] * parts[1]
    unit = nn.functional.normalize(hidden, dim=-1)
    near = torch.einsum("nih,njh->nij", unit, unit) - 4 * (1 - text).unsqueeze(1)
    return ((near.amax(2) * query).sum(1) / query.sum(1)).unsqueeze(-1)
