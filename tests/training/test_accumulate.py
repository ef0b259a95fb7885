"""Parts of a step give the gradient of the whole step; precision, recomputation and device change nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from aisle.errors import RecipeError  # noqa: E402
from aisle.training.relevance.accumulate import cached_backward, parts_of  # noqa: E402
from aisle.training.relevance.compute import Compute, choose_device, peak_rss  # noqa: E402
from aisle.training.relevance.fit import CHECKPOINT, Fit  # noqa: E402
from aisle.training.relevance.lists import Chunk  # noqa: E402
from aisle.training.relevance.model import TunedEncoder  # noqa: E402
from aisle.training.relevance.objective import Objective  # noqa: E402
from aisle.training.relevance.recipe import FitSettings  # noqa: E402
from tests.training.tiny import planted, tiny_encoder  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("default")]

EXACT = FitSettings(epochs=2, queries=8, per_query=4, rate=3e-3, threads=1, seed=5, precision="fp32", track="none")
EVERY_LOSS = [
    {"loss": "listwise"},
    {"loss": "pairwise", "late": 0.5},
    {"loss": "cosent"},
    {"loss": "pointwise", "keep": 0.5},
    {"loss": "listwise", "adversarial": 0.01},
    {"loss": "listwise", "fgm": 0.02},
    {"loss": "pairwise", "in_batch": 0.0, "fgm": 0.02},
    {"loss": "listwise", "in_batch": 0.0},
    {"loss": "pairwise", "in_batch": 0.0, "late": 0.5},
    {"loss": "pointwise", "in_batch": 0.0},
    {"loss": "lambdaloss", "in_batch": 0.0},
    {"loss": "listmle", "in_batch": 0.0},
]


class StoppedError(Exception):
    """After the step that is looked at."""


def gradient(folder, settings, stop_at=1, layers=2):
    """The clipped gradient of one step, and its losses."""
    folder.mkdir(exist_ok=True)
    fit = Fit(TunedEncoder(tiny_encoder(layers), settings.dropout), planted(), settings, folder)
    seen = {}

    def report(step, steps, losses):
        seen.update(losses)
        if step == stop_at:
            raise StoppedError("enough")

    with pytest.raises(StoppedError, match="enough"):
        fit.run(report)
    return {name: value.grad.clone() for name, value in fit.model.trained().items() if value.grad is not None}, seen


def far(left, right):
    """The distance of two gradients as a share of their length."""
    assert left.keys() == right.keys()
    apart = sum(float((left[name] - right[name]).square().sum()) for name in left)
    return (apart / sum(float(value.square().sum()) for value in left.values())) ** 0.5


@pytest.mark.parametrize("extra", EVERY_LOSS, ids=str)
@pytest.mark.parametrize("parts", [3, 50])
def test_parts_have_the_gradient_of_the_whole(tmp_path, extra, parts):
    settings = replace(EXACT, **extra)
    whole, losses = gradient(tmp_path / "whole", settings)
    found, again = gradient(tmp_path / "parts", replace(settings, accumulate=parts))
    assert far(whole, found) < 1e-5
    assert again == pytest.approx(losses, rel=1e-5, abs=1e-6)


def test_batches_that_do_not_see_one_another_have_another_gradient(tmp_path):
    """What gradient caching is for: the mean of two half steps is not the step, where negatives are in the batch."""
    whole, _ = gradient(tmp_path / "whole", EXACT)
    fit = Fit(TunedEncoder(tiny_encoder()), planted(), EXACT, tmp_path)
    chunks = fit.batches(0)[0]
    for half in (chunks[:4], chunks[4:]):
        ids, number = fit.items(half)
        losses = fit.objective.losses(fit.model.outputs(ids), None, None, half, number)
        (0.5 * torch.stack(list(losses.values())).sum()).backward()
    torch.nn.utils.clip_grad_norm_(list(fit.model.trained().values()), 1.0)
    halves = {name: value.grad for name, value in fit.model.trained().items() if value.grad is not None}
    assert far(whole, halves) > 0.05


def test_cached_gradients_of_a_linear_model_against_those_worked_out():
    """Rows r = x w of four items, loss (sum r)^2: the gradient of w is 2 (sum r) (sum x), whatever the parts."""
    x = torch.tensor([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0], [3.0, -1.0]])
    w = torch.tensor([[0.5], [2.0]], requires_grad=True)
    found = cached_backward(
        lambda part: x[list(part)] @ w,
        [[2, 0], [3], [1]],
        lambda rows: {"all": rows.sum() ** 2},
        lambda loss: loss.backward(),
    )
    total = 5 * 0.5 + 2 * 2.0
    assert float(found["all"]) == pytest.approx(total**2)
    torch.testing.assert_close(w.grad, 2 * total * torch.tensor([[5.0], [2.0]]))


def test_a_part_is_encoded_twice_with_the_same_random_numbers():
    seen = []

    def encode(part):
        seen.append((tuple(part), torch.rand(3)))
        return w[list(part)]

    w = torch.ones(4, 1, requires_grad=True)
    cached_backward(encode, [[0, 1], [2, 3]], lambda rows: {"sum": rows.sum()}, lambda loss: loss.backward())
    assert [part for part, _ in seen] == [(0, 1), (2, 3)] * 2
    assert torch.equal(seen[0][1], seen[2][1])
    assert torch.equal(seen[1][1], seen[3][1])
    assert not torch.equal(seen[0][1], seen[1][1])


def test_parts_are_of_like_lengths_and_tokens():
    found = parts_of([9, 1, 1, 1, 9, 9, 3, 3], 3)
    assert sorted(item for part in found for item in part) == list(range(8))
    assert found == [[1, 2, 3, 6, 7, 0], [4], [5]]
    assert parts_of([5], 4) == [[0]]


def test_what_a_part_counts_for_by_hand():
    one, other = Chunk(0, (1, 2), (2.0, 0.0)), Chunk(1, (3, 4, 5), (1.0, 1.0, 1.0))
    shares = {
        loss: Objective(replace(EXACT, loss=loss, in_batch=0.0), planted().train).share([one], [one, other])
        for loss in ("listwise", "pairwise", "pointwise")
    }
    assert shares == {"listwise": 1.0, "pairwise": 1.0, "pointwise": pytest.approx(2 / 5)}


@pytest.mark.parametrize("late", [0.0, 0.5])
def test_recomputing_activations_gives_the_same_gradient(tmp_path, late):
    settings = replace(EXACT, late=late, dropout=0.1)
    whole, _ = gradient(tmp_path / "whole", settings)
    again, _ = gradient(tmp_path / "again", replace(settings, checkpointing=True))
    assert far(whole, again) < 1e-6


def test_recomputing_activations_keeps_fewer_of_them():
    def kept(checkpointing):
        model = TunedEncoder(tiny_encoder(4))
        model.train()
        if checkpointing:
            model.bert.activation_checkpointing_enable({"use_reentrant": False})
        sizes = []

        def pack(value):
            sizes.append(value.numel() * value.element_size())
            return value

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
            model([[2, *range(20, 32), 3]] * 8)
        return sum(sizes)

    assert kept(True) < kept(False) / 3


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_has_nearly_the_same_gradient(tmp_path, precision):
    whole, losses = gradient(tmp_path / "whole", EXACT)
    half, again = gradient(tmp_path / precision, replace(EXACT, precision=precision))
    assert 0 < far(whole, half) < 0.1
    assert again == pytest.approx(losses, rel=0.02)


@pytest.mark.parametrize("extra", [{"precision": "fp16"}, {"accumulate": 3, "dropout": 0.1}, {"checkpointing": True}])
def test_an_interrupted_run_ends_with_the_same_weights(tmp_path, extra):
    settings = replace(EXACT, save_every=1, **extra)
    whole = Fit(TunedEncoder(tiny_encoder(), settings.dropout), planted(), settings, tmp_path / "whole")
    (tmp_path / "whole").mkdir()
    whole.run(lambda *_: None)
    gradient(tmp_path / "parts", settings, stop_at=2)
    assert (tmp_path / "parts" / CHECKPOINT).exists()
    later = Fit(TunedEncoder(tiny_encoder(), settings.dropout), planted(), settings, tmp_path / "parts")
    assert later.resume() == 2
    later.run(lambda *_: None)
    trained = whole.model.trained()
    assert all(torch.equal(trained[name], value) for name, value in later.model.trained().items())


def test_nothing_of_the_model_stays_on_another_device():
    """Fake tensors have shapes, devices and no values: one made on the CPU beside those of the device is refused."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    model = TunedEncoder(tiny_encoder())
    with FakeTensorMode(allow_non_fake_inputs=True):
        model.place(Compute(torch.device("meta"), "fp32"))
        vectors, tokens = model.with_tokens([[2, 20, 3], [2, 30, 31, 3]], 64)
        assert (vectors.device.type, vectors.shape) == ("meta", (2, 32))
        assert tokens.shape == (2, 4, 32)
        (vectors.sum() + tokens.sum()).backward()


def test_a_device_that_is_not_there_is_refused():
    assert choose_device("cpu", "bf16").type == "cpu"
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    assert choose_device("auto", "bf16").type == "cpu"
    with pytest.raises(RecipeError, match=r"fit.device=cuda:1, but PyTorch .* finds no GPUs\nallowed: auto, cpu"):
        choose_device("cuda:1", "fp32")


def test_peak_memory_is_that_of_this_process():
    before = peak_rss()
    held = torch.ones(60 * 2**20)  # 240 MiB, written to
    assert peak_rss() >= min(before + 1, 240 * 2**20)
    assert held.sum() > 0
