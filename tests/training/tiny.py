"""A tiny encoder with random weights, and judgments that nothing but training can tell. Needs PyTorch when called."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aisle.artifacts import Manifest
from aisle.training.relevance.data import Lesson
from aisle.training.relevance.lists import lists_of

if TYPE_CHECKING:
    from aisle.encoders.weights import EncoderWeights

DIM, ROWS, QUERIES = 32, 80, 15


def tiny_encoder(layers: int = 2, rows: int = ROWS) -> EncoderWeights:
    import torch
    from transformers import BertConfig, BertModel

    from aisle.encoders.export import BertShape
    from aisle.encoders.weights import EncoderWeights

    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=rows,
        hidden_size=DIM,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=16,
    )
    state = BertModel(config, add_pooling_layer=False).state_dict()
    weights = {name: value.numpy().copy() for name, value in state.items()}
    weights["embeddings.word_embeddings.weight"] = np.random.default_rng(0).normal(size=(rows, DIM)).astype(np.float32)
    return EncoderWeights(weights, BertShape(DIM, 4, layers, 1e-12, 16), {}, None, Manifest("encoder", 1, {}))


def planted() -> Lesson:
    """Query q wants the text with the token q + 20; texts are of two to seven words."""
    chance = np.random.default_rng(1)
    texts = [
        [2, 20 + number, *chance.integers(50, ROWS, size=number % 6).tolist(), 3] for number in range(5, 5 + QUERIES)
    ]
    queries = [[2, number, 3] for number in range(5, 5 + QUERIES)]
    groups, text_of, levels = [], [], []
    for query in range(QUERIES):
        rows = []
        for step in range(3 + query % 4):
            rows.append(len(text_of))
            text_of.append((query + step * 2) % QUERIES)
            levels.append(3.0 if step == 0 else float(step % 2))
        groups.append(rows)
    lists = lists_of(groups, text_of, np.array(levels))
    return Lesson(queries, texts, lists, lists, range(QUERIES), range(QUERIES))
