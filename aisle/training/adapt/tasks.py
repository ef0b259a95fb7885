"""What an encoder learns from texts alone: to say enough of a damaged text, and to name hidden words. PyTorch.

Each task has parts that the encoder lacks; they begin at random and are thrown away at the end. Tokens are named by the
encoder's own word rows, which stay as they are, and only among those that the catalogue has: a softmax over all
52,236 rows would cost more than the layers do, and its other rows could only be learnt to be wrong.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from aisle.training.adapt.lesson import AdaptLesson
from aisle.training.adapt.noise import Ids, chance, deleted, masked
from aisle.training.adapt.recipe import AdaptRecipe
from aisle.training.relevance.model import TunedEncoder, direction, padded

_SPREAD = 0.02
"""Of what begins at random, as in BERT."""
Item = tuple[int, Ids]
"""A text's number, which its noise depends on, and its ids."""


class Naming(nn.Module):
    """Hidden states to the tokens they are of: BERT's head, over some of the word rows.

    Args:
        encoder: Whose word rows are used.
        named: The tokens that can be named.
    """

    def __init__(self, encoder: TunedEncoder, named: Sequence[int]) -> None:
        super().__init__()
        hidden = encoder.rows.shape[1]
        self.dense = nn.Linear(hidden, hidden)
        self.norm = nn.LayerNorm(hidden, eps=encoder.bert.config.layer_norm_eps)
        self.bias = nn.Parameter(torch.zeros(len(named)))
        nn.init.normal_(self.dense.weight, std=_SPREAD)
        nn.init.zeros_(self.dense.bias)
        place = torch.full((len(encoder.rows),), -1)
        place[torch.tensor(named)] = torch.arange(len(named))
        self.register_buffer("place", place, persistent=False)
        self.register_buffer("rows", encoder.rows[torch.tensor(named)], persistent=False)

    def forward(self, hidden: Tensor) -> Tensor:
        """Logits ``(n, named)`` of states ``(n, hidden)``."""
        told = self.norm(nn.functional.gelu(self.dense(hidden)))
        return nn.functional.linear(told, self.rows.to(told.dtype), self.bias)

    def loss(self, hidden: Tensor, tokens: Tensor) -> tuple[Tensor, int]:
        """The summed cross-entropy of the tokens ``(n,)``, in nats, and of how many: others are left out."""
        wanted = self.place[tokens]
        found = nn.functional.cross_entropy(self.forward(hidden).float(), wanted, ignore_index=-1, reduction="sum")
        return found, int((wanted >= 0).sum())


class Denoising(nn.Module):
    """TSDAE: a decoder writes the text again, and all it knows of it is the vector of what was left.

    Wang, Reimers and Gurevych 2021. The decoder is the encoder, layer by layer: they share their parameters, which
    learn from both ends, as in the paper. Only its attention to the vector, and the head, are new.

    The vector is the mean of the last layer over the tokens, without the words' part that is added to it when it is
    served: that one is a sum of word rows, from which the tokens could be read off. Its length is made the square root
    of its size, about what a state of a BERT has: searching goes by its direction, so its length is to say nothing.

    Args:
        encoder: What learns.
        task: The texts.
        recipe: How much is deleted.
    """

    def __init__(self, encoder: TunedEncoder, task: AdaptLesson, recipe: AdaptRecipe) -> None:
        super().__init__()
        from transformers import BertModel

        self._share, self._seed = recipe.deleted, recipe.fit.seed
        config = copy.deepcopy(encoder.bert.config)
        config.is_decoder, config.add_cross_attention, config.use_cache = True, True, False
        self.decoder = BertModel(config, add_pooling_layer=False)
        self.decoder.embeddings.word_embeddings = nn.Identity()
        tie(self.decoder, encoder.bert)
        for name, value in self.decoder.named_parameters():
            if ".crossattention.self.query." in name or ".crossattention.self.key." in name:
                value.requires_grad_(False)  # attention to a single vector is that vector, whatever is asked
        end = task.texts[0][-1]  # among the words where a text has it written out
        self.naming = Naming(encoder, list(dict.fromkeys([*task.words, end])))

    def losses(self, encoder: TunedEncoder, items: Sequence[Item], turn: int) -> tuple[Tensor, int]:
        """The summed loss over some texts, and of how many tokens."""
        texts = [ids for _, ids in items]
        noisy = [deleted(ids, self._share, chance(self._seed, turn, number)) for number, ids in items]
        hidden, mask = states(encoder, noisy)
        vector = direction(hidden, mask) * hidden.shape[-1] ** 0.5
        return self.written(encoder, vector, texts)

    def written(self, encoder: TunedEncoder, vector: Tensor, texts: Sequence[Ids]) -> tuple[Tensor, int]:
        """The summed loss of writing texts token by token, each from those before it and its vector ``(n, hidden)``."""
        ids, mask = padded(texts)
        said, wanted, there = ids[:, :-1], ids[:, 1:], mask[:, 1:].bool()
        hidden = self.decoder(
            inputs_embeds=encoder.rows[said],
            attention_mask=mask[:, 1:],
            encoder_hidden_states=vector.unsqueeze(1),
            encoder_attention_mask=mask[:, :1],
        ).last_hidden_state
        return self.naming.loss(hidden[there], wanted[there])


class Masking(nn.Module):
    """Masked language modelling: hidden tokens are named from those around them (Devlin et al. 2019).

    On unlabelled texts of the domain at hand: Gururangan et al. 2020, "Don't stop pretraining".

    Args:
        encoder: What learns.
        task: The texts.
        recipe: How much is hidden.
    """

    def __init__(self, encoder: TunedEncoder, task: AdaptLesson, recipe: AdaptRecipe) -> None:
        super().__init__()
        self._share, self._seed = recipe.masked, recipe.fit.seed
        self._mask, self._others = task.mask, task.words
        self.naming = Naming(encoder, task.words)

    def losses(self, encoder: TunedEncoder, items: Sequence[Item], turn: int) -> tuple[Tensor, int]:
        """The summed loss over some texts, and of how many tokens."""
        hidden_ones = [
            masked(ids, self._share, self._mask, self._others, chance(self._seed, turn, number))
            for number, ids in items
        ]
        wanted = [[ids[place] for place in one.places] for (_, ids), one in zip(items, hidden_ones, strict=True)]
        return self.named(encoder, [one.ids for one in hidden_ones], [one.places for one in hidden_ones], wanted)

    def named(
        self, encoder: TunedEncoder, texts: Sequence[Ids], places: Sequence[Sequence[int]], wanted: Sequence[Ids]
    ) -> tuple[Tensor, int]:
        """The summed loss of naming the tokens that stood at some places of texts, and of how many."""
        hidden, _ = states(encoder, texts)
        rows = [row for row, some in enumerate(places) for _ in some]
        columns = [place for some in places for place in some]
        tokens = torch.tensor([token for some in wanted for token in some])
        return self.naming.loss(hidden[rows, columns], tokens)


def states(encoder: TunedEncoder, texts: Sequence[Ids]) -> tuple[Tensor, Tensor]:
    """What the last layer says of each token, ``(n, longest, hidden)``, and where there is one, ``(n, longest)``."""
    ids, mask = padded(texts)
    return encoder.bert(inputs_embeds=encoder.rows[ids], attention_mask=mask).last_hidden_state, mask


def tie(decoder: nn.Module, encoder: nn.Module) -> None:
    """Make the parameters that both have the encoder's own."""
    for name, value in encoder.named_parameters():
        place, _, last = name.rpartition(".")
        setattr(decoder.get_submodule(place), last, value)
