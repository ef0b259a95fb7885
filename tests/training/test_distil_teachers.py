"""`aisle distil` with each kind of teacher for real: a language model by HTTP and here, a hub cross-encoder, several.

What is kept with every pair is compared with what the teacher's own library says of the same texts.
"""

from __future__ import annotations

import gzip
import json
import math

import numpy as np
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")

from aisle.cli.main import cli  # noqa: E402
from aisle.judgments.pairs import read_pairs  # noqa: E402
from aisle.rerankers.llm.prompts import qwen3  # noqa: E402
from aisle.rerankers.llm.spec import read_spec  # noqa: E402
from aisle.training.distil.build import PROVENANCE  # noqa: E402
from aisle.types import Product  # noqa: E402
from tests.llm.conftest import judge, server  # noqa: E402
from tests.llm.tiny import write_model as write_llm  # noqa: E402
from tests.rerankers.test_hub import write_model as write_cross_encoder  # noqa: E402

__all__ = ["judge", "server"]
pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("default")]

TITLES = ["usb hub with four ports", "wireless black mouse", "black usb hub", "mouse with four ports", "wireless usb"]
QUERIES = ["usb hub", "wireless mouse", "black mouse", "four ports"]
SETTINGS = [
    "layers=1",
    "pairs.made=0",
    "pairs.dense=3",
    "pairs.words=0",
    "pairs.chance=1",
    "fit.max_tokens=12",
    "fit.threads=1",
    "fit.rate=1e-3",
    "fit.layer_decay=1",
]
SPEC = """fields = ["title"]
{more}
[llm]
model = "{model}"
endpoint = "{endpoint}"
"""


@pytest.fixture
def pairs(tmp_path):
    """Queries and titles without a grade."""
    rows = [f"{place},{query},{title}" for query in QUERIES for place, title in enumerate(TITLES)]
    (tmp_path / "pairs.csv").write_text("\n".join(["id,query,title", *rows]) + "\n", encoding="utf-8")
    return tmp_path / "pairs.csv"


def distil(teachers, pairs, changes=(), *options):
    """The command itself: what it said, and the scores of each query's titles that it kept."""
    out = pairs.parent / "student"
    given = ["distil", "--teacher", ",".join(map(str, teachers)), "--pairs", pairs, "--out", out, "--json", *options]
    given += [part for change in (*SETTINGS, *changes) for part in ("--set", change)]
    found = CliRunner().invoke(cli, list(map(str, given)), catch_exceptions=False)
    assert found.exit_code == 0, found.output
    titles = {product.doc_id: product.title for product in read_pairs(pairs)}
    lines = gzip.decompress((out / PROVENANCE).read_bytes()).decode().splitlines()
    read = [json.loads(line) for line in lines]
    assert [line["query"] for line in read] == QUERIES
    return json.loads(found.stdout), [
        (line["query"], [titles[one] for one in line["ids"]], np.array(line["scores"])) for line in read
    ]


def standardised(values):
    values = np.array(values, np.float64)
    return (values - values.mean()) / values.std()


def by_transformers(folder, query, titles):
    """The share of "yes" against "no", prompt by prompt."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    yes, no = (tokenizer.convert_tokens_to_ids(word) for word in ("yes", "no"))
    found = []
    for title in titles:
        text = qwen3(query, Product("", title), read_spec(folder.parent / "llm.toml"))
        with torch.no_grad():
            logits = model(**tokenizer(text, return_tensors="pt", add_special_tokens=False)).logits[0, -1]
        found.append(float(torch.sigmoid(logits[yes] - logits[no])))
    return found


def by_sequence_classification(folder, query, titles):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    given = AutoTokenizer.from_pretrained(folder)([query] * len(titles), titles, padding=True, return_tensors="pt")
    with torch.no_grad():
        logits = AutoModelForSequenceClassification.from_pretrained(folder).eval()(**given).logits[:, 0]
    return torch.sigmoid(logits).tolist()


def by_judge(judge, query, titles):
    """What the test's server answers: its probability of "yes"."""
    return [1 / (1 + math.exp(-12 * (judge.cosine(query, title) - 0.4))) for title in titles]


def spec(folder, model, endpoint="local", more='prompt = "qwen3"'):
    (folder / "llm.toml").write_text(SPEC.format(model=model, endpoint=endpoint, more=more), encoding="utf-8")
    return folder / "llm.toml"


def test_a_language_model_over_http(server, judge, pairs, tmp_path):
    asked = spec(tmp_path, "judge", server.url, "")
    said, found = distil([asked], pairs, [], "--cache", tmp_path / "cache")
    for query, titles, scores in found:
        np.testing.assert_allclose(scores, standardised(by_judge(judge, query, titles)), atol=1e-4)
    assert said["teachers"] == [str(asked)]
    requests = len(server.bodies)
    assert requests == sum(len(titles) for _, titles, _ in found)
    distil([asked], pairs, ["layers=2"], "--cache", tmp_path / "cache")
    assert len(server.bodies) == requests, "another student asks nothing again"


def test_a_language_model_here(pairs, tmp_path):
    folder = write_llm(tmp_path / "model")
    _, found = distil([spec(tmp_path, folder)], pairs)
    for query, titles, scores in found:
        np.testing.assert_allclose(scores, standardised(by_transformers(folder, query, titles)), atol=1e-3)


def test_a_hub_cross_encoder_by_folder_and_the_student_comes_near_to_it(pairs, tmp_path):
    folder = write_cross_encoder(tmp_path / "teacher", 1)
    said, found = distil([folder], pairs, ["fit.epochs=12"])
    for query, titles, scores in found:
        np.testing.assert_allclose(scores, standardised(by_sequence_classification(folder, query, titles)), atol=1e-3)
    agreement = said["training"]["agreement"]
    assert agreement["after"] > agreement["before"] + 0.2  # a random teacher says something else than any encoder


def test_two_models_together_by_their_weights(server, judge, pairs, tmp_path):
    folder = write_cross_encoder(tmp_path / "teacher", 1)
    asked = spec(tmp_path, "judge", server.url, "")
    said, found = distil([folder, asked], pairs, ["weights=[3.0,1.0]"])
    assert said["teachers"] == [str(folder), str(asked)]
    for query, titles, scores in found:
        one, other = by_sequence_classification(folder, query, titles), by_judge(judge, query, titles)
        wanted = standardised(3 * standardised(one) + standardised(other))
        np.testing.assert_allclose(scores, wanted, atol=1e-3)
        assert abs(wanted - standardised(one)).max() > 0.01  # the second teacher is heard
