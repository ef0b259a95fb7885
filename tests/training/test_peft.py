"""Few parameters in place of all: what moves, what an independent calculation makes of it, and that it lasts."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from aisle.errors import ArtifactError, FingerprintError, RecipeError
from aisle.training.peft.settings import RATES, PeftSettings
from aisle.training.relevance.recipe import FitSettings, TrainingRecipe, load_recipe

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from aisle.encoders.export import write_encoder  # noqa: E402
from aisle.encoders.graph import BertShape, Real, Whole  # noqa: E402
from aisle.encoders.runtime import open_graph  # noqa: E402
from aisle.encoders.weights import EncoderWeights, read_weights  # noqa: E402
from aisle.rerankers.cross_encoder import Pair  # noqa: E402
from aisle.rerankers.cross_export import read_cross_encoder, write_cross_encoder  # noqa: E402
from aisle.training.peft.adapt import Adaptation, count  # noqa: E402
from aisle.training.peft.store import adapter_settings, load_adapter, save_adapter  # noqa: E402
from aisle.training.relevance.adapters import ADAPTER, keep_adapter, with_adapter, write_tuned  # noqa: E402
from aisle.training.relevance.cross_model import CrossModel, begin  # noqa: E402
from aisle.training.relevance.data import Lesson  # noqa: E402
from aisle.training.relevance.fit import Fit  # noqa: E402
from aisle.training.relevance.lists import lists_of  # noqa: E402
from aisle.training.relevance.model import TunedEncoder  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("default")]

DIM, ROWS, LAYERS, WIDE = 32, 40, 3, 64
FAST = FitSettings(epochs=4, queries=4, per_query=4, rate=1e-2, threads=1, save_every=1, seed=5, loss="pairwise")
SIX = ("query", "key", "value", "attended", "wide", "narrow")
METHODS = {
    "full": PeftSettings(),
    "lora": PeftSettings(method="lora", rank=3, alpha=6, targets=SIX),
    "dora": PeftSettings(method="dora", rank=3, alpha=6, targets=SIX),
    "adalora": PeftSettings(method="adalora", rank=2, init_rank=5, every=2, targets=SIX),
    "prefix": PeftSettings(method="prefix", length=4, rate=0.1),
    "adapter": PeftSettings(method="adapter", width=5),
    "last": PeftSettings(method="last", layers=1),
}
FEW = [name for name in METHODS if name != "full"]
IDS = [[2, 7, 31, 3], [2, 12, 3], [2, 30, 8, 9, 22, 3]]


class StoppedError(Exception):
    """Ctrl-C, as it were."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small encoder as a float32 folder: what every adapter here begins with."""
    from transformers import BertConfig, BertModel

    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=ROWS,
        hidden_size=DIM,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        intermediate_size=WIDE,
        max_position_embeddings=16,
    )
    bert = BertModel(config, add_pooling_layer=False)
    with torch.no_grad():  # a trained one has weights that count and biases that are not 0
        for value in bert.parameters():
            value.add_(torch.randn(value.shape) * 0.1)
    weights = {name: value.numpy().copy() for name, value in bert.state_dict().items()}
    weights["embeddings.word_embeddings.weight"] = np.random.default_rng(0).normal(size=(ROWS, DIM)).astype(np.float32)
    out = tmp_path_factory.mktemp("base") / "encoder"
    write_encoder(weights, BertShape(DIM, 4, LAYERS, 1e-12, 16), {}, out, {}, None, Real())
    return out


@pytest.fixture(scope="module")
def base(folder) -> EncoderWeights:
    return read_weights(folder)


def planted() -> Lesson:
    """Query token q (5..19) wants the text with token q + 20, which nothing but judgments tells."""
    texts = [[2, 20 + number, 3] for number in range(5, 20)]
    queries = [[2, number, 3] for number in range(5, 20)]
    groups, text_of, levels = [], [], []
    for query in range(15):
        groups.append(list(range(len(text_of), len(text_of) + 6)))
        text_of += [(query + step * 2) % 15 for step in range(6)]
        levels += [3.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    lists = lists_of(groups, text_of, np.array(levels))
    return Lesson(queries, texts, lists, lists, range(15), range(15))


def fitted(base, folder, peft, settings=FAST, stop_at: int = 0, seen=None):
    folder.mkdir(exist_ok=True)
    settings = replace(settings, rate=peft.rate or settings.rate)
    fit = Fit(TunedEncoder(base, settings.dropout, peft, settings.seed), planted(), settings, folder)
    fit.resume()

    def report(step, steps, losses):
        if seen is not None:
            seen.append((step, dict(losses), sum(fit.model.adaptation.ranks().values())))
        if step == stop_at:
            raise StoppedError("Ctrl-C")

    if stop_at:
        with pytest.raises(StoppedError, match="Ctrl-C"):
            fit.run(report)
        return fit, None
    return fit, fit.run(report)


@pytest.fixture(scope="module")
def trained(base, tmp_path_factory):
    """Each method after training, how it went, and its loss after each step."""
    work = tmp_path_factory.mktemp("trained")
    found = {}
    for name, peft in METHODS.items():
        seen: list[tuple] = []
        fit, outcome = fitted(base, work / name, peft, replace(FAST, epochs=6), seen=seen)
        found[name] = (fit.model.eval(), outcome, [losses["pairwise"] for _, losses, _ in seen])
    torch.use_deterministic_algorithms(False)
    return found


def vectors(model) -> np.ndarray:
    with torch.no_grad():
        return model.eval()(IDS).numpy()


def numbers(model) -> dict:
    return {name: value.detach().clone() for name, value in model.trained().items()}


def same(left: dict, right: dict) -> bool:
    return set(left) == set(right) and all(torch.equal(left[name], right[name]) for name in left)


# --- what moves ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_every_method_learns_what_only_judgments_tell(trained, method):
    _, outcome, losses = trained[method]
    assert outcome.before < 0.75
    assert np.mean(losses[-8:]) < np.mean(losses[:8]) - 0.05
    if method != "prefix":  # what all tokens see alike cannot tell one word of an untaught model from another
        assert outcome.after > outcome.before + 0.08


@pytest.mark.parametrize("method", FEW)
def test_nothing_but_the_part_moves(base, trained, method):
    before, (after, _, _) = TunedEncoder(base, 0.0, METHODS[method], FAST.seed), trained[method]
    first, last = dict(before.named_parameters()), dict(after.named_parameters())
    assert set(first) == set(last)
    moved = {name for name in first if not torch.equal(first[name], last[name])}
    gone = {name for name in moved ^ set(after.trained()) if "lora_E" in name}  # matrices that have no rank left
    assert moved | gone == set(after.trained())
    assert method == "adalora" or not gone
    assert moved < set(first)


@pytest.mark.parametrize("method", [name for name in METHODS if name != "prefix"])
def test_before_training_it_is_the_encoder_that_it_was(base, method):
    np.testing.assert_allclose(
        vectors(TunedEncoder(base, 0.0, METHODS[method])), vectors(TunedEncoder(base)), atol=1e-6
    )


def test_parameters_counted_by_hand(base):
    matrices = 4 * (DIM + DIM) + 2 * (DIM + WIDE)  # rows and columns of the six of a layer
    outputs = 5 * DIM + WIDE
    layer = 4 * (DIM * DIM + DIM) + 2 * DIM * WIDE + WIDE + DIM + 4 * DIM
    wanted = {
        "full": 16 * DIM + 2 * DIM + LAYERS * layer,
        "lora": LAYERS * 3 * matrices,
        "dora": LAYERS * (3 * matrices + outputs),
        "adalora": LAYERS * (5 * matrices + 5 * 6),
        "prefix": LAYERS * 2 * 4 * DIM,
        "adapter": LAYERS * 2 * (2 * DIM * 5 + DIM + 5),
        "last": layer,
    }
    found = {name: count(TunedEncoder(base, 0.0, peft)).trained for name, peft in METHODS.items()}
    assert found == wanted
    pfeiffer = replace(METHODS["adapter"], place="output")
    assert count(TunedEncoder(base, 0.0, pfeiffer)).trained == wanted["adapter"] // 2
    some = replace(METHODS["lora"], targets=("query", "wide"))
    assert count(TunedEncoder(base, 0.0, some)).trained == LAYERS * 3 * (2 * DIM + DIM + WIDE)
    assert count(TunedEncoder(base)).all == wanted["full"] + 2 * DIM  # the fixed types of token


def test_last_layers_and_no_others(base):
    moved = TunedEncoder(base, 0.0, PeftSettings(method="last", layers=2)).trained()
    assert {name.split(".")[3] for name in moved} == {"1", "2"}
    with pytest.raises(RecipeError, match=r"peft.layers 4\n.*at most 3"):
        TunedEncoder(base, 0.0, PeftSettings(method="last", layers=4))


# --- what it computes ----------------------------------------------------------------------------------------


def test_lora_and_dora_are_what_their_papers_say(base, trained):
    name = "encoder.layer.1.intermediate.dense"
    whole = torch.tensor(base.weights[f"{name}.weight"])
    for method in ("lora", "dora"):
        model, _, _ = trained[method]
        layer = model.bert.get_submodule(name)
        moved = whole + 6 / 3 * layer.lora_B["default"].weight @ layer.lora_A["default"].weight
        if method == "dora":
            length = layer.lora_magnitude_vector["default"].weight
            moved = length[:, None] * moved / moved.norm(dim=1, keepdim=True)
        torch.testing.assert_close(model.adaptation.weights()[f"{name}.weight"], moved, atol=1e-6, rtol=1e-5)
        assert not torch.allclose(moved, whole, atol=1e-3)


def test_a_prefix_is_a_past_that_moves_no_position(base, trained):
    """Against transformers' own cache of keys, with positions and mask given by hand."""
    from transformers import DynamicCache

    model, _, _ = trained["prefix"]
    plain = TunedEncoder(base).eval()
    cache = DynamicCache()
    for number, layer in enumerate(model.bert.encoder.layer):
        keys, values = layer.attention.self.prefix_keys[None], layer.attention.self.prefix_values[None]
        cache.update(keys.detach(), values.detach(), number)
    ids = IDS[2]
    with torch.no_grad():
        hidden = plain.bert(
            inputs_embeds=plain.rows[torch.tensor([ids])],
            attention_mask=torch.ones(1, 4 + len(ids)),
            position_ids=torch.arange(len(ids))[None],
            past_key_values=cache,
        ).last_hidden_state
    wanted = nn.functional.normalize(hidden.mean(1), dim=-1).numpy()
    np.testing.assert_allclose(vectors(model)[2:], wanted, atol=1e-5)
    assert np.abs(vectors(plain)[2:] - wanted).max() > 0.01


def test_gradient_checkpointing_does_not_drop_the_prefix(base, tmp_path):
    found = []
    for name, on in (("without", False), ("with", True)):
        fit, _ = fitted(base, tmp_path / name, METHODS["prefix"], replace(FAST, epochs=1, checkpointing=on))
        found.append(numbers(fit.model))
    for name, value in found[0].items():
        torch.testing.assert_close(found[1][name], value, atol=1e-5, rtol=1e-3)


def test_an_adapter_is_added_to_the_output(trained):
    model, _, _ = trained["adapter"]
    layer = model.bert.encoder.layer[2].output.dense
    given = torch.randn(3, WIDE)
    plain = given @ layer.base_layer.weight.T + layer.base_layer.bias
    narrow = plain @ layer.down.weight.T + layer.down.bias
    narrow = narrow * 0.5 * (1 + torch.erf(narrow / 2**0.5))
    torch.testing.assert_close(layer(given), plain + narrow @ layer.up.weight.T + layer.up.bias, atol=1e-5, rtol=1e-4)
    assert layer.up.weight.abs().max() > 1e-3


# --- AdaLoRA's schedule --------------------------------------------------------------------------------------


def test_ranks_fall_along_the_cubic_budget_to_the_target(base, tmp_path):
    seen = []
    peft = replace(METHODS["adalora"], fall_from=0.2, fall_until=0.7, every=2)
    fit, _ = fitted(base, tmp_path, peft, replace(FAST, epochs=5), seen=seen)
    steps, matrices = 40, LAYERS * 6
    start, target, begin, until = 5 * matrices, 2 * matrices, 8, 28
    # Zhang et al. 2023, equation 12; between two divisions the optimiser may bring a rank back.
    wanted = {
        step: int(target + (start - target) * (1 - (step - begin) / (until - begin)) ** 3)
        for step in range(begin + 2, until, 2)
    }
    ranks = {step: total for step, _, total in seen}
    assert {step: ranks[step] for step in wanted} == wanted
    assert {ranks[step] for step in range(2, begin + 1)} == {start}  # the first step's lists tell nothing
    assert {ranks[step] for step in range(until, steps + 1)} == {target}
    left = fit.model.adaptation.ranks()
    assert len(left) == matrices
    assert len(set(left.values())) > 1, "ranks go where they count"


def test_orthogonality_is_a_loss_and_its_gradient_arrives(base, tmp_path):
    far = []
    for name, weight in (("without", 0.0), ("with", 5.0)):
        seen = []
        peft = replace(METHODS["adalora"], orthogonal=weight)
        fit, _ = fitted(base, tmp_path / name, peft, seen=seen)
        assert ("orthogonal" in seen[0][1]) == (weight > 0)
        rows = fit.model.bert.encoder.layer[0].intermediate.dense.lora_A["default"]
        far.append(float(torch.linalg.norm(rows @ rows.T - torch.eye(5))))
    assert far[1] < 0.6 * far[0]


def test_a_moving_average_keeps_to_the_division(base, tmp_path):
    fit, _ = fitted(base, tmp_path, METHODS["adalora"], replace(FAST, average=0.9))
    assert sum(fit.model.adaptation.ranks().values()) == 2 * LAYERS * 6


def test_schedules_that_cannot_work_are_refused(base, tmp_path):
    for wrong, message in (
        ({"init_rank": 2}, "peft.init_rank 2 and peft.rank 2"),
        ({"fall_from": 0.8}, r"peft.fall_from 0.8 and peft.fall_until 0.7"),
    ):
        with pytest.raises(RecipeError, match=message):
            TunedEncoder(base, 0.0, replace(METHODS["adalora"], **wrong))
    model = TunedEncoder(base, 0.0, METHODS["adalora"])
    with pytest.raises(RecipeError, match=r"ranks have fallen only at the end\n.*fit.choose=false"):
        Fit(model, planted(), replace(FAST, choose=True), tmp_path)
    with pytest.raises(RecipeError, match="AdaLoRA in 1 steps"):
        Fit(model, planted(), replace(FAST, epochs=1, queries=100), tmp_path)


# --- that it lasts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "stop_at"), [*((method, 9) for method in FEW), ("adalora", 2), ("adalora", 27), ("dora", 16)]
)
def test_an_interrupted_run_ends_with_the_same_weights(base, tmp_path, method, stop_at):
    settings = replace(FAST, dropout=0.1)
    whole, outcome = fitted(base, tmp_path / "whole", METHODS[method], settings)
    fitted(base, tmp_path / "parts", METHODS[method], settings, stop_at)
    resumed, again = fitted(base, tmp_path / "parts", METHODS[method], settings)
    assert again == outcome
    assert same(numbers(whole.model), numbers(resumed.model))


def test_adapters_are_small_and_give_the_same_bits_in_a_new_process(base, folder, trained, tmp_path):
    for method in FEW:
        write_tuned(trained[method][0], base, tmp_path / method, Real())
    script = """
import json, sys
from pathlib import Path
import torch
from aisle.training.relevance.adapters import with_adapter
torch.set_num_threads(1)
base, work, ids = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
for method in sys.argv[4:]:
    model, _ = with_adapter(base, work / method / "adapter")
    with torch.no_grad():
        print(json.dumps([[x.hex() for x in row] for row in model.eval()(ids).tolist()]))
"""
    asked = [sys.executable, "-c", script, str(folder), str(tmp_path), json.dumps(IDS), *FEW]
    said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.splitlines()
    torch.set_num_threads(1)
    for method, line in zip(FEW, said, strict=True):
        wanted = [[x.hex() for x in row] for row in vectors(trained[method][0]).tolist()]
        assert json.loads(line) == wanted, method
        parameters = count(trained[method][0]).trained
        size = (tmp_path / method / ADAPTER / "adapter.safetensors").stat().st_size
        assert size < 4 * parameters + 20_000
        if method == "adalora":  # ranks that are gone take no room
            assert size < 0.7 * 4 * parameters + 8_000


@pytest.mark.parametrize("arithmetic", [Real(), Whole()], ids=["float32", "int8"])
@pytest.mark.parametrize("method", METHODS)
def test_what_is_served_is_what_was_trained(base, trained, tmp_path, method, arithmetic):
    model, _, _ = trained[method]
    write_tuned(model, base, tmp_path, arithmetic)
    run = open_graph(tmp_path / "model.onnx")
    found = np.concatenate([run({"input_ids": np.array([ids])}) for ids in IDS])
    if isinstance(arithmetic, Real):
        np.testing.assert_allclose(found, vectors(model), atol=1e-5)
        twice = run({"input_ids": np.array([IDS[0], IDS[0]])})
        np.testing.assert_allclose(twice, np.stack([found[0]] * 2), atol=1e-6)
    else:
        assert (found * vectors(model)).sum(1).min() > 0.98
    before = vectors(TunedEncoder(base))
    assert (found * before).sum(1).min() < 0.99, "it is not what it was before training"


def test_what_cannot_be_merged_is_not_read_back_without_it(base, trained, tmp_path):
    for method in FEW:
        write_tuned(trained[method][0], base, tmp_path / method)
        if method in ("prefix", "adapter"):
            with pytest.raises(ArtifactError, match=r"adapters or a prefix.*\n.*\nto fix: begin with the encoder"):
                read_weights(tmp_path / method)
        else:
            read_weights(tmp_path / method)


def test_an_adapter_belongs_to_its_model(base, folder, trained, tmp_path):
    write_tuned(trained["lora"][0], base, tmp_path / "lora", Real())
    adapter = tmp_path / "lora" / ADAPTER
    assert adapter_settings(adapter) == METHODS["lora"]
    write_tuned(trained["full"][0], base, tmp_path / "other", Real())
    with pytest.raises(FingerprintError, match="was trained on another model"):
        with_adapter(tmp_path / "other", adapter)
    model = TunedEncoder(base, 0.0, METHODS["prefix"])
    with pytest.raises(ArtifactError, match="differ in 'bert"):
        load_adapter(adapter, model, base.manifest.fingerprint)
    (adapter / "adapter.safetensors").write_bytes(b"nothing")
    with pytest.raises(ArtifactError, match="cannot read"):
        with_adapter(folder, adapter)


class Scorer(nn.Module):
    """A re-ranker: the backbone with a head."""

    def __init__(self, base: EncoderWeights, peft: PeftSettings) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.head = nn.Linear(DIM, 1)
        self.inner = TunedEncoder(base, 0.0, peft)

    def forward(self, texts):
        return self.head(self.inner(texts)).squeeze(1)


@pytest.mark.parametrize("method", FEW)
def test_a_head_outside_the_backbone_is_trained_and_kept(base, tmp_path, method):
    model = Scorer(base, METHODS[method])
    before = model.head.weight.detach().clone()
    optimiser = torch.optim.SGD([value for value in model.parameters() if value.requires_grad], 0.5)
    for _ in range(3):
        optimiser.zero_grad()
        (model(IDS) - torch.tensor([1.0, 0.0, -1.0])).square().sum().backward()
        optimiser.step()
    assert (model.head.weight - before).abs().max() > 0.01
    save_adapter(tmp_path, model, METHODS[method], {"model": "x"})
    again = Scorer(base, METHODS[method])
    assert not torch.equal(again(IDS), model(IDS))
    load_adapter(tmp_path, again, {"model": "x"})
    assert torch.equal(again(IDS), model(IDS))


@pytest.mark.parametrize("method", FEW)
def test_a_cross_encoder_takes_the_same_methods(base, tmp_path, method):
    """Its readings move with every one; what is served has what was learnt, and so has an adapter loaded anew."""
    begun = begin(base, ["cls", "match"], 0, 16, 6)
    model = CrossModel(begun, 0.0, METHODS[method])
    chance = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for value in model.trained().values():
            value.add_(torch.randn(value.shape, generator=chance) * 0.2)
    assert {"readings.cls", "readings.match", "text_type", "bias"} < set(model.trained())
    pairs = [Pair([2, 7, 3, 31, 8, 3], 3), Pair([2, 12, 9, 3, 22, 3], 4)]
    with torch.no_grad():
        wanted = model.eval()(pairs).numpy()
        before = CrossModel(begun).eval()(pairs).numpy()
    assert np.abs(wanted - before).max() > 0.05
    keep_adapter(model, METHODS[method], {"model": "x"}, tmp_path)
    write_cross_encoder(model.weights(), tmp_path, Real())
    run = open_graph(tmp_path / "model.onnx")
    found = [
        run({"input_ids": np.array([pair.ids]), "token_type_ids": np.array([[int(i >= pair.start) for i in range(6)]])})
        for pair in pairs
    ]
    np.testing.assert_allclose(np.concatenate(found), wanted, atol=1e-4)
    again = CrossModel(begun, 0.0, adapter_settings(tmp_path / ADAPTER))
    load_adapter(tmp_path / ADAPTER, again, {"model": "x"})
    with torch.no_grad():
        np.testing.assert_array_equal(again.eval()(pairs).numpy(), wanted)
    if method in ("prefix", "adapter"):
        with pytest.raises(ArtifactError, match="adapters or a prefix"):
            read_cross_encoder(tmp_path)


@pytest.fixture(scope="module")
def cross_trained(base, tmp_path_factory):
    """A cross-encoder taught by each method: the folder of what is served, how it went, and its scores."""
    work, found = tmp_path_factory.mktemp("cross"), {}
    for method in FEW:
        peft = METHODS[method]
        settings = replace(FAST, epochs=8, rate=peft.rate or FAST.rate)
        model = CrossModel(begin(base, ("mean", "match"), 0, 12, 4), 0.0, peft, settings.seed)
        (work / method).mkdir()
        begun = {name: value.detach().clone() for name, value in model.trained().items()}
        outcome = Fit(model, planted(), settings, work / method).run(lambda *_: None)
        moved = {name for name, value in model.trained().items() if not torch.equal(value, begun[name])}
        assert {"readings.mean", "readings.match", "text_type"} < moved
        assert sum(name.startswith("layers.") for name in moved) > (len(begun) - 4) / 2  # AdaLoRA ends some at 0
        keep_adapter(model, peft, {"model": "x"}, work / method)
        write_cross_encoder(model.weights(), work / method, Real())
        with torch.no_grad():
            found[method] = (work / method, outcome, model.eval()(CROSS_PAIRS).numpy())
    torch.use_deterministic_algorithms(False)
    return found


CROSS_PAIRS = [Pair([2, 7, 3, 27, 3], 3), Pair([2, 12, 3, 22, 3], 3)]
SERVED = """
import json, sys
from pathlib import Path
import numpy as np
from aisle.encoders.runtime import open_graph
run, types = open_graph(Path(sys.argv[1])), np.array([[0, 0, 0, 1, 1]])
pairs = [[2, 7, 3, 27, 3], [2, 12, 3, 22, 3]]
print(json.dumps([float(run({"input_ids": np.array([ids]), "token_type_ids": types})[0].item()) for ids in pairs]))
"""


@pytest.mark.parametrize("method", FEW)
def test_a_cross_encoder_learns_by_every_method_and_is_served_alike_in_a_new_process(cross_trained, base, method):
    folder, outcome, scores = cross_trained[method]
    assert max(outcome.epochs) > outcome.before + 0.05
    done = subprocess.run(
        [sys.executable, "-c", SERVED, str(folder / "model.onnx")], capture_output=True, text=True, check=True
    )
    np.testing.assert_allclose(json.loads(done.stdout), scores, atol=1e-4)
    again = CrossModel(begin(base, ("mean", "match"), 0, 12, 4), 0.0, adapter_settings(folder / ADAPTER))
    load_adapter(folder / ADAPTER, again, {"model": "x"})
    with torch.no_grad():
        np.testing.assert_array_equal(again.eval()(CROSS_PAIRS).numpy(), scores)


# --- settings ------------------------------------------------------------------------------------------------


def test_settings_come_through_a_recipe(tmp_path):
    recipe = load_recipe(None, ["peft.method=lora", 'peft.targets=["query","value"]', "peft.rank=4"])
    assert recipe.peft == PeftSettings(method="lora", targets=("query", "value"), rank=4)
    assert TrainingRecipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe
    with pytest.raises(RecipeError, match=r"peft\.targets\.0"):
        load_recipe(None, ['peft.targets=["pooler"]'])
    assert recipe.peft.learning_rate(5e-5) == RATES["lora"]
    assert PeftSettings().learning_rate(5e-5) == 5e-5
    assert PeftSettings(method="lora", rate=0.25).learning_rate(5e-5) == 0.25


def test_an_adaptation_changes_the_module_in_place(base):
    model = TunedEncoder(base)
    Adaptation(model.bert, METHODS["lora"])
    assert all(".lora_" in name for name in model.trained())
