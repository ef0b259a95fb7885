"""A combination with a cross-encoder inside: both are made smaller by one plan, and the folder goes on ranking."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from click.testing import CliRunner  # noqa: E402

from aisle.cli.main import cli  # noqa: E402
from aisle.compress.lengths import learn_limit  # noqa: E402
from aisle.compress.model import read_served  # noqa: E402
from aisle.compress.plan import Plan  # noqa: E402
from aisle.compress.shrink import Shrinking  # noqa: E402
from aisle.encoders.onnx import OnnxEncoder  # noqa: E402
from aisle.rerankers.combination import CombinationReranker, mean_of_neighbours, word_signals  # noqa: E402
from aisle.rerankers.cross_encoder import OnnxCrossEncoder  # noqa: E402
from aisle.rerankers.load import load_reranker  # noqa: E402
from aisle.rerankers.word_trees import WordTrees  # noqa: E402
from aisle.types import Product  # noqa: E402
from tests.compress import small  # noqa: E402
from tests.rerankers.trees import grown  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("default")]
QUERY, TEXTS = "laptop accessories", list(small.TITLES)
FAST = {"epochs": 1, "threads": 1}
MAKES = [
    {"precision": "float32", "max_tokens": 12, "layers": 2, "recovery": FAST},
    {"precision": "int8"},
    {"precision": "static", "runtime": "openvino"},
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return small.combination(tmp_path_factory.mktemp("whole") / "model")


def make(folder, plan, out):
    work = out.with_name(f"work-{out.name}")
    steps = Shrinking(read_served(folder), small.material(), work, lambda _: None, lambda *_: None)
    return steps.make(Plan.from_dict(plan), out)


@pytest.mark.parametrize("plan", MAKES, ids=lambda plan: ", ".join(map(str, plan.values())))
def test_what_is_inside_is_what_each_part_becomes_when_it_is_exported_alone(whole, tmp_path, plan):
    if plan.get("runtime"):
        pytest.importorskip("openvino")
    facts = make(whole, plan, tmp_path / "small")
    of_cross = dict(plan) if "max_tokens" not in plan else plan | {"max_tokens": 12 + 8 + 1}
    alone = {"encoder": tmp_path / "encoder", "cross": tmp_path / "cross"}
    assert make(whole / "encoder", plan, alone["encoder"]) == {k: v for k, v in facts.items() if k != "cross"}
    assert make(whole / "cross", of_cross, alone["cross"]) == facts["cross"]
    for name, folder in alone.items():
        for path in folder.glob("*.onnx"):
            assert (tmp_path / "small" / name / path.name).read_bytes() == path.read_bytes(), name
    combined = CombinationReranker(tmp_path / "small")
    encoder, cross = OnnxEncoder(alone["encoder"]), OnnxCrossEncoder(alone["cross"])
    vectors, words = encoder.encode(TEXTS, "product"), combined.combination.words
    expected = vectors @ encoder.encode([QUERY], "query")[0]
    expected = expected + 0.4 * (vectors @ mean_of_neighbours(expected, vectors))
    expected = expected + 0.5 * WordTrees(grown()).score(QUERY, TEXTS, words)
    expected = expected + word_signals(words, QUERY, TEXTS) @ [0.3, 0.1]
    expected = expected + 0.2 * cross.score_texts(QUERY, TEXTS)
    assert np.allclose(combined.score_texts(QUERY, TEXTS), expected, atol=1e-5)


def test_the_same_scores_in_float32_and_near_ones_in_8_bits(whole, tmp_path):
    before = load_reranker(whole).score(QUERY, [Product(str(n), text) for n, text in enumerate(TEXTS)])
    assert before.std() > 0.05
    make(whole, {"precision": "float32"}, tmp_path / "float")
    assert np.allclose(CombinationReranker(tmp_path / "float").score_texts(QUERY, TEXTS), before, atol=1e-5)
    make(whole, {"precision": "int8"}, tmp_path / "int8")
    eight = CombinationReranker(tmp_path / "int8").score_texts(QUERY, TEXTS)
    assert np.corrcoef(eight, before)[0, 1] > 0.95
    sizes = [
        [(folder / part / "model.onnx").stat().st_size for part in ("encoder", "cross")]
        for folder in (whole, tmp_path / "int8")
    ]
    assert all(after < 0.4 * first for first, after in zip(*sizes, strict=True))


def test_a_limit_leaves_the_cross_encoder_as_much_of_a_text_as_the_encoder(whole, tmp_path):
    make(whole, {"precision": "float32", "max_tokens": 12}, tmp_path / "cut")
    cross, encoder = OnnxCrossEncoder(tmp_path / "cut" / "cross"), OnnxEncoder(tmp_path / "cut" / "encoder")
    words = " ".join(["mouse"] * 60)
    query, text = cross.tokenizer.ids([words, words])
    assert (encoder.max_tokens, len(cross.tokenizer.pair(query, text))) == (12, 12 + 8 + 1)
    own = 12 - 2  # tokens of the text that the encoder reads
    assert len(cross.tokenizer.pair(query, text)) - cross.tokenizer.pair(query, text).start - 1 == own


def test_more_layers_than_the_cross_encoder_has_leave_it_whole(whole, tmp_path):
    make(whole, {"precision": "float32", "layers": 2, "recovery": {"epochs": 0}}, tmp_path / "once")
    again = small.combination(tmp_path / "mixed")
    import shutil

    from aisle.compress.model import rewrite_combination

    shutil.rmtree(again / "cross")
    shutil.copytree(tmp_path / "once" / "cross", again / "cross")
    rewrite_combination(again, {})
    make(again, {"precision": "float32", "layers": 3, "recovery": {"epochs": 0}}, tmp_path / "twice")
    assert read_served(tmp_path / "twice").shape.layers == 3
    assert read_served(tmp_path / "twice" / "cross").shape.layers == 2


def test_shorter_vectors_leave_the_cross_encoder_as_it_is(whole, tmp_path):
    make(whole, {"precision": "float32", "dim": 6}, tmp_path / "short")
    assert OnnxEncoder(tmp_path / "short" / "encoder").dim == 6
    both = [OnnxCrossEncoder(folder / "cross").score_texts(QUERY, TEXTS) for folder in (whole, tmp_path / "short")]
    assert np.allclose(*both, atol=1e-5)
    assert len(CombinationReranker(tmp_path / "short").score_texts(QUERY, TEXTS)) == len(TEXTS)


def test_a_limit_is_learnt_by_what_both_say(whole, tmp_path):
    found = learn_limit(read_served(whole), small.material(graded=False), tmp_path, (8, 40))
    assert found["tried"][-1]["concordance"] >= 0.98
    assert CombinationReranker(tmp_path / "cut").cross is not None


def test_the_command_exports_it_and_says_what_it_costs(whole, tmp_path):
    lines = ["query,title,relevance"]
    lines += [f'{pair.query},"{pair.title}",{pair.grade:g}' for pair in small.pairs()]
    (tmp_path / "pairs.csv").write_text("\n".join(lines), encoding="utf-8")
    given = ["export", str(whole), "--out", str(tmp_path / "small"), "--int8", "--pairs", str(tmp_path / "pairs.csv")]
    done = CliRunner().invoke(cli, [*given, "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["agreement"]["pairs"] == 48
    assert found["steps"]["cross"]["centres"]["largest"] > 0
    assert found["size"]["after"] < 0.4 * found["size"]["before"]
    assert "its encoder and its cross-encoder" in (tmp_path / "small" / "README.md").read_text("utf-8")
    assert load_reranker(tmp_path / "small").score(QUERY, [Product("1", TEXTS[0])]).shape == (1,)
