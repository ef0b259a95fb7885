"""Each step against something independent: transformers' BERT, the tokenizers' own pieces, float32, NumPy."""

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from aisle.compress.centre import centred, centres  # noqa: E402
from aisle.compress.layers import with_layers  # noqa: E402
from aisle.compress.lengths import learn_limit  # noqa: E402
from aisle.compress.model import graph_inputs, read_served, write_served  # noqa: E402
from aisle.compress.plan import Plan  # noqa: E402
from aisle.compress.ranges import RULES, Observed, Static, observe  # noqa: E402
from aisle.compress.shrink import Shrinking, refuse_unfit  # noqa: E402
from aisle.compress.vocabulary import loss, prune  # noqa: E402
from aisle.encoders.graph import Real, Whole  # noqa: E402
from aisle.encoders.onnx import OnnxEncoder  # noqa: E402
from aisle.errors import ArtifactError, RecipeError  # noqa: E402
from aisle.rerankers.cross_encoder import OnnxCrossEncoder  # noqa: E402
from tests.compress import small  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("default")]
TEXTS = list(small.TITLES)


def vectors(model, folder, arithmetic=None):
    write_served(model, folder, arithmetic or Real(), {})
    return OnnxEncoder(folder).encode(TEXTS, "product")


def steps(model, work, graded=True):
    return Shrinking(model, small.material(graded), work, lambda _: None, lambda *_: None)


def test_the_layers_that_stay_compute_what_transformers_computes_with_those_layers(tmp_path):
    from transformers import BertConfig, BertModel

    model = dataclasses.replace(small.encoder(), words=None)
    config = BertConfig(
        vocab_size=small.ALL,
        hidden_size=small.HIDDEN,
        num_hidden_layers=small.LAYERS,
        num_attention_heads=4,
        intermediate_size=small.WIDE,
        max_position_embeddings=small.TOKENS,
        layer_norm_eps=1e-12,
    )
    bert = BertModel(config, add_pooling_layer=False).eval()
    bert.load_state_dict({name: torch.tensor(value) for name, value in model.weights.items()}, strict=False)
    bert.encoder.layer = torch.nn.ModuleList([bert.encoder.layer[number] for number in (0, 2)])
    found = vectors(with_layers(model, (0, 2)), tmp_path)
    for row, ids in zip(found, OnnxEncoder(tmp_path).tokenizer(small.TOKENS).ids(TEXTS), strict=True):
        with torch.no_grad():
            mean = bert(input_ids=torch.tensor([ids])).last_hidden_state[0].mean(0)
        assert np.allclose(row, torch.nn.functional.normalize(mean, dim=0).numpy(), atol=1e-5)


def test_layers_out_of_order_are_refused():
    with pytest.raises(RecipeError, match="layers 2, 0"):
        with_layers(small.encoder(), (2, 0))


def test_texts_that_the_rows_were_chosen_by_have_the_same_vectors(tmp_path):
    model = small.encoder()
    pruned = prune(model, TEXTS, tmp_path / "work", common=0)
    rows = len(pruned.weights["embeddings.word_embeddings.weight"])
    assert rows < 12_000
    assert np.array_equal(vectors(model, tmp_path / "whole"), vectors(pruned, tmp_path / "pruned"))
    assert loss(model, pruned, TEXTS, tmp_path / "work").changed == 0


def test_an_unseen_word_is_spelt_and_an_unseen_sign_stays_unknown(tmp_path):
    model = small.encoder()
    pruned = prune(model, TEXTS, tmp_path, common=0)
    lost = loss(model, pruned, ["refrigerators", "冰箱"], tmp_path)
    assert (lost.texts, lost.changed, lost.unknown) == (2, 1.0, 0.0)
    assert lost.longer > 1
    same = loss(model, pruned, ["usb ☃"], tmp_path)
    assert same.unknown == same.unknown_before == 0.5
    kept = prune(model, TEXTS, tmp_path, common=24_000)
    assert loss(model, kept, ["refrigerators", "冰箱"], tmp_path).changed == 0


def test_without_a_chinese_text_its_rows_and_the_words_part_go(tmp_path):
    english = [text for text in TEXTS if text.isascii()]
    pruned = prune(small.encoder(), english, tmp_path / "work", common=0)
    assert (pruned.han_offset, pruned.words, pruned.details["scripts"]) == (None, None, ["Latin"])
    assert set(pruned.tokenizers) == {"tokenizer.json"}
    write_served(small.encoder(), tmp_path / "whole", Real(), {})
    write_served(pruned, tmp_path / "pruned", Real(), {})
    both = [OnnxEncoder(tmp_path / name).encode(english, "product") for name in ("whole", "pruned")]
    assert np.allclose(*both, atol=1e-6)


def test_no_texts_no_vocabulary(tmp_path):
    with pytest.raises(ArtifactError, match="no texts to choose the vocabulary by"):
        prune(small.encoder(), [], tmp_path)


def test_ranges_are_those_that_numpy_finds_at_the_first_product(tmp_path):
    model = dataclasses.replace(small.encoder(), words=None)
    write_served(model, tmp_path / "float", Real(), {})
    inputs = graph_inputs(model, [], TEXTS, tmp_path / "tokenizer")
    found = observe(tmp_path / "float" / "model.onnx", inputs)
    weights = model.weights
    for place, given in enumerate(inputs):
        ids = given["input_ids"][0]
        rows = weights["embeddings.word_embeddings.weight"][ids]
        total = rows + weights["embeddings.position_embeddings.weight"][: len(ids)]
        total = total + weights["embeddings.token_type_embeddings.weight"][0]
        centred = total - total.mean(1, keepdims=True)
        normed = centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-12)
        hidden = normed * weights["embeddings.LayerNorm.weight"] + weights["embeddings.LayerNorm.bias"]
        assert found.low["embeddings.normalised"][place] == pytest.approx(hidden.min(), abs=1e-5)
        assert found.high["embeddings.normalised"][place] == pytest.approx(hidden.max(), abs=1e-5)
    assert len(found.low) == 4 * small.LAYERS
    assert not any("score" in name or "projection" in name for name in found.low)


def test_the_rules_reduce_the_extremes_of_each_text():
    observed = Observed({"x": np.array([-1.0, -3.0], np.float32)}, {"x": np.array([2.0, 6.0], np.float32)})
    assert observed.ranges("extremes") == {"x": (-3.0, 6.0)}
    assert observed.ranges("means") == {"x": (-2.0, 4.0)}
    assert observed.ranges("percentile")["x"] == pytest.approx((-2.98, 5.96), abs=1e-5)
    positive = Observed({"x": np.array([1.0], np.float32)}, {"x": np.array([2.0], np.float32)})
    assert positive.ranges("extremes") == {"x": (0.0, 2.0)}, "0 must be a whole number"


def test_a_static_graph_is_near_float32_and_answers_alike_in_a_batch(tmp_path):
    model = small.encoder()
    exact = vectors(model, tmp_path / "float")
    inputs = graph_inputs(model, [], TEXTS, tmp_path / "tokenizer")
    observed = observe(tmp_path / "float" / "model.onnx", inputs)
    for rule in RULES:
        made = vectors(model, tmp_path / rule, Static(observed.ranges(rule)))
        assert (made * exact).sum(1).min() > 0.98
    from aisle.encoders.runtime import open_graph

    alike = [ids for ids in inputs if ids["input_ids"].shape == inputs[0]["input_ids"].shape]
    other = {"input_ids": np.flip(alike[0]["input_ids"], 1)}
    batch = {"input_ids": np.concatenate([alike[0]["input_ids"], other["input_ids"]])}
    static = open_graph(tmp_path / "means" / "model.onnx")
    assert np.allclose(static(batch)[0], static(alike[0])[0], atol=1e-6)
    write_served(model, tmp_path / "dynamic", Whole(), {})
    dynamic = open_graph(tmp_path / "dynamic" / "model.onnx")
    assert not np.allclose(dynamic(batch)[0], dynamic(alike[0])[0], atol=1e-4), (
        "its ranges are those of the whole batch"
    )


def test_shorter_vectors_are_the_whole_ones_times_the_matrix(tmp_path):
    model = small.written(small.encoder(), tmp_path / "model")
    whole = OnnxEncoder(model.folder).encode(TEXTS, "product")
    steps(model, tmp_path / "work").make(Plan(dim=6, precision="float32"), tmp_path / "short")
    short = OnnxEncoder(tmp_path / "short")
    found = short.encode(TEXTS, "product")
    assert (short.dim, found.shape) == (6, (len(TEXTS), 6))
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert np.abs(whole @ whole.T - found @ found.T).mean() < 0.15
    with pytest.raises(ArtifactError, match="were shortened to 6 dimensions"):
        read_served(tmp_path / "short")


def test_a_limit_cuts_what_is_read_and_the_positions(tmp_path):
    model = small.written(small.cross(), tmp_path / "model")
    steps(model, tmp_path / "work").make(Plan(max_tokens=12, precision="float32"), tmp_path / "cut")
    cut, whole = OnnxCrossEncoder(tmp_path / "cut"), OnnxCrossEncoder(tmp_path / "model")
    long = " ".join(["mouse"] * 40)
    assert len(cut.tokenizer.pair(*cut.tokenizer.ids(["mouse", long]))) == 12
    assert cut.score_texts("mouse", [long]) != pytest.approx(whole.score_texts("mouse", [long]), abs=1e-4)
    assert cut.score_texts("mouse", ["usb"]) == pytest.approx(whole.score_texts("mouse", ["usb"]), abs=1e-5)


def test_the_smallest_limit_that_keeps_the_order_is_learnt(tmp_path):
    found = learn_limit(small.encoder(), small.material(graded=False), tmp_path, (8, 12, 40))
    assert [row["limit"] for row in found["tried"]] == [8, 12][: len(found["tried"])] + [40] * (len(found["tried"]) > 2)
    assert found["limit"] == found["tried"][-1]["limit"]
    assert found["tried"][-1]["concordance"] >= 0.98
    assert all(row["concordance"] < 0.98 for row in found["tried"][:-1])


def test_a_combination_keeps_its_weights_and_has_a_smaller_encoder_inside(tmp_path):
    from aisle.compress.model import rewrite_combination
    from aisle.indexes import segment
    from aisle.ranking.word_statistics import WordStatistics
    from aisle.rerankers.combination import Combination, CombinationReranker

    write_served(small.encoder(), tmp_path / "whole" / "encoder", Real(), {})
    statistics = WordStatistics.of(TEXTS, segment)
    Combination({"cosine": 1.0, "wording": 0.3, "bm25": 0.1}, statistics).save(tmp_path / "whole" / "combination.json")
    rewrite_combination(tmp_path / "whole", {})
    model = read_served(tmp_path / "whole")
    steps(model, tmp_path / "work").make(Plan(vocabulary=True, common=0, precision="float32"), tmp_path / "small")
    before, after = (CombinationReranker(tmp_path / name) for name in ("whole", "small"))
    assert np.allclose(before.score_texts("mouse", TEXTS), after.score_texts("mouse", TEXTS), atol=1e-5)
    assert (tmp_path / "small" / "encoder" / "model.onnx").stat().st_size < 0.3 * (
        tmp_path / "whole" / "encoder" / "model.onnx"
    ).stat().st_size


def test_what_cannot_be_is_refused_before_anything_is_done():
    for plan, message in (
        (Plan(runtime="openvino"), "precision 'int8' for the runtime 'openvino'"),
        (Plan(layers=9), "9 layers of a model with 4"),
        (Plan(dim=8), "a cross-encoder has no vectors"),
    ):
        with pytest.raises(RecipeError, match=message):
            refuse_unfit(small.cross(), plan)


def test_a_head_is_no_model_to_make_smaller(tmp_path):
    with pytest.raises(ArtifactError, match="no Aisle model"):
        read_served(tmp_path)


def test_centring_changes_nothing_in_float32_and_brings_8_bits_nearer_to_it(tmp_path):
    model = dataclasses.replace(small.encoder(), words=None)
    weights = dict(model.weights)
    for name in weights:  # what trained BERTs have: a number that is large for every token
        if name.endswith("LayerNorm.bias"):
            weights[name] = weights[name] + (12 * (np.arange(small.HIDDEN) == 5)).astype(np.float32)
    model = dataclasses.replace(model, weights=weights)
    exact = vectors(model, tmp_path / "float")
    inputs = graph_inputs(model, [], TEXTS, tmp_path / "tokenizer")
    found = centres(tmp_path / "float" / "model.onnx", small.LAYERS, inputs)
    assert len(found) == 2 * small.LAYERS
    assert all(np.abs(centre).argmax() == 5 for centre in found.values())
    moved = dataclasses.replace(model, weights=centred(weights, small.LAYERS, found))
    assert np.allclose(vectors(moved, tmp_path / "moved"), exact, atol=1e-4)
    apart = [1 - (vectors(made, tmp_path / "int8", Whole()) * exact).sum(1).mean() for made in (model, moved)]
    assert apart[1] < 0.5 * apart[0]
