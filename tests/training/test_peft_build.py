"""`train` with few parameters from end to end on real judgments: a folder that is served, its adapter inside."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from aisle.encoders.embedded import FOLDER, EmbeddedEncoder  # noqa: E402
from aisle.encoders.load import load_encoder  # noqa: E402
from aisle.rerankers.load import load_reranker  # noqa: E402
from aisle.training.relevance.adapters import with_adapter  # noqa: E402
from aisle.training.relevance.build import train  # noqa: E402
from aisle.training.relevance.recipe import load_recipe  # noqa: E402
from aisle.types import Product  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("default")]

SHORT = ["fit.epochs=1", "fit.max_tokens=16", "fit.track=none", "judged_by=share"]
TEXTS = ["wireless mouse", "Sony WH-1000XM5 headphones, black", "手机壳"]


@pytest.fixture(scope="module")
def pairs(icecat):
    groups = list(icecat.by_query().values())[:40]
    return icecat.subset([row for rows in groups for row in rows[:: max(1, len(rows) // 4)]])


@pytest.mark.parametrize("method", ["lora", "prefix"])
def test_a_model_of_few_parameters_is_served_as_it_was_trained(pairs, tmp_path, method):
    recipe = load_recipe("combination", [f"peft.method={method}", *SHORT])
    out = tmp_path / "model"
    trained = train(pairs, (), recipe, out)
    assert trained.candidate.architecture == "combination"
    assert "length of the text" in trained.candidate.evidence.trivial
    model, _ = with_adapter(FOLDER, out / "encoder" / "adapter")
    ids = EmbeddedEncoder(threads=1).tokenizer(256).ids(TEXTS)
    with torch.no_grad():
        wanted = model.eval()(ids).numpy()
    served = load_encoder(str(out)).encode(TEXTS, "query")
    assert (served * wanted).sum(1).min() > 0.97  # activations are in 8 bits there and in float here
    before = EmbeddedEncoder(threads=1).encode(TEXTS, "query")
    assert np.abs(served - before).max() > 1e-3
    scores = load_reranker(out).score(
        "wireless mouse", [Product("a", "Logitech wireless mouse"), Product("b", "paper")]
    )
    assert scores[0] > scores[1]
    manifest = json.loads((out / "encoder" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["details"]["peft"] == method
    kept = json.loads((out / "manifest.json").read_text(encoding="utf-8"))["details"]["recipe"]
    assert kept["peft"]["method"] == method
