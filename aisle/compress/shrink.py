"""A model and a plan to a smaller model's folder: tokens, layers, vocabulary, dimensions, bits, each step resumable."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from aisle.artifacts import write_text
from aisle.compress.centre import centred, centres
from aisle.compress.dimensions import principal
from aisle.compress.layers import choices, with_layers
from aisle.compress.material import Material
from aisle.compress.model import Served, encoder_folder, graph_inputs, write_served
from aisle.compress.plan import FLOAT32, STATIC, Plan
from aisle.compress.ranges import RULES, Observed, Static, marked, observe
from aisle.compress.vocabulary import loss, prune
from aisle.encoders.graph import Arithmetic, Real, Whole
from aisle.encoders.onnx import MODEL_FILE, OnnxEncoder
from aisle.encoders.runtime import ONNX, OPENVINO, open_graph
from aisle.errors import RecipeError
from aisle.rerankers.combination import CROSS
from aisle.training.relevance.refusals import refuse_without_torch

CALIBRATED, CHECKED = 300, 100
"""Pairs that ranges are found on, and others that say which rule serves best."""
UNSEEN = 0.2
"""Share of the texts that the vocabulary is not chosen by when what unseen text loses is measured."""
TRAINED = "training the layers that stay"
_LAYERS = "layers-"
"""What the folders of trainings begin with."""
_FITTED = 20_000
"""Texts that directions are fitted to."""
Note = Callable[[str], None]
Progress = Callable[[int, int, float], None]


@dataclass
class Shrinking:
    """One model being made smaller, with what its steps share.

    Attributes:
        model: The original.
        material: Of the shop.
        work: A folder for what is worth keeping after an interruption.
        note: Told, in words, of what is happening.
        progress: Told step, steps and loss of a training.
        facts: What the steps found, for people and machines.
    """

    model: Served
    material: Material
    work: Path
    note: Note
    progress: Progress
    facts: dict[str, Any] = field(default_factory=dict)

    def make(self, plan: Plan, out: Path) -> dict[str, Any]:
        """Write the folder of the smaller model; returns what the steps found.

        Raises:
            RecipeError: The plan does not suit the model.
            OptionalDependencyError: Layers are to be trained and PyTorch is missing.
        """
        self.facts = {}
        refuse_unfit(self.model, plan)
        inside = self._inside(plan)
        found = {}
        if inside is not None:
            self.note("the cross-encoder inside")
            found[CROSS] = inside[0].make(inside[1], out / CROSS)
        model = self.cut(plan)
        if self._drops(plan):
            self.facts["layers"] = {"kept": list(self._kept(plan))}
        if self._trains(plan):
            model = self._taught(model, plan)
        if plan.vocabulary:
            model = self._fewer_rows(model, plan.common)
        if plan.dim is not None:
            model = self._shorter(model, plan.dim)
        if plan.precision != FLOAT32 and self.material.learnt:
            model = self._centred(model)
        details = {"plan": plan.to_dict(), "runtime": plan.runtime}
        write_served(model, out, self._arithmetic(model, plan), details)
        if plan.precision == STATIC and plan.runtime == OPENVINO:
            self._mark(model, out, details)
        return self.facts | found

    def cut(self, plan: Plan) -> Served:
        """The model with the tokens and layers that stay, as they are; of a combination, its encoder."""
        model = dataclasses.replace(self.model, inside=None)
        if plan.max_tokens is not None:
            model = model.cut(plan.max_tokens)
        return with_layers(model, self._kept(plan)) if self._drops(plan) else model

    def trainings(self, plan: Plan) -> list[tuple[Shrinking, Plan]]:
        """Where a plan has layers learn again: in this model, in the cross-encoder inside; each with its own plan."""
        inside = self._inside(plan)
        own = [(self, plan)] if self._trains(plan) else []
        return own if inside is None else [*inside[0].trainings(inside[1]), *own]

    @property
    def begun(self) -> bool:
        """Whether an earlier run began to train layers."""
        return any(self.work.rglob(f"{_LAYERS}*"))

    def _inside(self, plan: Plan) -> tuple[Shrinking, Plan] | None:
        """The cross-encoder of a combination, if there is one, and what this plan makes of it."""
        cross = self.model.inside
        if cross is None:
            return None
        limit, layers, most = plan.max_tokens, plan.layers, cross.shape
        own = dataclasses.replace(
            plan,
            max_tokens=None if limit is None else min(cross.beside_query(limit), most.max_tokens),
            layers=None if layers is None else min(layers, most.layers),
            dim=None,
        )
        return Shrinking(cross, self.material, self.work / CROSS, self.note, self.progress), own

    # --- layers ----------------------------------------------------------------------------------------------

    def _drops(self, plan: Plan) -> bool:
        return plan.layers is not None and plan.layers < self.model.shape.layers

    def _trains(self, plan: Plan) -> bool:
        return self._drops(plan) and plan.recovery.epochs > 0

    def _kept(self, plan: Plan) -> tuple[int, ...]:
        assert plan.layers is not None
        return choices(self.model.shape.layers, plan.layers)[plan.which]

    def _taught(self, model: Served, plan: Plan) -> Served:
        refuse_without_torch(TRAINED)
        from aisle.compress.teach import fingerprint, taught

        kept, known = list(self._kept(plan)), fingerprint(self.model, self.material)
        about = json.dumps([kept, model.shape.max_tokens, plan.recovery.to_dict(), known], sort_keys=True)
        folder = self.work / f"{_LAYERS}{blake2b(about.encode(), digest_size=8).hexdigest()}"
        self.note(f"training layers {', '.join(str(number + 1) for number in kept)} to do what all did")
        found, how = taught(self.model, model, self.material, plan.recovery, folder, self.progress)
        self.facts["layers"]["recovery"] = how
        return found

    # --- rows and dimensions ---------------------------------------------------------------------------------

    def _fewer_rows(self, model: Served, common: int) -> Served:
        texts = [*self.material.texts, *self.material.queries]
        order = np.random.default_rng(0).permutation(len(texts))
        seen = [texts[place] for place in order[int(UNSEEN * len(texts)) :]]
        unseen = [texts[place] for place in order[: int(UNSEEN * len(texts))]]
        tried = prune(model, seen, self.work / "vocabulary", common)
        found = prune(model, texts, self.work / "vocabulary", common)
        rows = {name: len(part.weights["embeddings.word_embeddings.weight"]) for name, part in
                (("before", model), ("after", found))}  # fmt: skip
        lost = loss(model, tried, unseen, self.work / "vocabulary").to_dict()
        self.facts["vocabulary"] = {"rows": rows, "common": common, "unseen texts": lost}
        self.note(
            f"{rows['after']:,} of {rows['before']:,} word rows stay; of texts that the rows are not chosen by,"
            f" {lost['changed']:.1%} are cut otherwise"
        )
        return found

    def _shorter(self, model: Served, dim: int) -> Served:
        texts = [*self.material.queries, *self.material.texts][:_FITTED]
        vectors = self._vectors(model, texts)
        matrix = principal(vectors, dim)
        kept = float((np.linalg.norm(vectors @ matrix, axis=1) ** 2).mean())
        self.facts["dimensions"] = {"before": vectors.shape[1], "after": dim, "kept": kept}
        return dataclasses.replace(model, projection=matrix)

    def _vectors(self, model: Served, texts: list[str]) -> np.ndarray:
        folder = self.work / "vectors"
        write_served(model, folder, Whole(), {})
        return OnnxEncoder(encoder_folder(model, folder)).encode(texts, "product")

    # --- bits ------------------------------------------------------------------------------------------------

    def _arithmetic(self, model: Served, plan: Plan) -> Arithmetic:
        if plan.precision == FLOAT32 or plan.runtime == OPENVINO:
            return Real()
        if plan.precision == STATIC:
            return Static(self._ranges(model))
        return Whole()

    def _centred(self, model: Served) -> Served:
        """The same model with its activations where 8 bits serve them best."""
        pairs = self.material.learnt[:: max(1, len(self.material.learnt) // CALIBRATED)][:CALIBRATED]
        folder = self.work / "centring"
        plain = dataclasses.replace(model, projection=None)
        write_served(plain, folder, Real(), {})
        inputs = graph_inputs(model, pairs, [pair[1] for pair in pairs], self.work / "tokenizer")
        found = centres(encoder_folder(model, folder) / MODEL_FILE, model.shape.layers, inputs)
        self.facts["centres"] = {"largest": max(float(np.abs(centre).max()) for centre in found.values())}
        return dataclasses.replace(model, weights=centred(model.weights, model.shape.layers, found))

    def _ranges(self, model: Served) -> Mapping[str, tuple[float, float]]:
        """By the rule under which the graph says on other pairs most nearly what the float32 graph says."""
        rows = np.random.default_rng(0).permutation(len(self.material.learnt))[: CALIBRATED + CHECKED]
        pairs = [self.material.learnt[row] for row in rows]
        texts = [pair[1] for pair in pairs]
        folder = self.work / "float32"
        plain = dataclasses.replace(model, projection=None)
        write_served(plain, folder, Real(), {})
        inputs = graph_inputs(model, pairs, texts, self.work / "tokenizer")
        observed = observe(encoder_folder(model, folder) / MODEL_FILE, inputs[:CALIBRATED])
        last = inputs[CALIBRATED:] or inputs
        apart = {rule: self._apart(plain, observed, rule, last) for rule in RULES}
        chosen = min(apart, key=lambda rule: apart[rule])
        apart["at run time"] = self._apart(plain, observed, "", last)
        self.facts["ranges"] = {"rule": chosen, "distance to float32": apart}
        return observed.ranges(chosen)

    def _apart(self, model: Served, observed: Observed, rule: str, inputs: list[dict[str, Any]]) -> float:
        """Mean distance of outputs to those of the float32 graph, with these ranges, or with those of each run."""
        folder = self.work / "static"
        write_served(model, folder, Static(observed.ranges(rule)) if rule else Whole(), {})
        one, other = (
            open_graph(encoder_folder(model, place) / MODEL_FILE) for place in (folder, self.work / "float32")
        )
        return float(np.mean([np.linalg.norm(one(given) - other(given)) for given in inputs]))

    def _mark(self, model: Served, out: Path, details: Mapping[str, Any]) -> None:
        """The float32 graph that was written, in 8 bits by standard operators."""
        from hashlib import sha256

        import onnx

        folder = encoder_folder(model, out)
        path = folder / MODEL_FILE
        onnx.save(marked(onnx.load(path), self._ranges(model)), path)
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        manifest["fingerprint"][MODEL_FILE] = sha256(path.read_bytes()).hexdigest()
        manifest["details"]["sizes"][MODEL_FILE] = path.stat().st_size
        write_text(folder / "manifest.json", json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
        if folder != out:
            from aisle.compress.model import rewrite_combination

            rewrite_combination(out, details)


def refuse_unfit(model: Served, plan: Plan) -> None:
    """Say what cannot be before anything is done.

    Raises:
        RecipeError: The plan does not suit the model or the runtime.
    """
    if plan.runtime != ONNX and plan.precision not in (STATIC, FLOAT32):
        raise RecipeError(
            f"precision {plan.precision!r} for the runtime {plan.runtime!r}",
            allowed=f"{STATIC} or {FLOAT32}",
            fix=f"export with --precision {STATIC}",
        )
    if plan.layers is not None and plan.layers > model.shape.layers:
        raise RecipeError(
            f"{plan.layers} layers of a model with {model.shape.layers}", allowed=f"1 to {model.shape.layers}"
        )
    if plan.dim is not None and model.cross is not None:
        raise RecipeError("a cross-encoder has no vectors to shorten", fix="leave --dim out")
    if plan.dim is not None and plan.dim > model.shape.hidden:
        raise RecipeError(f"vectors of {plan.dim} dimensions", allowed=f"1 to {model.shape.hidden}")
