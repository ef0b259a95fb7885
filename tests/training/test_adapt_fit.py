"""Learning from texts alone: losses as their source libraries give them, an interruption changes nothing, it learns."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aisle.training.adapt.lesson import AdaptLesson
from aisle.training.adapt.noise import chance, deleted, masked
from aisle.training.adapt.recipe import AdaptRecipe, StepSettings

torch = pytest.importorskip("torch")

from aisle.encoders.weights import EncoderWeights  # noqa: E402
from aisle.training.adapt.fit import AdaptFit, added, batches  # noqa: E402
from aisle.training.adapt.tasks import Denoising, Masking  # noqa: E402
from aisle.training.relevance.compute import Compute  # noqa: E402
from aisle.training.relevance.model import TunedEncoder  # noqa: E402
from tests.training.tiny import DIM, ROWS, tiny_encoder  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("default")]

PAD, FIRST, LAST, HIDE = 0, 2, 3, 4
TOPICS, WORDS = 8, 6
FAST = StepSettings(epochs=2, batch=8, rate=1e-3, new_rate=3e-3, threads=1, save_every=1, seed=5, track="none")


class StoppedError(Exception):
    """Ctrl-C, as it were."""


@pytest.fixture(scope="module")
def base() -> EncoderWeights:
    found = tiny_encoder()
    name = "embeddings.word_embeddings.weight"
    rows = found.weights[name] / np.linalg.norm(found.weights[name], axis=1, keepdims=True)
    return replace(found, weights=found.weights | {name: rows})  # as long as those of the packaged encoder


def planted(count: int = 60) -> AdaptLesson:
    """A text is the words of one topic in any order: of those that are left, the others can be told."""
    draw = np.random.default_rng(1)

    def text() -> list[int]:
        topic = int(draw.integers(TOPICS))
        return [FIRST, *(20 + topic * WORDS + draw.permutation(WORDS)).tolist(), LAST]

    return AdaptLesson([text() for _ in range(count)], [text() for _ in range(20)], list(range(20, 68)), HIDE)


def run(base, folder, recipe, task=None, stop_at=0):
    folder.mkdir(exist_ok=True)
    fit = AdaptFit(TunedEncoder(base, recipe.fit.dropout), task or planted(), recipe, folder)
    done, seen = fit.resume(), []

    def report(step, steps, losses):
        seen.append((step, dict(losses)))
        if step == stop_at:
            raise StoppedError("Ctrl-C")

    if stop_at:
        with pytest.raises(StoppedError, match="Ctrl-C"):
            fit.run(report)
        return fit, seen, done, None
    return fit, seen, done, fit.run(report)


def weights(fit) -> dict:
    return {name: value.detach().clone() for name, value in fit.model.trained().items()}


def same(left: dict, right: dict) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


# --- losses ----------------------------------------------------------------------------------------------------


def exact(base) -> TunedEncoder:
    model = TunedEncoder(base).eval()
    model.compute = Compute(torch.device("cpu"), "fp32")
    return model


def everything(texts) -> AdaptLesson:
    """Every token may be named but the last special one, which denoising adds by itself."""
    return AdaptLesson(texts, texts, [row for row in range(ROWS) if row != LAST], HIDE)


TEXTS = [[FIRST, 20, 31, 42, 53, 64, LAST], [FIRST, 7, 8, LAST], [FIRST, 70, 71, 72, 73, 20, 21, 22, 23, LAST]]


def bert(base, kind, **changes):
    """A BERT of transformers with a head, with the encoder's weights and its word rows."""
    from transformers import BertConfig

    config = BertConfig(
        vocab_size=ROWS,
        hidden_size=DIM,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=16,
        attn_implementation="eager",
        **changes,
    )
    torch.manual_seed(7)
    model = kind(config).eval()
    state = {name: torch.tensor(value) for name, value in base.weights.items()}
    missing, unexpected = model.bert.load_state_dict(state, strict=False)
    assert not unexpected
    assert all("crossattention" in name or "position_ids" in name for name in missing)
    model.tie_weights()
    return model


def take_head(naming, theirs, named: list[int]) -> None:
    """Give a head the weights of one of transformers'."""
    with torch.no_grad():
        head = theirs.cls.predictions
        naming.dense.load_state_dict(head.transform.dense.state_dict())
        naming.norm.load_state_dict(head.transform.LayerNorm.state_dict())
        torch.manual_seed(11)
        head.bias.copy_(torch.randn(ROWS) * 0.1)
        naming.bias.copy_(head.bias[torch.tensor(named)])


def test_hidden_words_cost_what_transformers_says(base):
    from transformers import BertForMaskedLM

    model, task = exact(base), everything(TEXTS)
    asked = Masking(model, replace(task, words=list(range(ROWS))), AdaptRecipe(method="mlm")).eval()
    theirs = bert(base, BertForMaskedLM)
    take_head(asked.naming, theirs, list(range(ROWS)))
    hidden = [masked(text, 0.4, HIDE, range(20, 60), chance(0, 1, row)) for row, text in enumerate(TEXTS)]
    wanted = [[text[place] for place in one.places] for text, one in zip(TEXTS, hidden, strict=True)]
    total, count = asked.named(model, [one.ids for one in hidden], [one.places for one in hidden], wanted)
    assert count == sum(map(len, wanted))

    longest = max(map(len, TEXTS))
    ids = torch.full((len(TEXTS), longest), PAD)
    labels = torch.full((len(TEXTS), longest), -100)
    for row, (text, one) in enumerate(zip(TEXTS, hidden, strict=True)):
        ids[row, : len(text)] = torch.tensor(one.ids)
        labels[row, one.places] = torch.tensor(text)[one.places]
    there = torch.tensor([[1] * len(text) + [0] * (longest - len(text)) for text in TEXTS])
    found = theirs(input_ids=ids, attention_mask=there, labels=labels).loss
    torch.testing.assert_close(total / count, found, rtol=1e-5, atol=1e-6)

    (total / count).backward()
    found.backward()
    for name, value in model.bert.named_parameters():
        if value.requires_grad:
            other = dict(theirs.bert.named_parameters())[name].grad
            torch.testing.assert_close(value.grad, other, rtol=1e-4, atol=1e-6, msg=name)


def sentence_transformer(base, folder: Path):
    """The tiny encoder as sentence-transformers has it, with the mean as long as the root of its size."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules
    from transformers import BertForMaskedLM, BertTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{number}" for number in range(5, ROWS))]
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    bert(base, BertForMaskedLM).save_pretrained(folder)
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)

    class Longer(torch.nn.Module):
        def forward(self, features):
            vector = torch.nn.functional.normalize(features["sentence_embedding"], dim=-1)
            return features | {"sentence_embedding": vector * DIM**0.5}

    layers = modules.Transformer(str(folder), config_args={"attn_implementation": "eager"})
    return SentenceTransformer(modules=[layers, modules.Pooling(DIM, "mean"), Longer()], device="cpu").eval()


def features(texts):
    longest = max(map(len, texts))
    ids = torch.tensor([[*text, *[PAD] * (longest - len(text))] for text in texts])
    return {"input_ids": ids, "attention_mask": (ids != PAD).long(), "token_type_ids": torch.zeros_like(ids)}


def test_writing_a_text_again_costs_what_sentence_transformers_says(base, tmp_path):
    from sentence_transformers.sentence_transformer import losses

    model, task = exact(base), everything(TEXTS)
    asked = Denoising(model, task, AdaptRecipe(deleted=0.5)).eval()
    theirs = losses.DenoisingAutoEncoderLoss(sentence_transformer(base, tmp_path), tie_encoder_decoder=True).eval()
    take_head(asked.naming, theirs.decoder, [*task.words, LAST])
    ours = dict(asked.decoder.named_parameters())
    with torch.no_grad():
        for name, value in theirs.decoder.bert.named_parameters():
            if "crossattention" in name:
                ours[name].copy_(value)
            elif "word_embeddings" not in name:
                torch.testing.assert_close(ours[name], value)

    noisy = [deleted(text, 0.5, chance(0, 3, row)) for row, text in enumerate(TEXTS)]
    total, count = asked.losses(model, list(enumerate(TEXTS)), 3)
    assert count == sum(len(text) - 1 for text in TEXTS)
    found = theirs([features(noisy), features(TEXTS)], None)
    torch.testing.assert_close(total / count, found, rtol=1e-5, atol=1e-6)

    (total / count).backward()
    found.backward()
    for name, value in theirs.decoder.bert.named_parameters():
        if ours.get(name) is not None and ours[name].requires_grad:
            torch.testing.assert_close(ours[name].grad, value.grad, rtol=1e-4, atol=1e-6, msg=name)


def test_a_decoder_shares_the_encoders_layers_and_adds_its_attention_to_the_vector(base):
    model = exact(base)
    asked = Denoising(model, planted(), AdaptRecipe())
    own = dict(model.bert.named_parameters())
    shared = [name for name, value in asked.decoder.named_parameters() if own.get(name) is value]
    assert set(shared) == set(own)
    new = added(asked, model)
    assert all("crossattention" in name or "naming" in name for name in new)
    assert not any("query" in name or "key" in name for name in new)
    attention = [value for name, value in new.items() if "crossattention" in name and value.dim() > 1]
    assert len(attention) == 4
    assert all(0.015 < float(value.detach().std()) < 0.025 for value in attention)


def test_every_token_has_one_row_also_where_a_text_has_the_last_special_one_in_it(base):
    model = exact(base)
    texts = [[FIRST, 20, LAST, 21, LAST], [FIRST, 22, 23, LAST]]
    task = AdaptLesson(texts, texts, [LAST, 20, 21, 22, 23], HIDE)
    naming = Denoising(model, task, AdaptRecipe()).naming
    assert torch.equal(naming.rows, model.rows[[LAST, 20, 21, 22, 23]])
    assert naming.place[[LAST, 23, 40]].tolist() == [0, 4, -1]


def test_what_is_said_of_a_text_is_read_from_its_vector_alone(base):
    """Texts that begin alike are told apart by their vectors; the tokens to come are not seen."""
    model = exact(base)
    asked = Denoising(model, everything(TEXTS), AdaptRecipe()).eval()
    with torch.no_grad():
        one, other = torch.randn(2, 1, DIM, generator=torch.Generator().manual_seed(0)) * 3
        short, long = [FIRST, 20, 31, LAST], [FIRST, 20, 31, LAST, 55, 56, LAST]
        told = asked.written(model, one, [short])[0]
        assert float(asked.written(model, other, [short])[0]) != pytest.approx(float(told))
        together = asked.written(model, torch.cat([one, one]), [short, long])[0]
        alone = told + asked.written(model, one, [long])[0]
        assert float(together) == pytest.approx(float(alone), rel=1e-5)
        # The loss of the first three tokens is the same whatever stands behind them.
        begun = asked.written(model, one, [[FIRST, 20, 31, LAST, 60, 61, LAST]])[0]
        rest = asked.written(model, one, [long])[0]
        assert float(told) < min(float(begun), float(rest))


# --- training --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["tsdae", "mlm"])
def test_what_was_planted_is_learnt_and_the_encoder_has_its_part_in_it(base, tmp_path, method):
    """Held-out texts cost far less than by chance, and less than where only the parts that are new may learn."""
    settings = replace(FAST, epochs=12, rate=3e-3, new_rate=1e-2, layer_decay=1.0, save_every=100)
    recipe = AdaptRecipe(method=method, masked=0.3, fit=settings)
    _, seen, _, moved = run(base, tmp_path / "moved", recipe)
    _, _, _, still = run(base, tmp_path / "still", replace(recipe, fit=replace(settings, rate=1e-12)))
    assert moved.before > math.log(48)
    assert moved.epochs[-1] < math.log(48) - 0.5
    assert moved.epochs[-1] < still.epochs[-1] - 0.2
    assert len(moved.epochs) == 12
    assert set(seen[0][1]) == {"tokens"}
    log = [json.loads(line) for line in (tmp_path / "moved" / "log.jsonl").read_text("utf-8").splitlines()]
    assert [line["held_out"] for line in log] == list(moved.epochs)


@pytest.mark.parametrize(("method", "stop_at"), [("tsdae", 3), ("tsdae", 8), ("mlm", 11)])  # an epoch is 8 steps
def test_an_interrupted_run_ends_with_the_same_weights(base, tmp_path, method, stop_at):
    settings = replace(FAST, keep=0.5, dropout=0.1, mixture=0.7, alone=0.2)
    recipe = AdaptRecipe(method=method, fit=settings)
    unbroken, seen, _, outcome = run(base, tmp_path / "whole", recipe)
    run(base, tmp_path / "parts", recipe, stop_at=stop_at)
    resumed, later, done, again = run(base, tmp_path / "parts", recipe)
    assert done == stop_at
    assert later == seen[stop_at:]
    assert {"tokens", "keep"} == seen[0][1].keys()
    assert same(weights(unbroken), weights(resumed))
    assert outcome == again
    logs = [(tmp_path / part / "log.jsonl").read_bytes() for part in ("whole", "parts")]
    assert logs[0] == logs[1]
    other, _, _, _ = run(base, tmp_path / "other", replace(recipe, fit=replace(settings, seed=6)))
    assert not same(weights(unbroken), weights(other))


def test_the_encoder_stands_still_while_the_rest_learns_alone(base, tmp_path):
    recipe = AdaptRecipe(fit=replace(FAST, epochs=1, alone=0.5))
    first = {name: value.detach().clone() for name, value in TunedEncoder(base).trained().items()}
    new = added(AdaptFit(TunedEncoder(base), planted(), recipe, tmp_path).asked, TunedEncoder(base))
    for stop_at, moved in ((4, False), (5, True)):
        fit, _, _, _ = run(base, tmp_path / str(stop_at), recipe, stop_at=stop_at)
        assert same(weights(fit), first) is not moved
        assert not same(added(fit.asked, fit.model), new)


def test_vectors_are_kept_and_mixed_with_those_before(base, tmp_path):
    task = planted()

    def moved(name, **changes) -> float:
        fit = run(base, tmp_path / name, AdaptRecipe(fit=replace(FAST, **changes)))[0]
        return float(1 - (fit.model.vectors(task.texts) * TunedEncoder(base).vectors(task.texts)).sum(1).mean())

    free, kept, mixed = moved("free"), moved("kept", keep=20.0), moved("mixed", mixture=0.3)
    assert free > 0.001
    assert kept < free / 2
    assert mixed < free / 2
    first = TunedEncoder(base).trained()
    half = run(base, tmp_path / "half", AdaptRecipe(fit=replace(FAST, mixture=0.5)))[0].model.trained()
    whole = run(base, tmp_path / "whole", AdaptRecipe(fit=FAST))[0].model.trained()
    for name, value in first.items():
        torch.testing.assert_close(half[name], (value + whole[name]) / 2)


def test_every_text_is_learnt_once_an_epoch_in_another_order():
    found = [batches(10, 4, 0, epoch) for epoch in (0, 1)]
    for one in found:
        assert [len(rows) for rows in one] == [4, 4, 2]
        assert sorted(row for rows in one for row in rows) == list(range(10))
    assert found[0] != found[1]
    assert found[0] == batches(10, 4, 0, 0)


def test_what_is_taken_from_a_text_is_another_in_every_epoch_and_always_the_same_of_those_apart(
    base, tmp_path, monkeypatch
):
    turns: list[tuple[bool, int]] = []
    asked = Masking.losses

    def noted(self, encoder, items, turn):
        turns.append((encoder.training, turn))
        return asked(self, encoder, items, turn)

    monkeypatch.setattr(Masking, "losses", noted)
    run(base, tmp_path, AdaptRecipe(method="mlm", fit=FAST))
    assert {turn for training, turn in turns if training} == {1, 2}
    assert {turn for training, turn in turns if not training} == {0}


def test_a_step_in_parts_has_the_gradient_of_the_whole(base, tmp_path, monkeypatch):
    from aisle.training.adapt import fit as module

    found = {}
    for budget in (1_024, 8):
        monkeypatch.setattr(module, "_BUDGET", budget)
        one, _, _, _ = run(base, tmp_path / str(budget), AdaptRecipe(fit=replace(FAST, epochs=1)), stop_at=1)
        found[budget] = {name: value.grad for name, value in one.model.trained().items() if value.grad is not None}
    for name, value in found[1_024].items():
        torch.testing.assert_close(value, found[8][name], rtol=0.1, atol=2e-3)  # bf16
