"""The student: a BERT sentence encoder whose vocabulary continues with Chinese rows.

A vector has two parts: what the layers make of a text, and, for Chinese, the text's own words beside it (without them,
MRR@10 of Chinese search was .04 lower). A Chinese row is the sum of a part of its own and the mean of parts that belong
to its characters, so that what is learnt of 壳 in 手机壳 helps 保护壳; `rows` adds them up into plain rows for the
export. English rows stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from aisle.training.batches import by_length
from aisle.training.bilingual.vocabulary import Vocabulary

CHARACTER_SHARE = 0.5
WORDS_SHARE = 0.5
"""Square of the length of the words' part in a text all Chinese, beside that of meaning, which is 1."""


class Student(nn.Module):
    """Token ids to unit vectors.

    Args:
        source: A sentence-transformers folder that holds a BERT with mean pooling.
        vocabulary: The Chinese rows.
        first: What they begin as, ``(words, dim)``.
        kept: The English rows that stay, by their ids in the source.
    """

    def __init__(self, source: Path, vocabulary: Vocabulary, first: np.ndarray, kept: Sequence[int]) -> None:
        super().__init__()
        from transformers import AutoModel

        bert = AutoModel.from_pretrained(
            source,
            local_files_only=True,
            add_pooling_layer=False,
            attn_implementation="eager",  # on a CPU the fused kernel takes twice as long for short texts
            hidden_dropout_prob=0.0,  # the teacher is fixed: noise only slows this down, by a third
            attention_probs_dropout_prob=0.0,
        )
        self.bert = bert
        self.english = nn.Embedding.from_pretrained(bert.embeddings.word_embeddings.weight[list(kept)].detach())
        bert.embeddings.word_embeddings = self.english
        self.offset = int(self.english.weight.shape[0])
        characters = sorted({c for word in vocabulary.words[1:] for c in word})
        number = {c: i for i, c in enumerate(characters)}
        spelt = [[number[c] for c in word] if i else [] for i, word in enumerate(vocabulary.words)]
        self.register_buffer("spelling", torch.tensor([c for word in spelt for c in word]), persistent=False)
        ends = np.cumsum([0, *map(len, spelt)])
        self.register_buffer("starts", torch.tensor(ends[:-1]), persistent=False)
        shared = np.zeros((len(characters), first.shape[1]), np.float32)
        seen = np.zeros((len(characters), 1), np.float32)
        mean = first.mean(0)
        for row, word in enumerate(spelt):
            for c in word:
                shared[c] += first[row] - mean
                seen[c] += 1
        shared *= CHARACTER_SHARE / np.maximum(seen, 1)
        self.register_buffer("centre", torch.from_numpy(np.concatenate([self.english.weight.numpy(), first]).mean(0)))
        rarity = np.clip(-np.array(vocabulary.scores), 4, 14) / 9
        weights = np.concatenate([np.ones(self.offset), rarity]).astype(np.float32)
        self.register_buffer("rarity", torch.from_numpy(weights), persistent=False)
        self.characters = nn.Embedding.from_pretrained(torch.from_numpy(shared), freeze=False)
        with torch.no_grad():
            rest = torch.from_numpy(first) - self._spelt(torch.arange(len(spelt)))
        self.words = nn.Embedding.from_pretrained(rest, freeze=False)

    def _spelt(self, rows: Tensor) -> Tensor:
        starts = self.starts[rows]
        ends = torch.cat([self.starts[1:], self.starts.new_tensor([len(self.spelling)])])[rows]
        lengths = ends - starts
        offsets = lengths.cumsum(0) - lengths
        flat = self.spelling[torch.repeat_interleave(starts - offsets, lengths) + torch.arange(int(lengths.sum()))]
        return nn.functional.embedding_bag(flat, self.characters.weight, offsets, mode="mean")

    def rows(self) -> np.ndarray:
        """All Chinese rows added up, ``(words, dim)``."""
        with torch.no_grad():
            everything = torch.arange(self.words.num_embeddings)
            found: np.ndarray = (self.words(everything) + self._spelt(everything)).numpy()
        return found

    def _inputs(self, ids: Tensor) -> Tensor:
        flat = ids.reshape(-1)
        han = flat >= self.offset
        out = self.english(flat.clamp(max=self.offset - 1))
        if han.any():
            unique, where = torch.unique(flat[han] - self.offset, return_inverse=True)
            rows = self.words(unique) + self._spelt(unique)
            out = out.index_put((han.nonzero().squeeze(1),), rows[where].to(out.dtype))
        return out.reshape(*ids.shape, -1)

    def forward(self, texts: Sequence[Sequence[int]]) -> Tensor:
        """Encode id lists, special tokens included, into ``(n, 2 * dim)``: the part of meaning, then that of words.

        The part of meaning has length 1. That of words is the mean of the text's centred input rows, weighted by
        rarity; its length is the root of ``WORDS_SHARE`` times the share of Chinese in the text, 0 in English.
        """
        longest = max(map(len, texts))
        ids = torch.tensor([[*text, *[0] * (longest - len(text))] for text in texts])
        mask = ids != 0
        inputs = self._inputs(ids)
        hidden = self.bert(inputs_embeds=inputs, attention_mask=mask.long()).last_hidden_state
        weight = mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * weight).sum(1) / weight.sum(1)
        meaning = nn.functional.normalize(mean.float(), dim=-1)
        return torch.cat([meaning, self._words_part(ids, inputs)], dim=-1)

    def _words_part(self, ids: Tensor, inputs: Tensor) -> Tensor:
        inner = (ids != 0).float()
        inner[:, 0] = 0
        inner[torch.arange(len(ids)), (ids != 0).sum(1) - 1] = 0
        rows = nn.functional.normalize(inputs.float() - self.centre, dim=-1)
        total = (rows * (inner * self.rarity[ids]).unsqueeze(-1)).sum(1)
        chinese = ((ids >= self.offset).float() * inner).sum(1) / inner.sum(1).clamp(min=1)
        return nn.functional.normalize(total, dim=-1) * (WORDS_SHARE**0.5 * chinese).unsqueeze(-1)

    def by_length(self, texts: Sequence[Sequence[int]], budget: int = 2_048) -> Tensor:
        """`forward` in batches of like length, padding and all of at most ``budget`` tokens, in the order given."""
        return by_length(self, texts, budget)

    @staticmethod
    def joined(parts: Tensor) -> Tensor:
        """Both parts, ``(n, 2 * dim)``, as the one vector that search compares, ``(n, dim)`` of length 1."""
        meaning, words = parts.chunk(2, dim=-1)
        return nn.functional.normalize(meaning + words, dim=-1)

    def state(self) -> dict[str, Any]:
        """What training changes."""
        return {name: value for name, value in self.state_dict().items() if "word_embeddings" not in name}
