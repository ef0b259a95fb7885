"""Layers that stay learn what all did; a broken run goes on to the same weights."""

import dataclasses
import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from aisle.compress.front import make_front, pick, read_front  # noqa: E402
from aisle.compress.measure import scores  # noqa: E402
from aisle.compress.plan import AS_IT_IS, Plan  # noqa: E402
from aisle.compress.recover import PairLesson, Recovery  # noqa: E402
from aisle.compress.recovery_settings import RecoverySettings  # noqa: E402
from aisle.compress.shrink import Shrinking  # noqa: E402
from aisle.encoders.onnx import OnnxEncoder  # noqa: E402
from aisle.errors import ArtifactError  # noqa: E402
from tests.compress import small  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("default")]
TEXTS = list(small.TITLES)
SETTINGS = {"epochs": 40, "batch": 8, "rate": 2e-3, "threads": 1, "save_every": 1}


def steps(model, work):
    return Shrinking(model, small.material(), work, lambda _: None, lambda *_: None)


@pytest.mark.parametrize("made", [small.encoder, small.cross])
def test_two_layers_trained_are_nearer_to_all_four_than_two_layers_cut_out(made, tmp_path):
    model = small.written(made(), tmp_path / "model")
    apart = {}
    before = scores(model.folder, small.material())
    for name, epochs in (("cut out", 0), ("trained", 40)):
        plan = Plan.from_dict({"layers": 2, "precision": "float32", "recovery": SETTINGS | {"epochs": epochs}})
        facts = steps(model, tmp_path / "work").make(plan, tmp_path / name)
        assert facts["layers"]["kept"] == [0, 3]
        apart[name] = float(np.corrcoef(before, scores(tmp_path / name, small.material()))[0, 1])
    assert facts["layers"]["recovery"]["after"] < facts["layers"]["recovery"]["before"]
    assert apart["trained"] > apart["cut out"]
    assert apart["trained"] > 0.9


class Broken(Exception):
    pass


def test_a_broken_run_ends_with_the_weights_of_an_unbroken_one(tmp_path):
    model = small.written(small.encoder(), tmp_path / "model")
    plan = Plan.from_dict({"layers": 1, "precision": "float32", "recovery": SETTINGS | {"epochs": 4}})
    steps(model, tmp_path / "one").make(plan, tmp_path / "unbroken")

    def stop(step, of, loss):
        if step == 5:
            raise Broken

    with pytest.raises(Broken):
        Shrinking(model, small.material(), tmp_path / "two", lambda _: None, stop).make(plan, tmp_path / "broken")
    seen = []
    Shrinking(model, small.material(), tmp_path / "two", lambda _: None, lambda step, *_: seen.append(step)).make(
        plan, tmp_path / "broken"
    )
    assert seen[0] == 5, "the fifth step was not saved"
    both = [(tmp_path / name / "model.onnx").read_bytes() for name in ("unbroken", "broken")]
    assert both[0] == both[1]


def test_the_loss_of_pairs_is_0_where_the_student_says_what_the_teacher_says():
    wanted = np.array([0.5, -1.0, 2.0, 0.0], np.float32)
    said = torch.tensor(wanted)
    lesson = PairLesson(lambda rows: said[list(rows)], wanted, [[0, 1], [2, 3]])
    assert float(lesson.loss([0, 1, 2, 3])) == pytest.approx(0, abs=1e-6)
    other = PairLesson(lambda rows: said[list(rows)] * 2, wanted, [[0, 1], [2, 3]])
    spread = float(torch.tensor(wanted).std())
    errors = (wanted / spread) ** 2
    chances = [np.exp(x) / np.exp(x).sum() for x in (wanted[:2] / spread, wanted[2:] / spread)]
    doubled = [np.exp(2 * x) / np.exp(2 * x).sum() for x in (wanted[:2] / spread, wanted[2:] / spread)]
    divergence = [float((p * np.log(p / q)).sum()) for p, q in zip(chances, doubled, strict=True)]
    assert float(other.loss([0, 1, 2, 3])) == pytest.approx(errors.mean() + np.mean(divergence), abs=1e-4)


def test_batches_hold_every_row_once_and_keep_pairs_of_a_query_together():
    lesson = PairLesson(lambda rows: torch.zeros(len(rows)), np.zeros(20, np.float32), [range(6), range(6, 20)])
    batches = lesson.batches(8, "0:0")
    assert sorted(row for batch in batches for row in batch) == list(range(20))
    assert sum(set(range(6)) <= set(batch) for batch in batches) == 1
    assert batches == lesson.batches(8, "0:0")
    assert batches != lesson.batches(8, "0:1")


def test_no_epochs_leave_a_student_as_it_is(tmp_path):
    student = torch.nn.Linear(2, 1)
    first = student.weight.detach().clone()
    lesson = PairLesson(lambda rows: student(torch.ones(len(rows), 2))[:, 0], np.zeros(2, np.float32), [[0, 1]])
    assert Recovery(student, lesson, RecoverySettings(epochs=0, threads=1), tmp_path).run(lambda *_: None).steps == 0
    assert torch.equal(first, student.weight)


def test_a_front_is_made_measured_and_goes_on(tmp_path):
    model = small.written(small.encoder(), tmp_path / "model")
    quick = SETTINGS | {"epochs": 1}
    plans = [Plan(max_tokens=8), Plan(precision="static"), Plan.from_dict({"layers": 2, "recovery": quick})]
    front = make_front(steps(model, tmp_path / "work"), plans, tmp_path / "front", rounds=1)
    assert [point.label for point in front.points] == [AS_IT_IS, *(plan.label for plan in plans)]
    assert front.measure == "nDCG@10"
    assert read_front(tmp_path / "front") == front
    assert "<svg" in (tmp_path / "front" / "front.svg").read_text("utf-8")
    chosen = pick(front, 1e6)
    assert OnnxEncoder(tmp_path / "front" / chosen.folder).dim == small.HIDDEN

    def never(*_):
        raise AssertionError("it was made already")

    again = dataclasses.replace(steps(model, tmp_path / "work"), progress=never)
    second = make_front(again, plans, tmp_path / "front", rounds=1)
    assert [(p.label, p.quality, p.size) for p in second.points] == [(p.label, p.quality, p.size) for p in front.points]
    other = Shrinking(model, small.material(graded=False), tmp_path / "work", lambda _: None, never)
    with pytest.raises(ArtifactError, match="is no front of this model and these texts"):
        make_front(other, plans, tmp_path / "front", rounds=1)
    assert json.loads((tmp_path / "front" / "front.json").read_text("utf-8"))["pairs"] == 48
