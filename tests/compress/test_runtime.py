"""OpenVINO answers what ONNX Runtime answers; exported folders are served where PyTorch cannot be imported."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("openvino")

from aisle.artifacts import Manifest  # noqa: E402
from aisle.compress.agreement import agreement  # noqa: E402
from aisle.compress.model import tokenizer_of  # noqa: E402
from aisle.compress.plan import Plan  # noqa: E402
from aisle.compress.shrink import Shrinking  # noqa: E402
from aisle.encoders.embedded import FOLDER  # noqa: E402
from aisle.encoders.onnx import OnnxEncoder  # noqa: E402
from aisle.encoders.runtime import open_graph  # noqa: E402
from aisle.encoders.weights import EncoderWeights  # noqa: E402
from aisle.errors import ArtifactError  # noqa: E402
from aisle.rerankers.cross_encoder import OnnxCrossEncoder  # noqa: E402
from aisle.training.relevance.cross_model import CrossModel  # noqa: E402
from aisle.training.relevance.model import TunedEncoder  # noqa: E402
from tests.compress import small  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("default")]
TEXTS = list(small.TITLES)
LIGHT = """
import json, sys
from pathlib import Path
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "transformers", "onnx", "openvino"):
            raise ImportError(f"no {name}")
sys.meta_path.insert(0, Blocked())
from aisle.rerankers.load import load_reranker
from aisle.types import Product
model = load_reranker(Path(sys.argv[1]))
for query in json.loads(sys.argv[2]):
    products = [Product(str(n), title) for n, title in enumerate(json.loads(sys.argv[3]))]
    print(json.dumps([float(score) for score in model.score(query, products)]))
"""
TOGETHER = """
import sys, threading
from pathlib import Path
import numpy as np
from aisle.encoders.runtime import open_graph
run, barrier = open_graph(Path(sys.argv[1]), "openvino", 2), threading.Barrier(8)
def first():
    barrier.wait()
    run({"a": np.ones((1, 4), np.float32)})
threads = [threading.Thread(target=first) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def make(model, work, **plan):
    steps = Shrinking(model, small.material(), work / "work", lambda _: None, lambda *_: None)
    out = work / json.dumps(plan).replace('"', "")
    steps.make(Plan(**plan), out)
    return out


def test_threads_that_are_the_first_to_ask_openvino_together_do_not_wait_for_ever(tmp_path):
    import onnx
    from onnx import TensorProto, helper

    shape = [TensorProto.FLOAT, [1, 4]]
    ends = [helper.make_tensor_value_info(name, *shape) for name in ("a", "b")]
    graph = helper.make_graph([helper.make_node("Add", ["a", "a"], ["b"])], "twice", ends[:1], ends[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), tmp_path / "model.onnx")
    for _ in range(5):  # without care one time in two
        subprocess.run([sys.executable, "-c", TOGETHER, str(tmp_path / "model.onnx")], check=True, timeout=120)


@pytest.mark.parametrize("precision", ["float32", "static"])
def test_openvino_answers_what_onnx_runtime_answers(precision, tmp_path):
    for made, load in ((small.encoder, OnnxEncoder), (small.cross, OnnxCrossEncoder)):
        model = small.written(made(), tmp_path / load.__name__ / "model")
        one = load(make(model, tmp_path / load.__name__, precision=precision))
        other = load(make(model, tmp_path / load.__name__, precision=precision, runtime="openvino"), threads=2)
        if load is OnnxEncoder:
            assert (one.runtime, other.runtime) == ("onnx", "openvino")
            both = [encoder.encode(TEXTS, "product") for encoder in (one, other)]
            assert (both[0] * both[1]).sum(1).min() > (0.999999 if precision == "float32" else 0.995)
        else:
            both = [model.score_texts("mouse", TEXTS) for model in (one, other)]
            assert np.allclose(*both, atol=1e-4 if precision == "float32" else 0.15 * np.std(both[0]))


def test_a_graph_of_onnx_runtimes_own_operators_is_refused_by_openvino():
    with pytest.raises(ArtifactError, match=r"OpenVINO cannot load.*\n.*standard operators"):
        open_graph(FOLDER / "model.onnx", "openvino")
    with pytest.raises(ArtifactError, match="runtime 'tensorrt'"):
        open_graph(FOLDER / "model.onnx", "tensorrt")


def test_openvino_missing_is_told_with_the_cure(monkeypatch):
    from aisle.errors import OptionalDependencyError

    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(OptionalDependencyError, match=r"aisle\[openvino\]"):
        open_graph(FOLDER / "model.onnx", "openvino")


@pytest.mark.parametrize("kind", ["encoder", "cross"])
def test_a_float32_folder_orders_without_pytorch_as_pytorch_does(kind, tmp_path):
    model = small.written(getattr(small, kind)(), tmp_path / "model")
    folder = make(model, tmp_path, precision="float32")
    arguments = [str(folder), json.dumps(small.QUERIES), json.dumps(TEXTS)]
    done = subprocess.run([sys.executable, "-c", LIGHT, *arguments], capture_output=True, text=True, check=True)
    served = np.array([json.loads(line) for line in done.stdout.splitlines()])
    if kind == "encoder":
        parts = (dict(model.weights), model.shape, dict(model.tokenizers), model.words)
        encoder = TunedEncoder(EncoderWeights(*parts, Manifest("encoder", 1, {}))).eval()
        ids = tokenizer_of(model, tmp_path / "tokenizer").ids
        with torch.no_grad():
            queries, texts = (encoder.by_length(ids(list(found))).numpy() for found in (small.QUERIES, TEXTS))
        reference = queries @ texts.T
    else:
        trained = CrossModel(dataclasses.replace(model.cross, weights=model.weights)).eval()
        tokenizer = OnnxCrossEncoder(folder).tokenizer
        asked, read = tokenizer.ids(small.QUERIES), tokenizer.ids(TEXTS)
        with torch.no_grad():
            pairs = [[tokenizer.pair(query, text) for text in read] for query in asked]
            reference = np.stack([trained.outputs(row).numpy() for row in pairs])
    groups = {str(row): range(row * len(TEXTS), (row + 1) * len(TEXTS)) for row in range(len(small.QUERIES))}
    found = agreement(groups, reference.ravel(), served.ravel())
    assert found.identical == 1.0
    assert found.largest < 1e-4
