"""The loop on a tiny corpus: an interruption changes nothing, a kill costs nothing, and the loss falls."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aisle.training.bilingual.compose import Example

torch = pytest.importorskip("torch")

from tests.training.test_student import OFFSET, WORDS, bert_folder, new_student  # noqa: E402  needs PyTorch

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("default")]

BATCH = {"names": 6, "sentences": 3, "pairs": 6, "anchors": 4, "threads": 1, "split": 0.3, "further": 4}
PARTS = {"names", "sentences", "anchors", "search", "across", "titles", "title_places", "queries", "seconds_a_step"}


class StoppedError(Exception):
    """Ctrl-C, as it were."""


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return bert_folder(tmp_path_factory.mktemp("bert"))


def unit(count: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, 32))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


def tiny_corpus(written: bool):
    """Eight texts of each kind; every third query and every second title has no English.

    Titles are composed, two of one thing, or written.
    """
    from aisle.training.bilingual.train import Aligned, Corpus, Pairs

    chance = random.Random(4)

    def texts(low: int, high: int) -> list[list[int]]:
        return [[2, *(chance.randrange(low, high) for _ in range(chance.randint(1, 6))), 3] for _ in range(8)]

    def aligned(ids: list[list[int]], seed: int) -> Aligned:
        return Aligned(ids, unit(8, seed), np.cumsum(np.arange(1.0, 9.0)))

    end = OFFSET + len(WORDS.words)
    things = [-1 if written else number // 2 for number in range(8)]
    examples = [
        Example(f"查{n}", f"t{n}", "", "", thing, frozenset(["red"] * (n % 2)), frozenset(["red"] * (n % 3)))
        for n, thing in enumerate(things)
    ]
    queries, titles = unit(8, 5), unit(8, 6)
    queries[::3], titles[1::2] = 0, 0
    keys = np.arange(8) if written else np.array(things)
    even = np.cumsum(np.ones(8))
    pairs = Pairs(examples, texts(OFFSET, end), texts(5, end), queries, titles, keys, even, even)
    return Corpus(aligned(texts(OFFSET, end), 7), aligned(texts(OFFSET, end), 8), aligned(texts(5, OFFSET), 9), pairs)


def new_trainer(source: Path, folder: Path, written: bool = False, **settings):
    from aisle.training.bilingual.train import Settings, Trainer
    from aisle.training.bilingual.vocabulary import pieces_of

    student, _ = new_student(source)
    folder.mkdir(exist_ok=True)
    return Trainer(student, tiny_corpus(written), pieces_of(WORDS), Settings(**(BATCH | settings)), folder)


def run(trainer, stop_at: int = 0) -> dict[int, dict[str, float]]:
    """The losses by step; with ``stop_at`` it ends there as an interrupted run does."""
    found: dict[int, dict[str, float]] = {}

    def report(step: int, losses: dict[str, float]) -> None:
        found[step] = losses
        if step == stop_at:
            raise StoppedError("Ctrl-C")

    if stop_at:
        with pytest.raises(StoppedError, match="Ctrl-C"):
            trainer.run(report)
    else:
        trainer.run(report)
    return found


def without_time(losses: dict[str, float]) -> dict[str, float]:
    assert losses.keys() == PARTS
    return {name: value for name, value in losses.items() if name != "seconds_a_step"}


def total(losses: dict[str, float]) -> float:
    return sum(without_time(losses).values())


def weights(trainer) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in trainer.student.state().items()}


HARD = {"hard": 4, "mine_every": 4, "words": True}


@pytest.mark.parametrize(
    ("stop_at", "hard"),
    [(6, {}), (8, HARD), (6, HARD)],
    ids=["first stage", "last stage", "last stage between two searches"],
)
def test_an_interrupted_run_goes_on_as_if_it_had_not_been(source, tmp_path, stop_at, hard):
    settings = {"steps": 12, "horizon": 12, "save_every": 1, "row_rate": 1e-2, "body_rate": 1e-3, **hard}
    settings["written"] = bool(hard)
    whole = new_trainer(source, tmp_path / "whole", **settings)
    assert whole.resume() == 0
    expected = run(whole)
    assert sorted(expected) == list(range(1, 13))
    first = run(new_trainer(source, tmp_path / "parts", **settings), stop_at)
    assert sorted(first) == list(range(1, stop_at + 1))
    resumed = new_trainer(source, tmp_path / "parts", **settings)
    assert resumed.resume() == stop_at
    found = first | run(resumed)
    assert sorted(found) == list(range(1, 13))
    for step, losses in expected.items():
        assert without_time(found[step]) == pytest.approx(without_time(losses), rel=1e-5), step
    for name, value in weights(whole).items():
        torch.testing.assert_close(weights(resumed)[name], value, atol=1e-6, rtol=1e-5)
    assert total(expected[12]) != pytest.approx(total(expected[11]), rel=1e-5), "steps differ, so equality says much"


def test_the_same_seed_gives_the_same_run_and_another_another(source, tmp_path):
    runs = [
        run(new_trainer(source, tmp_path / name, steps=3, horizon=3, save_every=3, seed=seed))[3]
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    assert without_time(runs[0]) == without_time(runs[1]) != without_time(runs[2])


def test_the_loss_falls_and_the_log_says_so(source, tmp_path):
    trainer = new_trainer(
        source, tmp_path, steps=30, horizon=30, save_every=10, split=0.0, row_rate=2e-2, body_rate=2e-3
    )
    english = trainer.student.english.weight.clone()
    rows = trainer.student.rows()
    found = run(trainer)
    assert sorted(found) == [10, 20, 30]
    assert total(found[30]) < 0.8 * total(found[10])
    assert total(found[30]) < total(found[20]) < total(found[10])
    assert np.abs(trainer.student.rows() - rows).max() > 0.05
    assert torch.equal(trainer.student.english.weight, english), "English rows stay"
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line.pop("step") for line in log] == [10, 20, 30]
    assert log == [{name: round(value, 5) for name, value in losses.items()} for losses in found.values()]


def test_a_finished_run_has_nothing_left_to_do(source, tmp_path):
    run(new_trainer(source, tmp_path, steps=2, save_every=1))
    again = new_trainer(source, tmp_path, steps=2, save_every=1)
    assert again.resume() == 2
    assert run(again) == {}


def test_a_kill_between_writing_and_renaming_leaves_the_old_checkpoint(source, tmp_path, monkeypatch):
    settings = {"steps": 4, "save_every": 2, "further": 0}
    trainer = new_trainer(source, tmp_path, **settings)
    run(trainer, stop_at=2)
    old = weights(trainer)
    before = (tmp_path / "checkpoint.pt").read_bytes()

    def killed(path: Path, target: Path) -> None:
        raise StoppedError(f"{path.name} to {target.name}")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(StoppedError, match=r"^\.checkpoint\.pt\.part to checkpoint\.pt$"):
            trainer.run(lambda step, losses: None)
    assert (tmp_path / ".checkpoint.pt.part").stat().st_size > 0
    assert (tmp_path / "checkpoint.pt").read_bytes() == before
    resumed = new_trainer(source, tmp_path, **settings)
    assert resumed.resume() == 2
    assert weights(resumed).keys() == old.keys()
    assert all(torch.equal(value, old[name]) for name, value in weights(resumed).items())
    assert sorted(run(resumed)) == [4]
    assert new_trainer(source, tmp_path, **settings).resume() == 4


def test_a_half_written_part_is_never_read(source, tmp_path):
    (tmp_path / ".checkpoint.pt.part").write_bytes(b"half")
    assert new_trainer(source, tmp_path, steps=1).resume() == 0


def test_hard_negatives_are_near_titles_that_answer_another_query(source):
    from aisle.training.bilingual.train import Pairs, mine

    student, _ = new_student(source)
    chance = random.Random(6)
    ids = [[2, *(chance.randrange(5, OFFSET + len(WORDS.words)) for _ in range(5)), 3] for _ in range(80)]
    examples = [Example(f"查{n}", f"t{n}", "", "") for n in range(40)]
    examples[5] = Example("composed 查", "t5", "", "", thing=3)
    examples[6] = Example("english", "t6", "", "")
    english = unit(40, 7)
    english[1] = english[0]  # the teacher holds the two titles for the same
    later = np.ones(40)
    later[7] = 0
    keys = np.arange(100, 140)
    pairs = Pairs(examples, ids[:40], ids[40:], unit(40, 8), english, keys, np.cumsum(np.ones(40)), np.cumsum(later))
    found = mine(student, pairs)
    written = sorted(set(range(40)) - {5, 6, 7})
    assert sorted(found) == written
    with torch.no_grad():
        query, title = (student.joined(student(texts)) for texts in (ids[:40], ids[40:]))
        scores = (query @ title.T).numpy()
    for row, near in found.items():
        others = [at for at in written if at != row and {at, row} != {0, 1}]
        assert len(near) == len(set(near)) == 21
        assert set(near) <= set(others)
        best = sorted(scores[row, others], reverse=True)
        # From the fourth place to the 24th, as far as bfloat16 tells.
        assert best[23] - 0.03 < scores[row, near].min() <= scores[row, near].max() < best[3] + 0.03


def test_the_second_stage_draws_the_same_pairs_with_other_weights():
    corpus = tiny_corpus(written=True)
    later = np.cumsum([0.0, 3.0] * 4)
    pairs = replace(corpus.pairs, later_weight=later)
    assert [pairs.later_gain(row) for row in range(8)] == [0, 3] * 4
    drawn = replace(corpus, pairs=pairs).later()
    assert drawn.pairs.weight is later
    assert drawn.names is corpus.names
    assert drawn.pairs.examples is pairs.examples
