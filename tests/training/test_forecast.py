"""Operations and memory against counts by hand and against what a pass really keeps; the training is not touched."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")

from aisle.training.batches import grouped  # noqa: E402
from aisle.training.relevance.cross_model import CrossModel, begin  # noqa: E402
from aisle.training.relevance.fit import Fit  # noqa: E402
from aisle.training.relevance.forecast import (  # noqa: E402
    _Memory,
    forward_operations,
    operations,
    pace,
    validated,
)
from aisle.training.relevance.model import TunedEncoder  # noqa: E402
from aisle.training.relevance.recipe import FitSettings  # noqa: E402
from tests.training.tiny import planted, tiny_encoder  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("default")]

SETTINGS = FitSettings(epochs=3, queries=8, per_query=4, threads=1, track="none")


def test_operations_by_hand():
    """Two layers of width 32 with a feed-forward part of 64; one batch of three texts, padded to five tokens."""
    weights = 2 * (4 * 32 * 32 + 2 * 32 * 64)  # query, key, value, output; up and down
    attention = 2 * 2 * 32 * 5  # scores and their use, for each token
    model = TunedEncoder(tiny_encoder())
    assert forward_operations(model, [5, 3, 4]) == 2 * 15 * (weights + attention)
    assert grouped([5, 3, 4]) == [[1, 2, 0]]


@pytest.mark.parametrize(
    ("extra", "passes"),
    [
        ({}, 3),
        ({"checkpointing": True}, 4),
        ({"accumulate": 2}, 4),
        ({"accumulate": 2, "in_batch": 0.0}, 3),
        ({"adversarial": 0.01}, 6),
        ({"fgm": 0.01}, 6),
        ({"adversarial": 0.01, "fgm": 0.01}, 9),
    ],
)
def test_a_step_is_so_many_passes(tmp_path, extra, passes):
    model = TunedEncoder(tiny_encoder())
    fit = Fit(model, planted(), replace(SETTINGS, **extra), tmp_path)
    chunks = fit.batches(0)[0]
    ids, _ = fit.items(chunks)
    forward = forward_operations(model, [len(row) for row in ids])
    assert operations(model, fit, chunks) == pytest.approx(passes * forward, rel=0.15)


def cross(layers=2):
    return CrossModel(begin(tiny_encoder(layers), ("late", "match", "mean"), 0, 12, 4))


def test_a_step_of_a_cross_encoder_is_its_pairs(tmp_path):
    """Every text of a list goes through with its query: [CLS], a word, [SEP], then the text and its own [SEP]."""
    model = cross()
    fit = Fit(model, planted(), replace(SETTINGS, in_batch=0.0, loss="pairwise"), tmp_path)
    chunks = fit.batches(0)[0]
    lengths = [3 + len(planted().texts[text]) - 1 for chunk in chunks for text in chunk.texts]
    assert operations(model, fit, chunks) == 3 * forward_operations(model, lengths)
    every = [3 + len(planted().texts[text]) - 1 for row in planted().train.texts for text in row]
    assert validated(model, planted()) == every


@pytest.mark.parametrize("extra", [{}, {"precision": "fp32"}, {"checkpointing": True}])
def test_what_a_larger_pass_of_pairs_keeps_follows_from_small_ones(tmp_path, extra):
    settings = replace(SETTINGS, in_batch=0.0, loss="pairwise", **extra)
    model = cross(4)
    memory = _Memory(model, Fit(model, planted(), settings, tmp_path))
    for texts, tokens in ((16, 12), (40, 16), (7, 9)):
        thought = memory.constant + texts * tokens * (memory.per_token + memory.per_pair * tokens)
        assert thought == pytest.approx(memory._kept(texts, tokens), rel=0.05)


@pytest.mark.parametrize("extra", [{}, {"precision": "fp32"}, {"checkpointing": True}, {"dropout": 0.1}])
def test_what_a_larger_pass_keeps_follows_from_small_ones(tmp_path, extra):
    settings = replace(SETTINGS, **extra)
    model = TunedEncoder(tiny_encoder(4), settings.dropout)
    memory = _Memory(model, Fit(model, planted(), settings, tmp_path))
    for texts, tokens in ((16, 12), (40, 16), (7, 9)):
        thought = memory.constant + texts * tokens * (memory.per_token + memory.per_pair * tokens)
        assert thought == pytest.approx(memory._kept(texts, tokens), rel=0.03)


def test_parts_need_less_memory_and_the_optimiser_as_much(tmp_path):
    found = {}
    for parts in (1, 4):
        model = TunedEncoder(tiny_encoder(4))
        settings = replace(SETTINGS, accumulate=parts, precision="fp32")
        (tmp_path / str(parts)).mkdir()
        found[parts] = pace(model, planted(), settings, tmp_path / str(parts))
    assert found[4].step_memory < 0.5 * found[1].step_memory
    trained = sum(value.numel() for value in TunedEncoder(tiny_encoder(4)).trained().values())
    assert found[1].weights_memory == found[4].weights_memory == 5 * 4 * trained
    assert found[1].steps == 3 * 3  # 15 lists, 7 of them in two parts, by eights
    assert found[1].seconds == pytest.approx(found[1].operations * found[1].seconds_per_operation)
    assert 0 < found[1].utilisation["share"] < 2


def test_a_forecast_leaves_the_training_as_it_was(tmp_path):
    ends = []
    for name in ("with", "without"):
        (tmp_path / name).mkdir()
        if name == "with":
            pace(TunedEncoder(tiny_encoder()), planted(), SETTINGS, tmp_path / name)
            for path in (tmp_path / name).iterdir():  # the checkpoint that was timed
                path.unlink()
        fit = Fit(TunedEncoder(tiny_encoder()), planted(), SETTINGS, tmp_path / name)
        fit.run(lambda *_: None)
        ends.append(fit.model.trained())
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_the_command_says_it_before_training_and_keeps_nothing(tmp_path):
    from aisle.cli.main import cli

    lines = ["query,title,relevance"]
    for number in range(24):
        lines += [f"thing {number},thing {number} new,2", f"thing {number},other {number + 1},0"]
    (tmp_path / "pairs.csv").write_text("\n".join(lines), encoding="utf-8")
    given = ["train", "--pairs", str(tmp_path / "pairs.csv"), "--estimate", "--json", "--set", "fit.threads=1"]
    result = CliRunner().invoke(cli, [*given, "--set", "model=full"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["model"] == "full"
    # as many as five epochs of all queries: twice for the encoder, once for the cross-encoder
    assert found["steps"] == 5 * 2 * 2 + 5 * 2
    assert {"cross-encoder, steps", "cross-encoder, scoring", "steps", "words"} <= set(found["parts"])
    assert found["seconds"] == pytest.approx(sum(found["parts"].values()), abs=0.05)
    assert found["memory"] > 2**28
    assert found["told"].startswith("about ")
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.csv"]
    head = CliRunner().invoke(cli, [*given[:-2], "--set", "model=head"])
    assert "a task head takes seconds" in head.stdout
    missing = CliRunner().invoke(cli, given[:3])
    assert "--out is missing" in str(missing.exception)
