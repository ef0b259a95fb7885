"""What making smaller models takes is said beforehand and kept beside what it took; it changes nothing of them."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from aisle.compress.export import export  # noqa: E402
from aisle.compress.forecast import _shares, _training, forecast  # noqa: E402
from aisle.compress.front import make_front, read_front  # noqa: E402
from aisle.compress.material import from_pairs  # noqa: E402
from aisle.compress.model import read_served, tokenizer_of  # noqa: E402
from aisle.compress.plan import Plan  # noqa: E402
from aisle.compress.shrink import Shrinking  # noqa: E402
from aisle.errors import RecipeError  # noqa: E402
from aisle.judgments.pairs import PairSet  # noqa: E402
from aisle.training.relevance.forecast import Estimate  # noqa: E402
from tests.compress import small  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("default")]
FAST = {"epochs": 3, "batch": 8, "threads": 1, "save_every": 2}
DROPPED = Plan.from_dict({"layers": 2, "precision": "float32", "recovery": FAST})


def steps(model, work, said=None):
    return Shrinking(
        model, small.material(), work, said.append if said is not None else lambda _: None, lambda *_: None
    )


def model_of(kind, folder):
    if kind == "combination":
        return read_served(small.combination(folder))
    return small.written(getattr(small, kind)(), folder)


@pytest.mark.parametrize("kind", ["encoder", "cross", "combination"])
def test_it_is_said_and_kept_and_the_model_is_the_same_without_it(kind, tmp_path):
    model, said = model_of(kind, tmp_path / "model"), []
    export(steps(model, tmp_path / "work", said), DROPPED, tmp_path / "small", measured=True, rounds=1)
    report = json.loads((tmp_path / "small" / "compression.json").read_text("utf-8"))
    estimate, measured = report["took"]["estimate"], report["took"]["measured"]
    assert said[0] == f"estimate for a model: {Estimate(**estimate).told()}"
    trained = [facts["layers"]["recovery"]["steps"] for facts in (report["steps"], report["steps"].get("cross"))
               if facts]  # fmt: skip
    assert len(trained) == (2 if kind == "combination" else 1)
    assert estimate["steps"] == sum(trained)
    assert set(estimate["parts"]) == {"teaching", "steps", "checkpoints", "making", "measuring"}
    assert min(estimate["parts"].values()) >= 0
    assert estimate["seconds"] == pytest.approx(sum(estimate["parts"].values()), abs=0.03)
    assert estimate["memory"] > 2**26
    assert measured["seconds"] > 0
    assert measured["memory"] > 2**26
    assert not (tmp_path / "work" / "estimate").exists()
    steps(model, tmp_path / "again").make(DROPPED, tmp_path / "alone")
    files = sorted(path.relative_to(tmp_path / "alone") for path in (tmp_path / "alone").rglob("model.onnx"))
    assert len(files) == len(trained)
    for file in files:
        assert (tmp_path / "alone" / file).read_bytes() == (tmp_path / "small" / file).read_bytes()


def test_nothing_is_said_where_no_layers_are_trained_nor_by_a_run_that_goes_on(tmp_path):
    model, said = small.written(small.encoder(), tmp_path / "model"), []
    for plan in ({"precision": "float32"}, {"layers": 2, "recovery": {"epochs": 0}}):
        found = export(steps(model, tmp_path / "work", said), Plan.from_dict(plan), tmp_path / "small", True, 1)
        assert found.report["took"] == {}

    class Broken(Exception):
        pass

    def stop(*_):
        raise Broken

    broken = Shrinking(model, small.material(), tmp_path / "work", said.append, stop)
    with pytest.raises(Broken, match=r"^$"):
        export(broken, DROPPED, tmp_path / "two", measured=False)
    assert [line.startswith("estimate for a model") for line in said] == [True, False]
    found = export(steps(model, tmp_path / "work", said), DROPPED, tmp_path / "two", measured=False)
    assert found.report["took"] == {}
    assert len(said) == 3


def test_a_plan_that_does_not_suit_is_refused_before_anything_is_tried(tmp_path):
    model = small.written(small.encoder(), tmp_path / "model")
    with pytest.raises(RecipeError, match="5 layers of a model with 4"):
        forecast(steps(model, tmp_path / "work"), [DROPPED, Plan(layers=5)], False, 1)
    assert not (tmp_path / "work").exists()


def test_a_front_keeps_it_and_a_front_that_is_there_is_not_estimated(tmp_path):
    model, said = small.written(small.encoder(), tmp_path / "model"), []
    plans = [Plan(precision="float32"), DROPPED, Plan.from_dict({"layers": 1, "recovery": FAST})]
    front = make_front(steps(model, tmp_path / "work", said), plans, tmp_path / "front", rounds=1)
    assert said[0].startswith("estimate for 3 models: about ")
    assert read_front(tmp_path / "front").took == front.took
    assert front.took["estimate"]["steps"] == 2 * 3 * 2  # two students, three passes over 16 texts by eights
    assert set(front.took["measured"]) == {"seconds", "memory"}
    again = make_front(steps(model, tmp_path / "work", said), plans, tmp_path / "front", rounds=1)
    assert again.took == {}


def test_a_text_costs_a_model_by_its_layers_and_tokens(tmp_path):
    model = small.written(small.encoder(), tmp_path / "model")
    plans = [Plan(), Plan(layers=2), Plan(layers=1, max_tokens=8)]
    every = [pair.title for pair in small.pairs()]
    lengths = [len(ids) for ids in tokenizer_of(model, tmp_path / "tokenizer").ids(every)]
    cut = np.mean([min(length, 8) for length in lengths]) / np.mean(lengths)
    assert cut < 1
    assert _shares(steps(model, tmp_path / "work"), plans) == pytest.approx([1, 1 / 2, cut / 4])


def test_what_the_whole_model_says_is_asked_once_for_all_students(tmp_path):
    model = small.written(small.encoder(), tmp_path / "model")
    known = {}
    both = [_training(steps(model, tmp_path), DROPPED, tmp_path / name, known) for name in ("one", "other")]
    assert both[0].parts["teaching"] > 0
    assert both[1].parts["teaching"] == 0
    assert [found.steps for found in both] == [6, 6]
    assert both[0].operations == both[1].operations > 0


def test_one_pair_makes_no_steps(tmp_path):
    model = small.written(small.cross(), tmp_path / "model")
    alone = from_pairs([PairSet(small.pairs().items[:1], None, "row")], False)
    found = forecast(Shrinking(model, alone, tmp_path / "work", print, print), [DROPPED], False, 1)
    assert (found.steps, found.parts["steps"]) == (0, 0)
    assert found.seconds > 0
