"""The English model as a teacher: texts to the unit vectors that the student must reach."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

MAX_TOKENS = 128
_BUDGET = 8_192


class Teacher:
    """A sentence-transformers BERT with mean pooling, in bfloat16 arithmetic.

    Args:
        source: Its folder.
        threads: Of PyTorch.
    """

    def __init__(self, source: Path, threads: int) -> None:
        from tokenizers import Tokenizer
        from transformers import AutoModel

        torch.set_num_threads(threads)
        self._model = AutoModel.from_pretrained(
            source, local_files_only=True, add_pooling_layer=False, attn_implementation="eager"
        ).eval()
        self._tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Encode into ``(n, dim)`` float32 rows of length 1."""
        ids = [found.ids for found in self._tokenizer.encode_batch_fast(list(texts))]
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        out = np.zeros((len(ids), self._model.config.hidden_size), np.float32)
        at = 0
        while at < len(order):
            end = at + 1
            while end < len(order) and len(ids[order[end]]) * (end - at + 1) <= _BUDGET:
                end += 1
            longest = len(ids[order[end - 1]])
            batch = torch.tensor([ids[i] + [0] * (longest - len(ids[i])) for i in order[at:end]])
            mask = (batch != 0).long()
            with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
                hidden = self._model(input_ids=batch, attention_mask=mask).last_hidden_state
            mean = (hidden.float() * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)
            out[order[at:end]] = nn.functional.normalize(mean, dim=-1).numpy()
            at = end
        return out
