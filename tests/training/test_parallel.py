"""Two processes on the CPU (gloo) have the gradient of one, however the weights are divided; configurations load."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from aisle.training import parallel  # noqa: E402
from aisle.training.parallel.step import shared_parts  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("default")]
ROOT = Path(__file__).parent.parent.parent
CONFIGURATIONS = Path(parallel.__file__).parent


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What each of the two processes wrote."""
    out = tmp_path_factory.mktemp("parallel")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += [str(Path(__file__).parent / "parallel_worker.py"), str(out)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads((out / f"{rank}.json").read_text(encoding="utf-8")) for rank in (0, 1)]


@pytest.mark.parametrize("how", ["replicated", "sharded", "split"])
def test_two_processes_have_the_gradient_of_one(found, how):
    for rank in found:
        assert rank[how]["apart"] < 1e-4
        assert rank[how]["losses"] == pytest.approx(rank["losses"], rel=1e-4)


def test_the_weights_are_divided(found):
    for rank in found:
        assert rank["replicated"]["weights here"] == rank["weights"]
        assert rank["sharded"]["weights here"] < 0.6 * rank["weights"]
        assert rank["split"]["weights here"] < 0.75 * rank["weights"]  # positions and norms stay whole


def test_every_process_has_equally_many_batches():
    parts = shared_parts([5, 3, 4, 9, 9, 2], 4)
    assert len(parts) % 4 == 0
    assert sorted(item for part in parts for item in part) == list(range(6))
    assert shared_parts([3], 2) == [[0], []]


@pytest.mark.parametrize(("name", "kind"), [("fsdp", "FSDP"), ("tensor", "MULTI_GPU")])
def test_accelerate_reads_the_configurations(name, kind):
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(CONFIGURATIONS / f"{name}.json"))
    assert config.distributed_type.name == kind
    assert config.num_processes == 2
    if name == "fsdp":
        assert config.fsdp_config["fsdp_transformer_layer_cls_to_wrap"] == "BertLayer"
        assert config.fsdp_config["fsdp_version"] == 2
    else:
        assert config.parallelism_config["parallelism_config_tp_size"] == 2
