"""Distillation on a tiny encoder: it comes to agree with its teacher, an interruption changes nothing."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from aisle.errors import RecipeError
from aisle.training.distil.recipe import StepSettings
from aisle.training.distil.student import kept_layers, with_layers

torch = pytest.importorskip("torch")

from aisle.encoders.export import write_encoder  # noqa: E402
from aisle.encoders.onnx import OnnxEncoder  # noqa: E402
from aisle.encoders.weights import EncoderWeights, read_weights  # noqa: E402
from aisle.training.distil.fit import DistilFit, DistilLesson, Guide  # noqa: E402
from aisle.training.relevance.data import Lesson  # noqa: E402
from aisle.training.relevance.lists import Lists, lists_of  # noqa: E402
from aisle.training.relevance.model import TunedEncoder  # noqa: E402
from tests.training.tiny import tiny_encoder  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("default")]

DIM, ROWS, COUNT = 32, 40, 15
FAST = StepSettings(epochs=6, queries=4, per_query=4, rate=3e-3, threads=1, save_every=1, seed=5)


class StoppedError(Exception):
    """Ctrl-C, as it were."""


@pytest.fixture(scope="module")
def base() -> EncoderWeights:
    return tiny_encoder(3, ROWS)


def lesson() -> DistilLesson:
    """A teacher that orders each query's six texts by a table of its own, which no words tell."""
    draw = np.random.default_rng(1)
    texts = tuple(tuple((query + step * 2) % COUNT for step in range(6)) for query in range(COUNT))
    scores = tuple(tuple((row - row.mean()) / row.std()) for row in draw.normal(size=(COUNT, 6)))
    queries = [[2, number, 3] for number in range(5, 20)]
    return DistilLesson(queries, [[2, 20 + number, 3] for number in range(5, 20)], Lists(texts, scores), 0.1)


def labelled() -> Lesson:
    lists = lists_of([[0, 1], [2, 3]], [0, 1, 2, 3], np.array([3.0, 0.0, 0.0, 3.0]))
    queries, texts = [[2, 5, 3], [2, 6, 3]], [[2, 20 + number, 3] for number in range(4)]
    return Lesson(queries, texts, lists, lists_of([], [], np.empty(0)), range(2), ())


def agreement(model, task) -> float:
    """Mean correlation within lists of cosines and the teacher's scores."""
    queries, texts = model.vectors(task.queries), model.vectors(task.texts)
    found = [
        float(np.corrcoef(texts[list(row)] @ queries[at], scores)[0, 1])
        for at, (row, scores) in enumerate(zip(task.lists.texts, task.lists.levels, strict=True))
    ]
    return float(np.mean(found))


def run(base, folder, settings=FAST, task=None, stop_at=0):
    folder.mkdir(exist_ok=True)
    fit = DistilFit(TunedEncoder(base), task or lesson(), settings, folder)
    done, seen = fit.resume(), []

    def report(step, steps, losses):
        seen.append((step, dict(losses)))
        if step == stop_at:
            raise StoppedError("Ctrl-C")

    if stop_at:
        with pytest.raises(StoppedError, match="Ctrl-C"):
            fit.run(report)
    else:
        fit.run(report)
    return fit, seen, done


def weights(fit) -> dict:
    return {name: value.detach().clone() for name, value in fit.model.trained().items()}


def same(left: dict, right: dict) -> bool:
    return all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize("loss", [{"listwise": 1.0}, {"listwise": 0.0, "margin": 1.0}])
def test_a_student_comes_to_order_texts_as_its_teacher_does(base, tmp_path, loss):
    before = agreement(TunedEncoder(base), lesson())
    fit, seen, _ = run(base, tmp_path, replace(FAST, epochs=20, **loss))
    assert before < 0.4
    assert agreement(fit.model, lesson()) > before + 0.3
    assert seen[-1][1].keys() == {name for name, weight in loss.items() if weight}
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(log) == 20


def test_a_student_comes_near_the_vectors_of_its_guide(base, tmp_path):
    draw, task = np.random.default_rng(2), lesson()
    both = draw.normal(size=(2, COUNT, DIM)).astype(np.float32)
    both /= np.linalg.norm(both, axis=2, keepdims=True)
    guide = Guide(both[0], both[1])

    def nearness(model) -> float:
        queries, texts = model.vectors(task.queries), model.vectors(task.texts)
        return float(((queries * guide.queries).sum(1) + (texts * guide.texts).sum(1)).mean() / 2)

    before = nearness(TunedEncoder(base))
    fit, _, _ = run(base, tmp_path, replace(FAST, listwise=0.0, vectors=1.0, epochs=15), replace(task, guide=guide))
    assert before < 0.2
    assert nearness(fit.model) > before + 0.3


@pytest.mark.parametrize("stop_at", [3, 8, 10])  # an epoch is 8 steps
def test_an_interrupted_run_ends_with_the_same_weights(base, tmp_path, stop_at):
    settings = replace(FAST, epochs=2, margin=0.5, vectors=0.5, labels=1.0)
    whole = TunedEncoder(base)
    task = lesson()
    task = replace(task, guide=Guide(whole.vectors(task.queries), whole.vectors(task.texts)), labelled=labelled())
    unbroken, seen, _ = run(base, tmp_path / "whole", settings, task)
    run(base, tmp_path / "parts", settings, task, stop_at)
    resumed, later, done = run(base, tmp_path / "parts", settings, task)
    assert done == stop_at
    assert later == seen[stop_at:]
    assert {"listwise", "margin", "vectors", "labels"} == seen[0][1].keys()
    assert same(weights(unbroken), weights(resumed))


def test_labels_count_where_they_are_weighed(base, tmp_path):
    task = replace(lesson(), labelled=labelled())

    def margin(fit) -> float:
        own = fit.model.vectors(task.labelled.queries) @ fit.model.vectors(task.labelled.texts).T
        return float(own[0, 0] - own[0, 1] + own[1, 3] - own[1, 2])

    without = run(base, tmp_path / "without", FAST, task)[0]
    with_them = run(base, tmp_path / "with", replace(FAST, labels=2.0), task)[0]
    assert margin(with_them) > margin(without) + 0.1


def test_layers_that_stay_are_spread_from_the_first_to_the_last():
    assert kept_layers(6, 1) == [0]
    assert kept_layers(6, 2) == [0, 5]
    assert kept_layers(6, 3) == [0, 2, 5]
    assert kept_layers(6, 6) == list(range(6))


def test_an_encoder_of_fewer_layers_is_the_layers_that_stay(base, tmp_path):
    small = with_layers(base, 2)
    assert small.shape.layers == 2
    name = "attention.self.query.weight"
    assert np.array_equal(small.weights[f"encoder.layer.1.{name}"], base.weights[f"encoder.layer.2.{name}"])
    # The hidden states by hand: embeddings, then layers 0 and 2 of the whole model.
    whole = TunedEncoder(base).eval()
    ids = [[2, 7, 9, 3]]
    with torch.no_grad():
        hidden = whole.bert.embeddings(inputs_embeds=whole.rows[torch.tensor(ids)])
        for number in (0, 2):
            hidden = whole.bert.encoder.layer[number](hidden, torch.zeros(1, 1, 1, 4))
            hidden = hidden[0] if isinstance(hidden, tuple) else hidden
        mean = hidden.mean(1)
        found = TunedEncoder(small).eval()(ids)
    torch.testing.assert_close(found, mean / mean.norm(), atol=1e-4, rtol=1e-4)
    assert with_layers(base, 0) is base
    with pytest.raises(RecipeError, match="layers=4 of an encoder with 3"):
        with_layers(base, 4)


def test_a_small_packaged_encoder_is_served_in_8_bits(tmp_path):
    from aisle.encoders.embedded import FOLDER

    small = with_layers(read_weights(FOLDER), 2)
    write_encoder(small.weights, small.shape, small.tokenizers, tmp_path / "small", {"han_offset": 30522}, small.words)
    encoder = OnnxEncoder(tmp_path / "small", 1)
    assert read_weights(tmp_path / "small").shape.layers == 2
    found = encoder.encode(["usb hub", "wine rack"], "query")
    model = TunedEncoder(small)
    expected = model.vectors(encoder.tokenizer(64).ids(["usb hub", "wine rack"]))
    assert float((found * expected).sum(1).min()) > 0.98
