"""Cross-encoders: the module is what its folder serves; it learns, resumes, and `train` makes a folder that ranks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aisle.training.relevance.recipe import FitSettings, load_recipe

torch = pytest.importorskip("torch")

from aisle.encoders.embedded import FOLDER, EmbeddedEncoder  # noqa: E402
from aisle.encoders.graph import Real, Whole  # noqa: E402
from aisle.encoders.weights import EncoderWeights, read_weights  # noqa: E402
from aisle.errors import FingerprintError, RecipeError  # noqa: E402
from aisle.rerankers.combination import Combination, CombinationReranker, word_signals  # noqa: E402
from aisle.rerankers.cross_encoder import OnnxCrossEncoder, Pair  # noqa: E402
from aisle.rerankers.cross_export import read_cross_encoder, write_cross_encoder  # noqa: E402
from aisle.rerankers.load import load_reranker  # noqa: E402
from aisle.rerankers.word_trees import WordTrees  # noqa: E402
from aisle.training.relevance.build import train  # noqa: E402
from aisle.training.relevance.catalogue import judged_products  # noqa: E402
from aisle.training.relevance.cross_model import COSINE, CrossModel, begin  # noqa: E402
from aisle.training.relevance.data import Lesson  # noqa: E402
from aisle.training.relevance.fit import Fit  # noqa: E402
from aisle.training.relevance.lists import lists_of  # noqa: E402
from tests.training.tiny import tiny_encoder  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("default")]

ICECAT = Path(__file__).parent.parent.parent / "samples" / "icecat"
DIM, ROWS = 32, 40
EVERY = ("cls", "late", "match", "mean")
FAST = FitSettings(epochs=8, queries=4, per_query=4, rate=5e-3, threads=1, seed=5, in_batch=0.0, loss="pairwise")
SHORT = ["fit.threads=1", "fit.track=none", "cross.epochs=1", "cross.max_tokens=16", "cross.query_tokens=8"]


class StoppedError(Exception):
    """Ctrl-C, as it were."""


@pytest.fixture(scope="module")
def base() -> EncoderWeights:
    return tiny_encoder(2, ROWS)


def planted() -> Lesson:
    """Query token q (5..19) wants the text with token q + 20, which nothing but judgments tells."""
    texts = [[2, 20 + number, 3] for number in range(5, 20)]
    queries = [[2, number, 3] for number in range(5, 20)]
    groups, text_of, levels = [], [], []
    for query in range(15):
        groups.append([len(text_of) + step for step in range(6)])
        text_of += [(query + step * 2) % 15 for step in range(6)]
        levels += [3.0] + [0.0] * 5
    lists = lists_of(groups, text_of, np.array(levels))
    return Lesson(queries, texts, lists, lists, range(15), range(15))


def run(base, folder, settings=FAST, stop_at=0):
    folder.mkdir(exist_ok=True)
    fit = Fit(CrossModel(begin(base, ("mean", "match"), 0, 12, 4)), planted(), settings, folder)
    fit.resume()

    def report(step, steps, losses):
        if step == stop_at:
            raise StoppedError("Ctrl-C")

    if stop_at:
        with pytest.raises(StoppedError, match="Ctrl-C"):
            fit.run(report)
        return fit, None
    return fit, fit.run(report)


@pytest.mark.parametrize("loss", ["listwise", "pairwise", "pointwise", "cosent"])
def test_it_learns_what_only_judgments_tell(base, tmp_path, loss):
    _, outcome = run(base, tmp_path, replace(FAST, loss=loss))
    assert outcome.before < 0.75
    assert outcome.after > outcome.before + 0.2


def test_a_run_that_was_stopped_ends_with_the_weights_of_one_that_was_not(base, tmp_path):
    settings = replace(FAST, epochs=2, save_every=1)
    whole, _ = run(base, tmp_path / "whole", settings)
    run(base, tmp_path / "broken", settings, stop_at=10)
    again, _ = run(base, tmp_path / "broken", settings)
    for name, value in whole.model.trained().items():
        assert torch.equal(value, again.model.trained()[name]), name


def test_a_step_in_parts_has_the_gradient_of_a_whole_one(base, tmp_path):
    ends = []
    for parts in (1, 3):
        # Pointwise: the others leave the bias a gradient of rounding errors, which Adam blows up.
        settings = replace(FAST, epochs=1, accumulate=parts, precision="fp32", loss="pointwise")
        fit, _ = run(base, tmp_path / str(parts), settings)
        ends.append(fit.model.trained())
    for name, value in ends[0].items():
        np.testing.assert_allclose(value.detach(), ends[1][name].detach(), atol=1e-4, err_msg=name)


def test_word_rows_stay_and_the_text_has_a_type_of_its_own(base):
    model = CrossModel(begin(base, EVERY, 0, 12, 4))
    names = set(model.trained())
    assert {"text_type", "bias", *(f"readings.{name}" for name in EVERY)} <= names
    assert not any("rows" in name or "token_type" in name for name in names)
    rates = sorted({group["lr"] for group in model.groups(1e-4, 0.01, 0.5)})
    assert rates == pytest.approx([0.25e-4, 0.5e-4, 1e-4])
    grouped = sum(value.numel() for group in model.groups(1e-4, 0.01, 0.5) for value in group["params"])
    assert grouped == sum(value.numel() for value in model.trained().values())
    one, other = Pair([2, 7, 3, 9, 3], 3), Pair([2, 7, 3, 9, 3], 4)
    with torch.no_grad():
        assert model([one]) != model([other])


def test_to_begin_with_match_is_a_cosine_and_padding_does_not_count(base):
    model = CrossModel(begin(base, ("match",), 0, 12, 4)).eval()
    pairs = [Pair([2, 7, 3, 9, 3], 3), Pair([2, 7, 8, 3, 9, 11, 12, 3], 4)]
    with torch.no_grad():
        found = model(pairs).numpy()
        for pair, score in zip(pairs, found, strict=True):
            ids = torch.tensor([pair.ids])
            kinds = torch.tensor([[0.0] * pair.start + [1.0] * (len(pair) - pair.start)]).unsqueeze(-1)
            hidden = model.bert(inputs_embeds=model.layers.rows[ids] + kinds * model.text_type).last_hidden_state[0]
            query, text = hidden[: pair.start].mean(0), hidden[pair.start :].mean(0)
            cosine = torch.nn.functional.cosine_similarity(query, text, dim=0)
            assert score == pytest.approx(COSINE * float(cosine), abs=1e-4)


# --- as served ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained_model():
    """The packaged encoder's layers as a cross-encoder, every weight moved a little so that each one tells."""
    torch.manual_seed(1)
    model = CrossModel(begin(read_weights(FOLDER), EVERY, 0, 32, 8)).eval()
    with torch.no_grad():
        for value in model.trained().values():
            value.add_(torch.randn_like(value) * 0.01)
    return model


QUERIES = ["手机", "usb hub", "usb hub", "a query of far more tokens than the eight that are read of it", ""]
TEXTS = ["小米手机 8+128G 全网通", "StarTech 4 port USB 3.0 hub", "", "hub " * 60, "Sony WH-1000XM5 headphones, black"]


def test_the_folder_scores_as_the_module_does(trained_model, tmp_path):
    for name, arithmetic in (("real", Real()), ("whole", Whole())):
        write_cross_encoder(trained_model.weights(), tmp_path / name, arithmetic)
    real, whole = (OnnxCrossEncoder(tmp_path / name, threads=2) for name in ("real", "whole"))
    tokenizer = real.tokenizer
    asked, read = tokenizer.ids(QUERIES), tokenizer.ids(TEXTS)
    pairs = [tokenizer.pair(query, text) for query, text in zip(asked, read, strict=True)]
    with torch.no_grad():
        wanted = trained_model(pairs).numpy()
    np.testing.assert_allclose(real.score_pairs(QUERIES, TEXTS), wanted, atol=2e-3)
    assert np.corrcoef(whole.score_pairs(QUERIES, TEXTS), wanted)[0, 1] > 0.98
    assert max(map(len, pairs)) == 32
    assert pairs[3].start == 10, "eight tokens of the query between [CLS] and [SEP]"
    single = [float(whole.score_texts(query, [text])[0]) for query, text in zip(QUERIES, TEXTS, strict=True)]
    assert single == whole.score_pairs(QUERIES, TEXTS).tolist(), "a score depends on its pair alone"


def test_tokens_are_those_of_the_encoder(trained_model, tmp_path):
    write_cross_encoder(trained_model.weights(), tmp_path / "model")
    encoder = EmbeddedEncoder(threads=1).tokenizer(32)
    query, text = encoder.ids(["小米手机", "小米手机 8+128G 全网通"])
    tokenizer = OnnxCrossEncoder(tmp_path / "model").tokenizer
    pair = tokenizer.pair(*tokenizer.ids(["小米手机", "小米手机 8+128G 全网通"]))
    assert pair.ids == query + text[1:]
    assert pair.start == len(query)


def test_training_goes_on_from_a_folder(trained_model, tmp_path):
    write_cross_encoder(trained_model.weights(), tmp_path / "model", Real())
    again = CrossModel(read_cross_encoder(tmp_path / "model")).eval()
    pairs = [Pair([101, 2000, 102, 2001, 102], 3)]
    with torch.no_grad():
        np.testing.assert_allclose(again(pairs).numpy(), trained_model(pairs).numpy(), atol=1e-3)


# --- from end to end ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def few():
    """The first 25 queries of Icecat with four texts each."""
    pairs = judged_products(ICECAT / "products.jsonl.gz", ICECAT / "ratings.csv", False)
    rows = [row for found in list(pairs.by_query().values())[:25] for row in found[:: max(1, len(found) // 4)]]
    return pairs.subset(rows)


@pytest.fixture(scope="module")
def crossed(few, tmp_path_factory):
    out = tmp_path_factory.mktemp("models") / "cross"
    return train(few, [], load_recipe("cross-encoder", SHORT), out)


def test_a_cross_encoder_is_a_reranker_with_its_story(crossed, few):
    manifest = json.loads((crossed.folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["kind"] == "reranker"
    assert manifest["details"]["architecture"] == "cross-encoder"
    assert manifest["details"]["readings"] == ["late", "match", "mean"]
    assert crossed.candidate.queries["held out"] == 25
    assert "re-ranking" in {check.name for check in crossed.verdict.checks}
    model = load_reranker(crossed.folder)
    assert isinstance(model, OnnxCrossEncoder)
    products = [few[row] for row in range(4)]
    scores = model.score_texts(products[0].query, [pair.title for pair in products])
    assert len(set(scores.tolist())) > 1
    assert "query and text are read together" in (crossed.folder / "README.md").read_text(encoding="utf-8")


def test_a_cross_encoder_is_a_base(crossed, few, tmp_path):
    further = train(few, [], load_recipe("cross-encoder", [*SHORT, f"base={crossed.folder}"]), tmp_path / "further")
    before = load_reranker(crossed.folder)
    now = further.candidate.evidence.current
    query = next(iter(now))
    rows = few.by_query()[query]
    from aisle.evaluate.pools import pool_ndcg

    scores = np.zeros(len(few))
    scores[rows] = before.score_texts(few[rows[0]].query, [few[row].title for row in rows])
    assert now[query] == pool_ndcg({query: rows}, few.levels(), scores)[query]


def test_the_full_combination_weighs_the_cross_encoder_beside_the_other_signals(few, tmp_path):
    found = train(few, [], load_recipe("full", [*SHORT, "fit.epochs=1", "fit.max_tokens=16"]), tmp_path / "full")
    weights = found.candidate.training["weights"]
    assert list(weights) == ["cosine", "wording", "bm25", "trees", "neighbours", "cross"]
    model = load_reranker(found.folder)
    assert isinstance(model, CombinationReranker)
    query, texts = few[0].query, [few[row].title for row in range(4)]
    kept = Combination.load(found.folder / "combination.json")
    vectors = model.encoder.encode(texts, "product")
    cosine = vectors @ model.encoder.encode([query], "query")[0]
    mean = vectors.mean(0)  # of four texts, all are among the first ten
    trees = WordTrees.load(found.folder).score(query, texts, kept.words)
    near = vectors @ (mean / np.linalg.norm(mean))
    signals = np.column_stack([cosine, word_signals(kept.words, query, texts), trees, near])
    wanted = signals @ np.array([weights[name] for name in ("cosine", "wording", "bm25", "trees", "neighbours")])
    wanted = wanted + weights["cross"] * OnnxCrossEncoder(found.folder / "cross").score_texts(query, texts)
    np.testing.assert_allclose(model.score_texts(query, texts), wanted, rtol=1e-5)
    (found.folder / "cross" / "model.onnx").write_bytes(b"another")
    with pytest.raises(FingerprintError, match="trained together"):
        load_reranker(found.folder)


def test_readings_and_lengths_are_checked():
    with pytest.raises(RecipeError, match="reading"):
        load_recipe("cross-encoder", ["cross.readings=[]"])
    with pytest.raises(RecipeError, match="query_tokens"):
        load_recipe("cross-encoder", ["cross.query_tokens=16", "cross.max_tokens=16"])
    with pytest.raises(RecipeError, match="readings"):
        load_recipe("cross-encoder", ["cross.readings=['pooler']"])
