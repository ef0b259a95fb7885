"""LoRA of a small random language model: it learns, it resumes exactly, and what it saves scores alike elsewhere."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from aisle.cli.main import cli
from aisle.errors import ArtifactError, RecipeError
from aisle.judgments.pairs import PairSet, Scale, TextPair
from aisle.rerankers.llm.spec import read_spec, spec_of
from aisle.rerankers.load import load_reranker
from aisle.training.runs import runs
from aisle.types import Product
from tests.llm.tiny import write_model
from tests.training.test_tracking import needs_tensorboard, scalars, tracked_in

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("default")]

KINDS = ("hub", "mouse", "shop")
PAIRS = PairSet(
    tuple(
        TextPair(f"{colour} {asked}", f"{colour} {asked}", f"{colour} {given}", f"{given} the {colour}",
                 grade=3.0 if asked == given else 0.0)
        for colour in ("brand", "query", "word", "title", "results", "product", "wireless", "usb")
        for asked in KINDS
        for given in KINDS
    ),
    Scale(0, 3),
    "made",
)  # fmt: skip
SETTINGS = ["epochs=6", "rate=1e-2", "rank=4", "batch=8", "save_every=3", "held_out=0.2", "threads=1"]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("base") / "qwen3")


def spec(base, **changes):
    llm = {"model": str(base), "endpoint": "local"} | changes.pop("llm", {})
    return spec_of({"llm": llm, "prompt": "qwen3", "instruction": "same kind"} | changes)


SAID: dict[Path, list[str]] = {}
"""What a run of a folder was told in words."""


def run(base, out, changes=SETTINGS, resume=False, report=lambda step, steps, losses: None):
    from aisle.training.llm.recipe import load_recipe
    from aisle.training.llm.tune import tune

    SAID[out] = []
    note = SAID[out].append
    return tune(spec(base), PAIRS, load_recipe(changes), out, resume=resume, report=report, note=note)


@pytest.fixture(scope="module")
def tuned(base, tmp_path_factory):
    losses = []
    out = tmp_path_factory.mktemp("tuned") / "adapter"
    return run(base, out, report=lambda step, steps, found: losses.append(found["loss"])), out, losses


def test_it_says_before_what_it_takes_and_keeps_it_beside_what_it_took(tuned):
    from aisle.training.relevance.forecast import Estimate

    found, out, _ = tuned
    took = json.loads((out / "metrics.json").read_text())["took"]
    estimate, measured = took["estimate"], took["measured"]
    assert SAID[out] == [f"estimate: {Estimate(**estimate).told()}"]
    assert estimate["steps"] == found.steps
    assert estimate["seconds"] == pytest.approx(sum(estimate["parts"].values()), abs=0.02)
    assert min(estimate["parts"][name] for name in ("steps", "checkpoints", "held out")) > 0
    assert 0 < estimate["memory"] <= measured["memory"]  # of one process, which holds no less later
    assert measured["seconds"] > 0
    assert measured["first step"] == 0


def test_the_adapter_is_the_same_without_an_estimate(base, tuned, tmp_path, monkeypatch):
    from aisle.training.llm import tune
    from aisle.training.relevance.forecast import Estimate

    monkeypatch.setattr(tune, "forecast", lambda fit, seconds: Estimate(1.0, 1, fit.steps, {}, "cpu", {}))
    run(base, tmp_path / "adapter")
    weights = [(out / "adapter" / "adapter_model.safetensors").read_bytes() for out in (tuned[1], tmp_path / "adapter")]
    assert weights[0] == weights[1]


@pytest.mark.parametrize("checkpointing", [False, True])
def test_operations_by_hand(base, checkpointing):
    """Two layers of width 32, 4 heads of 8 and 2 of keys and values; a feed-forward part of 64, gated."""
    from transformers import AutoModelForCausalLM

    from aisle.training.llm.fit import Fit, Prompts, Words
    from aisle.training.llm.forecast import layer_weights, operations
    from aisle.training.llm.recipe import TuneSettings

    model = AutoModelForCausalLM.from_pretrained(base)
    prompts = Prompts([[1] * 5, [1] * 9, [1] * 3], [1.0, 0.0, 1.0])
    fit = Fit(model, Words((1,), (2,), 0), prompts, TuneSettings(checkpointing=checkpointing), base)
    norms = 2 * (2 * 32 + 2 * 8) + 32
    layers = 2 * (2 * 32 * 32 + 2 * 32 * 16 + 3 * 32 * 64) + norms
    attention = 2 * 2 * 32 * 9  # scores and their use, for each token
    passes = 3 if checkpointing else 2
    assert layer_weights(model) == layers
    assert operations(fit, [0, 1, 2], layers) == passes * 2 * 27 * (layers + attention)


def test_it_learns_what_it_is_taught(tuned):
    found, out, losses = tuned
    assert len(losses) == found.steps == 6 * 8  # 57 or 58 pairs in steps of 8
    assert np.mean(losses[-8:]) < 0.6 * np.mean(losses[:8])
    assert found.loss_after < found.loss_before
    assert found.trained_parameters < 0.5 * found.all_parameters  # of a model of 32 numbers a layer; less of real ones
    assert json.loads((out / "metrics.json").read_text()) == found.to_dict()
    assert not (out / "checkpoint.pt").exists()


def test_the_folder_is_a_reranker_and_scores_alike_in_a_new_process(base, tuned):
    _, out, _ = tuned
    products = [Product(kind, f"{kind} the word") for kind in KINDS]
    here = load_reranker(out).score("word hub", products)
    code = (
        "import sys; from pathlib import Path; from aisle.rerankers.load import load_reranker; from aisle.types import "
        "Product; print(load_reranker(Path(sys.argv[1])).score('word hub', [Product(k, f'{k} the word') for k in "
        "('hub', 'mouse', 'shop')]).tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code, str(out)], capture_output=True, text=True, check=True)
    np.testing.assert_allclose(json.loads(done.stdout.splitlines()[-1]), here, atol=1e-6)
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from aisle.rerankers.llm.prompts import qwen3

    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), out / "adapter").eval()
    tokenizer = AutoTokenizer.from_pretrained(base)
    yes, no = (tokenizer.convert_tokens_to_ids(word) for word in ("yes", "no"))
    for product, score in zip(products, here, strict=True):
        text = qwen3("word hub", product, read_spec(out))
        with torch.no_grad():
            logits = model(**tokenizer(text, return_tensors="pt", add_special_tokens=False)).logits[0, -1]
        assert float(torch.sigmoid(logits[yes] - logits[no])) == pytest.approx(float(score), abs=1e-5)
    before = load_reranker_of(base).score("word hub", products)
    assert abs(before - here).max() > 0.01


def load_reranker_of(base):
    from aisle.rerankers.llm.load import of_spec

    return of_spec(spec(base))


def test_the_command_tunes_and_what_it_makes_ranks(base, tmp_path):
    rows = [f"{pair.query},{pair.title},{pair.grade:g}" for pair in PAIRS[:18]]
    (tmp_path / "pairs.csv").write_text("\n".join(["query,title,relevance", *rows]))
    (tmp_path / "llm.toml").write_text(f'prompt = "qwen3"\n[llm]\nendpoint = "local"\nmodel = "{base}"\n')
    names = [name for name in ("tensorboard", "wandb", "mlflow") if find_spec(name)]
    small = ["--set", "rank=2", "--set", "threads=1"]
    given = ["--pairs", tmp_path / "pairs.csv", "--out", tmp_path / "tuned", *small, "--json"]
    estimated = ["--pairs", tmp_path / "pairs.csv", *small]
    done = CliRunner().invoke(cli, list(map(str, ["llm", "tune", tmp_path / "llm.toml", *estimated, "--estimate"])))
    assert (done.exit_code, done.stdout[:6]) == (0, "about "), done.output
    done = CliRunner().invoke(cli, list(map(str, ["llm", "tune", tmp_path / "llm.toml", *estimated])))
    assert "--out is missing" in str(done.exception)
    assert not (tmp_path / "tuned").exists()
    given += ["--track", ",".join(names) or "none"]
    done = CliRunner().invoke(cli, list(map(str, ["llm", "tune", tmp_path / "llm.toml", *given])))
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert "estimate: about " in done.stderr
    assert (found["folder"], found["pairs"], found["held_out_pairs"]) == (str(tmp_path / "tuned"), 15, 3)
    assert tracked_in(tmp_path / "tuned" / "tracking") == {name: {"adapter/loss"} for name in names}
    given = ["--pairs", tmp_path / "pairs.csv", "--model", tmp_path / "tuned", "--out", tmp_path / "o.trec", "--json"]
    done = CliRunner().invoke(cli, list(map(str, ["rank", *given])))
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["cost"]["requests"] == 18
    assert len((tmp_path / "o.trec").read_text().splitlines()) == 18


class Stopped(Exception):
    pass


def test_an_interrupted_run_goes_on_to_the_same_adapter(base, tuned, tmp_path):
    _, whole, _ = tuned
    out = tmp_path / "adapter"

    def stop(step, steps, losses):
        if step == 10:
            raise Stopped

    with pytest.raises(Stopped, match=r"^$"):
        run(base, out, report=stop)
    assert not out.exists()
    seen = []
    run(base, out, resume=True, report=lambda step, steps, losses: seen.append(step))
    assert seen[0] == 10  # the last checkpoint is of step 9
    took = json.loads((out / "metrics.json").read_text())["took"]
    assert SAID[out] == []  # the run that was interrupted told it
    assert set(took) == {"measured"}
    assert took["measured"]["first step"] == 9
    weights = [(folder / "adapter" / "adapter_model.safetensors").read_bytes() for folder in (whole, out)]
    assert weights[0] == weights[1]


def kept(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"}


def test_a_finished_one_is_not_gone_on_with_and_may_be_made_again(base, tuned, tmp_path):
    _, whole, _ = tuned
    out = shutil.copytree(whole, tmp_path / "adapter")
    assert not list(out.rglob("checkpoint*"))
    with pytest.raises(ArtifactError, match=r"is finished: there is no interrupted tuning of it to go on with"):
        run(base, out, resume=True)
    assert kept(out) == {out / path.relative_to(whole): content for path, content in kept(whole).items()}
    (out / "llm.toml").write_text("", encoding="utf-8")
    run(base, out)
    assert (out / "llm.toml").read_bytes() == (whole / "llm.toml").read_bytes()


def test_what_ends_it_after_the_last_step_loses_nothing(base, tuned, tmp_path, monkeypatch):
    from aisle.training.llm import tune

    def stop(part, out):
        raise Stopped

    out = tmp_path / "adapter"
    with monkeypatch.context() as patch:
        patch.setattr(tune, "swap_in", stop)
        with pytest.raises(Stopped, match=r"^$"):
            run(base, out)
    steps = []
    run(base, out, resume=True, report=lambda step, steps_, losses: steps.append(step))
    assert steps == []
    weights = [(folder / "adapter" / "adapter_model.safetensors").read_bytes() for folder in (tuned[1], out)]
    assert weights[0] == weights[1]


def test_another_runs_checkpoint_is_refused(base, tmp_path):
    out = tmp_path / "adapter"

    def stop(step, steps, losses):
        if step == 3:
            raise Stopped

    with pytest.raises(Stopped, match=r"^$"):
        run(base, out, report=stop)
    before = kept(tmp_path)
    with pytest.raises(ArtifactError, match="is of other data or settings"):
        run(base, out, [*SETTINGS, "seed=1"], resume=True)
    for changes in (SETTINGS, [*SETTINGS, "seed=1"]):
        with pytest.raises(ArtifactError, match=r"an interrupted tuning of .*adapter' lies in .*, and would be lost"):
            run(base, out, changes)
    assert kept(tmp_path) == before, "nothing is lost"
    run(base, tmp_path / "another")
    assert (tmp_path / "another" / "adapter").is_dir()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(ArtifactError, match=r"has no manifest\.json"):
        run(base, tmp_path / "mine")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"llm": {"endpoint": "http://x/v1", "api": "completions"}}, "tuning needs a model here"),
        ({"prompt": "rubric", "kind": "graded"}, "what is tuned is the yes and no"),
        ({"prompt": "rubric", "shots": 2, "judgments": "x.csv"}, "begins with neither"),
    ],
)
def test_specs_of_something_else(base, tmp_path, changes, said):
    from aisle.training.llm.recipe import load_recipe
    from aisle.training.llm.tune import tune

    with pytest.raises(RecipeError, match=said):
        tune(spec(base, **changes), PAIRS, load_recipe(), tmp_path / "out")
    with pytest.raises(RecipeError, match="setting 'epoch'"):
        load_recipe(["epoch=3"])


@needs_tensorboard
def test_losses_are_in_the_folder_step_by_step(tuned):
    _, out, losses = tuned
    kept = scalars(out / "tracking" / "tensorboard" / "adapter")["loss"]
    assert kept == [(step, round(loss, 4)) for step, loss in enumerate(losses, start=1)]


def test_it_is_among_the_trainings_of_its_folder(tuned):
    found, out, _ = tuned
    (run,) = [one for one in runs(out.parent) if one.name == "adapter"]
    assert (run.state, run.architecture) == ("tuned", "llm adapter")
    assert run.metrics["loss_after"] == found.loss_after
    assert run.changed()["settings.rank"] == 4
