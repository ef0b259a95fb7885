"""An encoder folder as a PyTorch module that can be trained further and written back as a folder.

Word rows stay as they are: a few thousand judgments see few of them, and what they would learn of those tells nothing
of the others. Everything else may move. Needs aisle[train].
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from aisle.encoders.weights import EncoderWeights
from aisle.training.batches import by_length
from aisle.training.peft.adapt import Adaptation
from aisle.training.peft.settings import PeftSettings
from aisle.training.relevance.compute import CPU, Compute
from aisle.training.relevance.word_push import WordPush

Ids = list[int]
_WORD_ROWS = "embeddings.word_embeddings.weight"


class TunedEncoder(nn.Module):
    """Token ids to unit vectors, as the folder's own graph computes them, in float.

    Args:
        base: What it begins as.
        dropout: Of the layers and of attention, while training.
        peft: Which part of the layers moves; everything, where nothing is said.
        seed: Of what such a part begins with at random.
    """

    def __init__(
        self, base: EncoderWeights, dropout: float = 0.0, peft: PeftSettings | None = None, seed: int = 0
    ) -> None:
        super().__init__()
        from transformers import BertConfig, BertModel

        shape = base.shape
        config = BertConfig(
            vocab_size=1,
            hidden_size=shape.hidden,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            intermediate_size=len(base.weights["encoder.layer.0.intermediate.dense.bias"]),
            max_position_embeddings=shape.max_tokens,
            layer_norm_eps=shape.epsilon,
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=dropout,
            attn_implementation="eager",  # on a CPU the fused kernel takes twice as long for short texts
        )
        self.bert = BertModel(config, add_pooling_layer=False)
        self.bert.embeddings.word_embeddings = nn.Identity()
        found = {name: torch.tensor(value) for name, value in base.weights.items() if name != _WORD_ROWS}
        missing, unexpected = self.bert.load_state_dict(found, strict=False)
        wrong = [name for name in missing if "position_ids" not in name] + list(unexpected)
        assert not wrong, wrong
        self.register_buffer("rows", torch.from_numpy(base.weights[_WORD_ROWS]), persistent=False)
        self.words = base.words is not None
        if base.words is not None:
            for name, value in (
                ("rarity", base.words.rarity),
                ("gate", base.words.gate),
                ("centre", base.words.centre),
            ):
                self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(value)), persistent=False)
            self.words_length = base.words.length
        self.compute = CPU
        self.push: WordPush | None = None
        self.bert.embeddings.token_type_embeddings.weight.requires_grad_(False)  # one type only: positions hold it
        self.adaptation = Adaptation(self.bert, peft or PeftSettings(), seed)

    def forward(self, texts: Sequence[Ids]) -> Tensor:
        """Encode id lists, special tokens included, into ``(n, dim)`` float32 rows of length 1."""
        return self._encode(texts)[0]

    def place(self, compute: Compute) -> None:
        """Move to a device; vectors are then computed there, in its precision."""
        self.compute = compute
        self.to(compute.device)

    def outputs(self, texts: Sequence[Ids], longest: int = 0, budget: int = 2_048) -> Tensor:
        """The vectors, ``(n, dim)``, and beside them, where ``longest`` is given, those of so many tokens of each text.

        Where a text has no token, or a special one, its part is 0. `split` takes them apart.
        """
        if not longest:
            return by_length(self, texts, budget)

        def encode(batch: Sequence[Sequence[int]]) -> Tensor:
            vectors, tokens = self._encode(batch)
            room = (0, 0, 0, longest - tokens.shape[1])
            return torch.cat([vectors, nn.functional.pad(tokens, room).flatten(1)], 1)

        return by_length(encode, texts, budget)

    def split(self, outputs: Tensor, longest: int) -> tuple[Tensor, Tensor | None]:
        """Vectors ``(n, dim)`` and tokens ``(n, longest, hidden)``, rows of length 1; None without tokens."""
        if not longest:
            return outputs, None
        dim = outputs.shape[1] - longest * self.bert.config.hidden_size
        return outputs[:, :dim], outputs[:, dim:].unflatten(1, (longest, -1))

    def with_tokens(self, texts: Sequence[Ids], budget: int = 2_048) -> tuple[Tensor, Tensor]:
        """The vectors, and those of single tokens: ``(n, dim)`` and ``(n, longest, hidden)``, rows of length 1."""
        longest = max(map(len, texts))
        vectors, tokens = self.split(self.outputs(texts, longest, budget), longest)
        assert tokens is not None
        return vectors, tokens

    def _encode(self, texts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        ids, mask = padded(texts, self.rows.device)
        inputs = self.word_vectors(ids)
        hidden = self.bert(inputs_embeds=inputs, attention_mask=mask).last_hidden_state
        vector = direction(hidden, mask)
        if self.words:
            vector = nn.functional.normalize(vector + self._words_part(ids, mask, inputs), dim=-1)
        longest = ids.shape[1]
        inner = [[0, *[1] * (len(text) - 2), *[0] * (longest - len(text) + 1)] for text in texts]
        tokens = nn.functional.normalize(hidden.float(), dim=-1) * torch.tensor(inner, device=ids.device).unsqueeze(-1)
        return vector, tokens

    def word_vectors(self, ids: Tensor) -> Tensor:
        """What the layers read of tokens, ``(..., hidden)``: their rows, with what pushes them where something does."""
        return self.rows[ids] if self.push is None else self.rows[ids] + self.push(ids)

    def _words_part(self, ids: Tensor, mask: Tensor, inputs: Tensor) -> Tensor:
        rows = nn.functional.normalize(inputs.float() - self.centre, dim=-1)
        counted = mask.float()
        total = (rows * (self.rarity[ids] * counted).unsqueeze(-1)).sum(1)
        inner = (counted.sum(1) - 2).clamp(min=1)
        share = (self.gate[ids] * counted).sum(1) / inner
        return nn.functional.normalize(total, dim=-1, eps=1e-6) * (self.words_length * share).unsqueeze(-1)

    def by_length(self, texts: Sequence[Ids], budget: int = 2_048) -> Tensor:
        """`forward` in batches of like length, padding and all of at most ``budget`` tokens, in the order given."""
        return by_length(self, texts, budget)

    def vectors(self, texts: Sequence[Ids]) -> np.ndarray:
        """Encode without gradients, ``(n, dim)`` float32."""
        training = self.training
        self.eval()
        with torch.no_grad(), self.compute.autocast():
            found: np.ndarray = self.by_length(texts, 8_192).cpu().numpy()
        self.train(training)
        return found

    def trained(self) -> dict[str, Tensor]:
        """The parameters that training moves, by name."""
        return {name: value for name, value in self.named_parameters() if value.requires_grad}

    def groups(self, rate: float, decay: float, layer_decay: float) -> list[dict[str, object]]:
        """Parameter groups for an optimiser: the rate falls by ``layer_decay`` from each layer to the one below."""
        layers = self.bert.config.num_hidden_layers
        found: dict[tuple[float, float], list[Tensor]] = {}
        for name, value in self.trained().items():
            depth = int(name.split(".")[3]) + 1 if name.startswith("bert.encoder.layer.") else 0
            group = (rate * layer_decay ** (layers - depth), decay if value.dim() > 1 else 0.0)
            found.setdefault(group, []).append(value)
        return [{"params": values, "lr": lr, "weight_decay": wd} for (lr, wd), values in found.items()]

    def weights(self) -> dict[str, np.ndarray]:
        """Under transformers' names, for `write_encoder`."""
        found = {name: value.detach().float().cpu().numpy() for name, value in self.adaptation.weights().items()}
        return found | {_WORD_ROWS: self.rows.cpu().numpy()}


def padded(texts: Sequence[Sequence[int]], device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Token ids and where there are any, both ``(n, longest)``."""
    longest = max(map(len, texts))
    ids = torch.tensor([[*text, *[0] * (longest - len(text))] for text in texts], device=device)
    mask = torch.tensor([[1] * len(text) + [0] * (longest - len(text)) for text in texts], device=device)
    return ids, mask


def direction(hidden: Tensor, mask: Tensor) -> Tensor:
    """The mean over each text's tokens of what the last layer gives, ``(n, hidden)``, of length 1."""
    weight = mask.unsqueeze(-1).to(hidden.dtype)
    mean = (hidden * weight).sum(1) / weight.sum(1)
    return nn.functional.normalize(mean.float(), dim=-1)


def seed_everything(seed: int, threads: int) -> None:
    """The same seed and number of threads give the same run on one machine."""
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
