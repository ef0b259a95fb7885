"""A learnt combination of features: a linear part, which begins at the fusion, and boosted trees that correct it.

Scores rows of ``aisle.ranking.features``; ``aisle.training.ranking`` knows how it was fitted. A folder of it holds
``ranking.json``, LightGBM's own text as ``trees.txt`` where it has trees, and a manifest; no pickle.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.artifacts import MANIFEST, Manifest, read_manifest, write_manifest
from aisle.errors import ArtifactError, FingerprintError, InputError
from aisle.ranking.feature_values import RatingPrior
from aisle.ranking.features import NAMES
from aisle.types import Array

KIND, FORMAT = "ranking", 1
FILE, TREES = "ranking.json", "trees.txt"
FUSED, RERANK = "fused", "rerank"
EMBEDDED = "embedded"
"""Names the packaged one, `for_everybody`."""

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Term:
    """``weight * (value - centre)``; an unknown value is taken to be the centre and adds nothing."""

    weight: float
    centre: float = 0.0


@dataclass(frozen=True)
class LearntRanking:
    """The score of a candidate is the sum of its linear terms and of its trees; higher is better.

    Attributes:
        terms: The linear part, by feature.
        trees: LightGBM's model text; "" where the linear part stands alone.
        columns: The features that the trees read, in their order.
        rating: What few ratings are drawn towards, as it was in training.
        depth: How many of the first candidates it was taught to order.
    """

    terms: Mapping[str, Term]
    trees: str = ""
    columns: tuple[str, ...] = ()
    rating: RatingPrior | None = None
    depth: int = 300
    details: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the features that can move a score."""
        used = set(self.columns) if self.trees else set()
        return tuple(name for name in NAMES if name in used or (name in self.terms and self.terms[name].weight))

    def score(self, features: Array) -> Doubles:
        """Score rows of features into ``(n,)`` float64.

        Args:
            features: ``(n, k)``, a column for each declared feature; NaN where unknown.

        Raises:
            InputError: There is not one column for each declared feature.
        """
        _check_columns(features)
        scores = self._linear(features).sum(axis=1)
        if self.trees and len(features):
            scores = scores + self._booster.predict(self._seen(features), raw_score=True, num_threads=1)
        return np.asarray(scores)

    def contributions(self, features: Array) -> Doubles:
        """What each feature adds to each score, ``(n, k + 1)`` float64; the last column is what all scores share.

        Rows sum to ``score``. Those of the trees are Shapley values (Lundberg et al., "From local explanations to
        global understanding with explainable AI for trees", 2020), as LightGBM computes them.

        Raises:
            InputError: As ``score``.
        """
        _check_columns(features)
        found = np.zeros((len(features), len(NAMES) + 1))
        found[:, :-1] = self._linear(features)
        if self.trees and len(features):
            places = [NAMES.index(name) for name in self.columns] + [len(NAMES)]
            found[:, places] += self._booster.predict(self._seen(features), pred_contrib=True, num_threads=1)
        return found

    def _linear(self, features: Array) -> Doubles:
        weights, centres = np.zeros(len(NAMES)), np.zeros(len(NAMES))
        for name, term in self.terms.items():
            weights[NAMES.index(name)], centres[NAMES.index(name)] = term.weight, term.centre
        away = features.astype(np.float64) - centres
        return np.asarray(np.where(np.isfinite(away), away, 0.0) * weights)

    def _seen(self, features: Array) -> Doubles:
        return features[:, [NAMES.index(name) for name in self.columns]].astype(np.float64)

    @cached_property
    def _booster(self) -> Any:
        import lightgbm

        return lightgbm.Booster(model_str=self.trees)

    def save(self, folder: Path, made_with: Mapping[str, str], details: Mapping[str, Any]) -> None:
        """Write a folder that ``load`` reads; the manifest comes last.

        Args:
            folder: Made where there is none.
            made_with: What the features came from, such as the fingerprints of encoder and re-ranker.
            details: Anything else worth keeping in the manifest.
        """
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MANIFEST).unlink(missing_ok=True)
        (folder / TREES).unlink(missing_ok=True)
        data = {
            "features": list(self.reads),
            "terms": {name: {"weight": term.weight, "centre": term.centre} for name, term in self.terms.items()},
            "columns": list(self.columns),
            "rating": None if self.rating is None else {"mean": self.rating.mean, "weight": self.rating.weight},
            "depth": self.depth,
        }
        (folder / FILE).write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
        if self.trees:
            (folder / TREES).write_text(self.trees, encoding="utf-8")
        write_manifest(folder, Manifest(KIND, FORMAT, {**made_with, **_hashes(folder)}, details))

    @classmethod
    def load(cls, folder: Path) -> LearntRanking:
        """Read what ``save`` wrote.

        Raises:
            ArtifactError: The folder is missing, incomplete, damaged or of another kind, or needs a feature that is not
                declared here.
            FingerprintError: Its files are others than those of its manifest.
        """
        manifest = read_manifest(folder, KIND, FORMAT)
        try:
            data = json.loads((folder / FILE).read_text(encoding="utf-8"))
            terms = {str(n): Term(float(t["weight"]), float(t["centre"])) for n, t in data["terms"].items()}
            columns = tuple(str(name) for name in data["columns"])
            prior = data["rating"]
            rating = None if prior is None else RatingPrior(float(prior["mean"]), float(prior["weight"]))
            depth = int(data["depth"])
            trees = (folder / TREES).read_text(encoding="utf-8") if (folder / TREES).exists() else ""
            if not all(math.isfinite(number) for term in terms.values() for number in (term.weight, term.centre)):
                raise ValueError("a weight that is not finite")
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ArtifactError(
                f"cannot read {str(folder / FILE)!r}: {type(error).__name__} {error}", fix="train it again"
            ) from None
        unknown = [name for name in (*terms, *columns) if name not in NAMES]
        if unknown:
            raise ArtifactError(
                f"{str(folder)!r} needs the feature {unknown[0]!r}", allowed=", ".join(NAMES), fix="train it again"
            )
        if any(manifest.fingerprint.get(part) != found for part, found in _hashes(folder).items()):
            raise FingerprintError(
                f"the parts of {str(folder)!r} are not those that were trained together", fix="train it again"
            )
        made = {"fingerprint": dict(manifest.fingerprint), **manifest.details}
        return cls(terms, trees, columns, rating, depth, made)


def for_everybody() -> LearntRanking:
    """What two other shops' judgments taught, for a shop without any: wording and neighbours beside the fusion.

    A linear part fitted to CrowdFlower and Home Depot together; docs/learnt_ranking.md has what it does on Icecat, of
    which it saw nothing.
    """
    return LearntRanking({FUSED: Term(3.0), "wording": Term(3.2), "neighbours": Term(1.9)}, depth=50)


def fusion_alone() -> LearntRanking:
    """What stands where nothing was judged: the fusion's own order."""
    return LearntRanking({FUSED: Term(1.0)})


def _hashes(folder: Path) -> dict[str, str]:
    trees = folder / TREES
    return {
        "ranking": blake2b((folder / FILE).read_bytes(), digest_size=16).hexdigest(),
        "trees": blake2b(trees.read_bytes(), digest_size=16).hexdigest() if trees.exists() else "",
    }


def _check_columns(features: Array) -> None:
    if features.ndim != 2 or features.shape[1] != len(NAMES):
        raise InputError(
            f"features of shape {features.shape}",
            allowed=f"(n, {len(NAMES)}), a column for each feature that aisle.ranking.features declares",
        )
