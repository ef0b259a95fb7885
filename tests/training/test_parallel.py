"""Two processes on the CPU (gloo) train what one does, however texts, weights and arithmetic are divided."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from aisle.training import parallel  # noqa: E402
from aisle.training.parallel.step import shared_parts  # noqa: E402
from tests.training.parallel_cases import CASES, trained  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("default")]
ROOT = Path(__file__).parent.parent.parent
CONFIGURATIONS = Path(parallel.__file__).parent
WAYS = ("data", "fsdp", "tensor")


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """Where the two processes wrote."""
    out = tmp_path_factory.mktemp("parallel")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += [str(Path(__file__).parent / "parallel_worker.py"), str(out)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return out


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What one process comes to: weights, how far each began from there, its run."""
    known = {}

    def found(name):
        if name not in known:
            known[name] = trained(CASES[name], "auto", tmp_path_factory.mktemp(name))
        return known[name]

    return found


def of(out, name, rank):
    return torch.load(out / f"{name}-{rank}.pt", weights_only=True)


def apart(one, other):
    """Without the biases of keys: no softmax depends on them, and Adam makes steps out of their rounding errors."""
    assert list(one) == list(other)
    return sum(float((one[name] - other[name]).square().sum()) for name in one if "key.bias" not in name) ** 0.5


@pytest.mark.parametrize(("name", "how"), [(name, how) for name, case in CASES.items() for how in case.ways])
def test_two_processes_end_with_the_weights_of_one(out, alone, name, how):
    weights, fit = alone(name)
    first, second = (of(out, f"{name}-{how}", rank) for rank in (0, 1))
    assert all(torch.equal(first["weights"][part], second["weights"][part]) for part in weights)
    assert first["scores"] == second["scores"]
    moved = apart(weights, fit._first)
    assert moved > 0.05
    if name == "dropout":  # each process draws for its own texts
        assert apart(weights, first["weights"]) > 0.1 * moved
    else:
        assert apart(weights, first["weights"]) < 5e-5 * moved
        assert first["scores"] == pytest.approx(fit._scores, abs=1e-6)


def test_with_dropout_the_gradient_is_that_of_the_texts_as_they_were_first_encoded(out):
    for rank in (0, 1):
        assert of(out, "dropout", rank)["apart"] < 1e-5


def test_weights_and_optimiser_are_divided(out, alone):
    _, fit = alone("plain")
    whole = sum(value.numel() for value in fit.model.parameters())
    state = 2 * sum(value.numel() for value in fit.model.trained().values())
    for rank in (0, 1):
        data, fsdp, tensor = (of(out, f"plain-{how}", rank) for how in WAYS)
        assert data["held"] == whole
        assert fsdp["held"] == whole / 2
        assert tensor["held"] < 0.6 * whole  # positions and norms stay whole
        assert data["optimiser"] >= state
        assert fsdp["optimiser"] < 0.51 * state
        assert tensor["optimiser"] < 0.6 * state


@pytest.mark.parametrize("how", WAYS)
def test_an_interrupted_training_goes_on(out, alone, how):
    whole, again = (of(out, f"{name}-{how}", 0)["weights"] for name in ("plain", "stopped"))
    assert all(torch.equal(whole[part], again[part]) for part in whole)
    one, fit = alone("plain")
    assert torch.load(out / "left" / how / "checkpoint.pt", weights_only=True)["done"] == 2
    later, _ = trained(CASES["plain"], "auto", out / "left" / how)  # by one process
    assert apart(one, later) < 5e-5 * apart(one, fit._first)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("fp16", "fit.precision=fp16 with fit.parallel=fsdp\nallowed: bf16 or fp32"),
        ("adalora", "peft.method=adalora with fit.parallel=fsdp\nallowed: full, last, lora, dora, prefix, adapter"),
        ("lora", "peft.method=lora with fit.parallel=tensor\nallowed: full\nto fix: --set fit.parallel=data"),
        ("seeds", "fit.seeds=2 in 2 processes\nallowed: one process"),
        ("device", "fit.device=cuda:1 for 2 processes\nallowed: auto, cuda or cpu"),
        ("heads", "3 processes for 4 heads and 64 columns\nallowed: a number of processes that divides both"),
    ],
)
def test_what_cannot_be_shared_is_refused(out, name, said):
    for rank in (0, 1):
        assert of(out, "refused", rank)["said"][name].startswith(said)


def test_every_process_has_equally_many_batches():
    parts = shared_parts([5, 3, 4, 9, 9, 2], 4)
    assert len(parts) % 4 == 0
    assert sorted(item for part in parts for item in part) == list(range(6))
    assert shared_parts([3], 2) == [[0], []]
    assert len(shared_parts([5] * 40, 2)) >= 2
    assert len(shared_parts([5] * 40, 2, least=4)) >= 8


@pytest.mark.parametrize(("name", "kind"), [("data", "MULTI_GPU"), ("fsdp", "FSDP"), ("tensor", "MULTI_GPU")])
def test_accelerate_reads_the_configurations(name, kind):
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(CONFIGURATIONS / f"{name}.json"))
    assert config.distributed_type.name == kind
    assert config.num_processes == 2
