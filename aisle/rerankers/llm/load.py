"""From the file that names a language model to a re-ranker. Knows which kinds there are, not how they work."""

from __future__ import annotations

from pathlib import Path

from aisle.encoders.embedded import EmbeddedEncoder
from aisle.errors import JudgmentError
from aisle.judgments.pairs import Scale, read_pairs
from aisle.llm.client import open_llm
from aisle.rerankers.llm.examples import AnswerOf, Examples
from aisle.rerankers.llm.listwise import ListwiseLlm
from aisle.rerankers.llm.pairwise import PairwiseLlm
from aisle.rerankers.llm.pointwise import PointwiseLlm
from aisle.rerankers.llm.spec import LlmSpec, read_spec

LlmReranker = PointwiseLlm | PairwiseLlm | ListwiseLlm


def load_llm(path: Path) -> LlmReranker:
    """Load what a TOML file, or ``llm.toml`` in a folder, names.

    Raises:
        RecipeError: A setting is wrong, or the API key is not in the environment.
        JudgmentError: The examples cannot be read.
        ArtifactError: The local model or the store of answers cannot be opened.
        OptionalDependencyError: A local model needs aisle[train].
    """
    return of_spec(read_spec(path))


def of_spec(spec: LlmSpec) -> LlmReranker:
    """The re-ranker of settings; errors as ``load_llm``."""
    examples = _examples(spec) if spec.shots else None
    client = open_llm(spec.llm)
    if spec.kind == "pairwise":
        return PairwiseLlm(spec, client)
    if spec.kind == "listwise":
        return ListwiseLlm(spec, client)
    return PointwiseLlm(spec, client, examples)


def _examples(spec: LlmSpec) -> Examples:
    pairs = read_pairs(Path(spec.judgments), need_grades=False)
    if pairs.scale is None:
        raise JudgmentError(f"{spec.judgments!r} has no grades to make examples of", fix="name a file with grades")
    return Examples(pairs, answers(spec, pairs.scale), EmbeddedEncoder())


def answers(spec: LlmSpec, scale: Scale) -> AnswerOf:
    """What a grade of a file stands for in an answer of this kind."""
    if spec.kind == "graded":
        width = (scale.high - scale.low) or 1.0
        return lambda grade: str(round((grade - scale.low) / width * (spec.grades - 1)))
    least = (scale.low + scale.high) / 2 if spec.relevant is None else spec.relevant
    return lambda grade: "yes" if grade >= least else "no"
