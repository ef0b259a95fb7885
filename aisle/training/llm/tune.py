"""From graded pairs and the spec of a local model to a folder with a LoRA adapter that is a re-ranker by itself.

Some queries are held out: the loss and, inside their judged texts, the nDCG are measured on them before and after.
"""

from __future__ import annotations

import dataclasses
import json
import random
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import tomli_w

from aisle.artifacts import MANIFEST, Manifest, one_writer, read_manifest, swap_in, write_manifest, write_text
from aisle.errors import ArtifactError, OptionalDependencyError, RecipeError
from aisle.evaluate.pools import pool_ndcg
from aisle.judgments.pairs import PairSet
from aisle.llm.client import LlmClient
from aisle.llm.local import LocalModel, single_tokens
from aisle.llm.store import Store
from aisle.rerankers.llm.pointwise import WATCHED, PointwiseLlm
from aisle.rerankers.llm.reading import NO, YES
from aisle.rerankers.llm.spec import LlmSpec
from aisle.rerankers.slow import FILE
from aisle.training.llm.fit import CHECKPOINT, Fit, Prompts, Report, Words, measured
from aisle.training.llm.forecast import compute_of, forecast
from aisle.training.llm.recipe import TuneSettings
from aisle.training.tracking import FOLDER as TRACKING
from aisle.training.tracking import tracked, tracking
from aisle.types import Product

KIND, FORMAT = "llm adapter", 1
ADAPTER = "adapter"


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a tuning made, what it brought on queries that it did not learn from, and what that was thought to take."""

    folder: str
    pairs: int
    held_out_pairs: int
    steps: int
    trained_parameters: int
    all_parameters: int
    loss_before: float
    loss_after: float
    ndcg_before: float | None
    ndcg_after: float | None
    took: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    def numbers(self) -> dict[str, float]:
        """Names and numbers for a table."""
        return {name: value for name, value in asdict(self).items() if isinstance(value, int | float)}


@dataclass(frozen=True, slots=True)
class _Begun:
    """A model with a new adapter, the pairs held out, what it said of them without one, and the seconds of that."""

    local: LocalModel
    fit: Fit
    test_rows: list[int]
    test: Prompts
    before: list[float]
    seconds: float


def tune(
    spec: LlmSpec,
    pairs: PairSet,
    settings: TuneSettings,
    out: Path,
    *,
    resume: bool = False,
    report: Report = lambda step, steps, losses: None,
    note: Callable[[str], None] = lambda text: None,
) -> Tuned:
    """Train an adapter.

    Args:
        spec: Of kind "pointwise", with a local model and neither adapter nor examples.
        pairs: Graded.
        settings: How.
        out: The folder to make; one that was made so before is replaced.
        resume: Go on from where an earlier run of the same data and settings stopped.
        report: Called after each step.
        note: Told, before the first step, what training will take.

    Raises:
        RecipeError: The spec is of something else.
        ArtifactError: The model cannot be loaded, there is something else at ``out``, what is to be resumed was of
            other data or is finished, or an interrupted tuning that is not to be resumed would be lost.
        IndexLockedError: Another process is making this folder.
        OptionalDependencyError: PyTorch, transformers, peft or a tracker is not installed.
    """
    _check(spec)
    _check_out(out)
    part = out.with_name(f".{out.name}.tuning")
    out.parent.mkdir(parents=True, exist_ok=True)
    with one_writer(out):
        _check_interrupted(out, part, resume)
        if not resume:
            shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True, exist_ok=True)
        begun = _begin(spec, pairs, settings, part)
        fit, test = begun.fit, begun.test
        signature = _signature(begun.local, spec, settings, fit.train)
        if resume and not fit.resume(signature) and (part / CHECKPOINT).exists():
            raise ArtifactError(
                f"the checkpoint in {str(part)!r} is of other data or settings",
                fix=f"give it the same files and settings, or remove {str(part)!r} to begin anew",
            )
        took: dict[str, Any] = {}
        if not fit.done:
            thought = forecast(fit, begun.seconds)
            note(f"estimate: {thought.told()}")
            took["estimate"] = thought.to_dict()
        took["measured"] = {"first step": fit.done}
        start = time.monotonic()
        with tracking(settings.track, part / TRACKING, out.name, asdict(settings)) as trackers:
            fit.run(signature, tracked(report, trackers, "adapter"))
        after = measured(fit.model, test, fit.words, settings.micro_batch)
        took["measured"] |= {"seconds": time.monotonic() - start, "memory": compute_of(fit.model).peak_bytes()}
        fit.model.save_pretrained(part / ADAPTER)
        tuned = Tuned(
            str(out), len(fit.train), len(test), fit.steps, fit.parameters,
            sum(value.numel() for value in begun.local.model.parameters()),
            _loss(begun.before, test), _loss(after, test),
            _ndcg(pairs, begun.test_rows, begun.before), _ndcg(pairs, begun.test_rows, after), took,
        )  # fmt: skip
        _finish(part, spec, settings, tuned)
        swap_in(part, out)
        (out / CHECKPOINT).unlink(missing_ok=True)  # not before: whatever ends it until here, it can be gone on with
    return tuned


def estimate_tuning(spec: LlmSpec, pairs: PairSet, settings: TuneSettings) -> Mapping[str, Any]:
    """What a tuning would take, from a few of its steps; nothing is kept.

    Args:
        spec: As for `tune`.
        pairs: As for `tune`.
        settings: As for `tune`.

    Returns:
        "seconds", "memory" in bytes, "steps", "parts", "device", "utilisation", and "told", all in a line.

    Raises:
        RecipeError: The spec is of something else.
        ArtifactError: The model cannot be loaded.
        OptionalDependencyError: PyTorch, transformers or peft is not installed.
    """
    _check(spec)
    with TemporaryDirectory() as work:
        begun = _begin(spec, pairs, settings, Path(work))
        found = forecast(begun.fit, begun.seconds)
    return {**found.to_dict(), "told": found.told()}


def _begin(spec: LlmSpec, pairs: PairSet, settings: TuneSettings, folder: Path) -> _Begun:
    try:
        import torch
        from peft import LoraConfig, get_peft_model
    except ImportError:
        raise OptionalDependencyError("peft", "train", "tuning a language model") from None
    torch.manual_seed(settings.seed)
    torch.set_num_threads(settings.threads)
    local = LocalModel(spec.llm, Store(None))
    words = words_of(local, spec)
    train_rows, test_rows = split(pairs, settings)
    train, test = (_prompts(pairs, rows, spec, local, settings) for rows in (train_rows, test_rows))
    start = time.perf_counter()
    before = measured(local.model, test, words, settings.micro_batch)
    seconds = time.perf_counter() - start
    config = LoraConfig(
        task_type="CAUSAL_LM", r=settings.rank, lora_alpha=settings.alpha, lora_dropout=settings.dropout,
        target_modules=settings.modules, bias="none",
    )  # fmt: skip
    model = get_peft_model(local.model, config)
    if settings.checkpointing:
        model.enable_input_require_grads()
        model.gradient_checkpointing_enable()
    return _Begun(local, Fit(model, words, train, settings, folder), test_rows, test, before, seconds)


def split(pairs: PairSet, settings: TuneSettings) -> tuple[list[int], list[int]]:
    """Rows to learn from and rows to measure, by query.

    Raises:
        RecipeError: There are too few queries.
    """
    queries = list(pairs.by_query().items())
    random.Random(f"{settings.seed}:held out").shuffle(queries)
    held = max(1, round(settings.held_out * len(queries))) if settings.held_out else 0
    if held >= len(queries):
        raise RecipeError(
            f"{len(queries)} queries and held_out = {settings.held_out:g} leave none to learn from",
            fix="give more queries, or held_out=0",
        )
    test = sorted(row for _, rows in queries[:held] for row in rows)
    return sorted(row for _, rows in queries[held:] for row in rows), test


def words_of(local: LocalModel, spec: LlmSpec) -> Words:
    """The tokens that mean yes and no to the re-ranker.

    Raises:
        ArtifactError: The model has no single token for one of them.
    """
    exact = spec.prompt == "qwen3"
    found: dict[str, list[int]] = {"yes": [], "no": []}
    for word in ("yes", "no") if exact else WATCHED:
        name = "yes" if word.strip().casefold() in YES else "no"
        assert name == "yes" or word.strip().casefold() in NO
        found[name] += [token for token in single_tokens(local.tokenizer, word) if token not in found[name]]
    for name, tokens in found.items():
        if not tokens:
            raise ArtifactError(
                f"the tokeniser of {spec.llm.model!r} has no single token for {name!r}",
                fix="choose another model",
            )
    return Words(tuple(found["yes"]), tuple(found["no"]), local.pad)


def _check(spec: LlmSpec) -> None:
    wrong = ""
    if not spec.llm.local:
        wrong = f'llm.endpoint is {spec.llm.endpoint!r}; tuning needs a model here, endpoint = "local"'
    elif spec.kind != "pointwise":
        wrong = f'kind = "{spec.kind}"; what is tuned is the yes and no of kind = "pointwise"'
    elif spec.shots or spec.llm.adapter:
        wrong = "shots or an adapter is set; tuning begins with neither"
    if wrong:
        raise RecipeError(wrong, fix="change the spec; see docs/llm.md")


def _check_out(out: Path) -> None:
    if out.is_file():
        raise ArtifactError(f"{str(out)!r} is a file", allowed="a new folder, or an older adapter")
    if out.is_dir() and any(out.iterdir()):
        read_manifest(out, KIND, FORMAT)  # another adapter may be replaced, nothing else


def _check_interrupted(out: Path, part: Path, resume: bool) -> None:
    """A checkpoint is gone on with or left alone, as by the trainings of other models."""
    if (part / CHECKPOINT).exists():
        if not resume:
            raise ArtifactError(
                f"an interrupted tuning of {str(out)!r} lies in {str(part)!r}, and would be lost",
                fix="add --resume to go on with it (same files and settings), name another --out, or remove that "
                "folder to begin anew",
            )
    elif resume and (out / MANIFEST).exists():
        raise ArtifactError(
            f"{str(out)!r} is finished: there is no interrupted tuning of it to go on with",
            fix="leave --resume out to make it again and replace it",
        )


def _prompts(pairs: PairSet, rows: list[int], spec: LlmSpec, local: LocalModel, settings: TuneSettings) -> Prompts:
    asker = PointwiseLlm(spec, LlmClient(local, Store(None), spec.llm))
    levels = pairs.levels()
    top = float(np.nanmax(levels)) or 1.0
    low = pairs.scale.low if pairs.scale else 0.0
    least = top / 2 if spec.relevant is None else spec.relevant - low
    ids, targets = [], []
    for row in rows:
        pair = pairs[row]
        (question,) = asker.questions(pair.query, [Product(pair.doc_id, pair.title, pair.description)])
        ids.append(local.ids(question))
        targets.append(float(levels[row] / top) if settings.soft else float(levels[row] >= least))
    return Prompts(ids, targets)


def _loss(odds: list[float], prompts: Prompts) -> float:
    """Mean binary cross-entropy; 0 where nothing is held out."""
    if not odds:
        return 0.0
    found, wanted = np.array(odds), np.array(prompts.targets)
    return float(np.mean(np.logaddexp(0, found) - wanted * found))


def _ndcg(pairs: PairSet, rows: list[int], odds: list[float]) -> float | None:
    """Mean nDCG@10 inside the held-out queries' judged texts; None where there is nothing to order."""
    part = pairs.subset(rows)
    found = pool_ndcg(part.by_query(), part.levels(), np.array(odds)) if rows else {}
    return sum(found.values()) / len(found) if found else None


def _signature(local: LocalModel, spec: LlmSpec, settings: TuneSettings, train: Prompts) -> str:
    made = json.dumps([local.identity, asdict(settings), list(train.targets), list(map(list, train.ids))], default=str)
    return blake2b(made.encode(), digest_size=16).hexdigest()


def _finish(part: Path, spec: LlmSpec, settings: TuneSettings, tuned: Tuned) -> None:
    made = dataclasses.replace(spec, llm=dataclasses.replace(spec.llm, adapter=ADAPTER))
    write_text(part / FILE, tomli_w.dumps(_without_none(asdict(made))))
    write_text(part / "metrics.json", json.dumps(tuned.to_dict(), indent=1) + "\n")
    weights = blake2b((part / ADAPTER / "adapter_model.safetensors").read_bytes(), digest_size=16).hexdigest()
    details = {"model": spec.llm.model, "prompt": spec.prompt, "settings": asdict(settings)}
    write_manifest(part, Manifest(KIND, FORMAT, {"adapter": weights, "model": spec.llm.model}, details))


def _without_none(data: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(value) if isinstance(value, dict) else list(value) if isinstance(value, tuple) else value
        for key, value in data.items()
        if value is not None
    }
