"""Prefix tuning (Li and Liang 2021): in each layer, keys and values that every token sees beside those of the text.

They stand in the attention itself rather than in a cache of past keys: a cache would move the positions of the text,
and gradient checkpointing drops it. Needs PyTorch; knows a transformers BERT.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

_SPREAD = 0.02


class PrefixedAttention(nn.Module):
    """A BERT's self-attention that also sees a prefix.

    Args:
        inner: What it takes the place of; its matrices are kept under their names.
        length: Of the prefix.
    """

    def __init__(self, inner: Any, length: int) -> None:
        super().__init__()
        self.query, self.key, self.value = inner.query, inner.key, inner.value
        self.size, self.scaling, self.dropout, self.config = (
            inner.attention_head_size,
            inner.scaling,
            inner.dropout,
            inner.config,
        )
        self.is_causal = False
        shape = (inner.num_attention_heads, length, self.size)
        self.prefix_keys = nn.Parameter(torch.randn(shape) * _SPREAD)
        self.prefix_values = nn.Parameter(torch.randn(shape) * _SPREAD)

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        past_key_values: None = None,
        **kwargs: Any,  # what transformers hands to each attention: the kernels take it
    ) -> tuple[Tensor, Tensor | None]:
        """As the inner one, over the prefix and the text."""
        from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
        from transformers.models.bert.modeling_bert import eager_attention_forward

        texts, tokens = hidden_states.shape[:2]
        query, key, value = (
            layer(hidden_states).view(texts, tokens, -1, self.size).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        key, value = (
            torch.cat([prefix.to(found.dtype).expand(texts, -1, -1, -1), found], 2)
            for prefix, found in ((self.prefix_keys, key), (self.prefix_values, value))
        )
        if attention_mask is not None:  # added to the logits, or true where a token may be seen
            seen = True if attention_mask.dtype == torch.bool else 0.0
            attention_mask = nn.functional.pad(attention_mask, (self.prefix_keys.shape[1], 0), value=seen)
        attend = ALL_ATTENTION_FUNCTIONS.get_interface(self.config._attn_implementation, eager_attention_forward)
        dropout = self.dropout.p if self.training else 0.0
        context, chances = attend(
            self, query, key, value, attention_mask, dropout=dropout, scaling=self.scaling, **kwargs
        )
        return context.reshape(texts, tokens, -1).contiguous(), chances


def attach(bert: Any, length: int) -> None:
    """Give every layer a prefix, at random."""
    for layer in bert.encoder.layer:
        layer.attention.self = PrefixedAttention(layer.attention.self, length)


def found_in(bert: Any) -> dict[str, Tensor]:
    """The prefixes under the names that a graph reads, each ``(heads, length, size)``."""
    found = {}
    for number, layer in enumerate(bert.encoder.layer):
        name = f"encoder.layer.{number}.attention.prefix"
        found[f"{name}.keys"] = layer.attention.self.prefix_keys
        found[f"{name}.values"] = layer.attention.self.prefix_values
    return found
