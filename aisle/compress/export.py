"""`export`: a model and a plan, or a front and a budget, to a served folder with its card; whole or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aisle.artifacts import MANIFEST, one_writer, refuse_other, swap_in, write_text
from aisle.compress.front import Point, pick, read_front
from aisle.compress.material import Material
from aisle.compress.measure import beside, scores, times
from aisle.compress.model import folder_bytes
from aisle.compress.plan import AS_IT_IS, Plan
from aisle.compress.shrink import Shrinking
from aisle.compress.timing import ROUNDS, TEXTS
from aisle.compress.took import Took
from aisle.encoders import onnx as served_encoder
from aisle.rerankers.combination import CROSS
from aisle.rerankers.head import KIND

REPORT_FILE = "compression.json"


@dataclass(frozen=True, slots=True)
class Exported:
    """A smaller model's folder and what is known of it.

    Attributes:
        folder: Of the model.
        report: Plan, agreement with the original, nDCG, sizes, times, what each step found, and what making it was
            thought to take and took.
    """

    folder: Path
    report: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {"model": str(self.folder), **self.report}


def export(shrinking: Shrinking, plan: Plan, out: Path, measured: bool, rounds: int = ROUNDS) -> Exported:
    """Make a model smaller and write its folder.

    Args:
        shrinking: The model, and the shop's material.
        plan: How small.
        out: The folder; an older model there is replaced when the new one is complete.
        measured: Whether the material has pairs to compare both models on.
        rounds: Of timing.

    Raises:
        ArtifactError: ``out`` is something else than a model.
        RecipeError: The plan does not suit the model.
    """
    refuse_foreign(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with one_writer(out):
        part = out.with_name(f".{out.name}.export")
        shutil.rmtree(part, ignore_errors=True)
        took = Took.begin(shrinking, [plan], measured, rounds)
        facts = shrinking.make(plan, part)
        original = shrinking.model.folder
        report: dict[str, Any] = {
            "original": original.name,
            "plan": plan.to_dict(),
            "size": {"before": folder_bytes(original), "after": folder_bytes(part)},
            "steps": facts,
        }
        if measured:
            report |= compared(original, part, shrinking.material, rounds)
        report["took"] = took.to_dict()
        finish(part, out.name, plan.label, report)
        swap_in(part, out)
    return Exported(out, report)


def compared(original: Path, smaller: Path, material: Material, rounds: int) -> dict[str, Any]:
    """Agreement, quality and times of both."""
    row = beside(material, scores(original, material), scores(smaller, material), smaller)
    timed = times({"before": original, "after": smaller}, material, rounds)
    taken = {name: found.to_dict() for name, found in timed.items()}
    return {"agreement": row.agreement, "quality": row.quality, "milliseconds": taken, "texts": TEXTS}


def export_picked(front_folder: Path, budget_ms: float, out: Path) -> Exported:
    """The best model of a front within a budget, copied to a folder of its own.

    Raises:
        ArtifactError: There is no front, or ``out`` is something else than a model.
        RecipeError: None is as fast.
    """
    front = read_front(front_folder)
    point = pick(front, budget_ms)
    refuse_foreign(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with one_writer(out):
        part = out.with_name(f".{out.name}.export")
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(front_folder / point.folder, part)
        whole = next(other for other in front.points if other.label == AS_IT_IS)
        report = _of_point(point, whole, front.model, front.texts)
        finish(part, out.name, point.label, {**report, "budget_ms": budget_ms})
        swap_in(part, out)
    return Exported(out, {**report, "budget_ms": budget_ms})


def _of_point(point: Point, whole: Point, model: str, texts: int) -> dict[str, Any]:
    return {
        "original": model,
        "plan": point.plan,
        "size": {"before": whole.size, "after": point.size},
        "steps": point.facts,
        "agreement": point.agreement,
        "quality": None
        if point.difference is None
        else {"before": whole.quality, "after": point.quality, **point.difference},
        "milliseconds": {
            "before": {"p50": whole.p50, "least": whole.least},
            "after": {"p50": point.p50, "least": point.least},
        },
        "texts": texts,
    }


def finish(folder: Path, name: str, label: str, report: Mapping[str, Any]) -> None:
    """Card and report into the folder; the manifest, with what the model is called, last."""
    (folder / "facts.json").unlink(missing_ok=True)
    write_text(folder / REPORT_FILE, json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    write_text(folder / "README.md", card(name, label, report))
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    manifest["details"] |= {"name": name, "made_smaller": {"from": report["original"], "how": label}}
    write_text(folder / MANIFEST, json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")


def card(name: str, label: str, report: Mapping[str, Any]) -> str:
    """Markdown for people; the same facts for machines are in ``compression.json``."""
    size = report["size"]
    lines = [
        f"# {name}",
        "",
        f"Made by `aisle export` from `{report['original']}`: {label}.",
        "",
        *(f"- {line}" for line in told(report)),
        f"- size: {size['after'] / 1e6:.1f} MB; before {size['before'] / 1e6:.1f} MB",
        "",
        "Agreement and times hold for the pairs and the machine that they were measured on. On another shop measure"
        " it with `aisle rank` and `aisle evaluate` before using it.",
    ]
    return "\n".join(lines) + "\n"


def told(report: Mapping[str, Any]) -> list[str]:
    """Agreement, quality and times, in words."""
    lines = []
    if report.get("agreement"):
        found = report["agreement"]
        lines.append(
            f"beside the original on {found['pairs']:,} pairs of {found['queries']:,} queries: of two texts"
            f" {found['concordance']:.2%} in the same order; of the first ten {found['top']:.1%} the same; largest"
            f" difference of a score {found['largest']:.4f}, mean {found['mean']:.4f}"
        )
    else:
        lines.append("agreement with the original was not measured: no pairs were given")
    if report.get("quality"):
        found = report["quality"]
        lines.append(
            f"nDCG@10 within judged texts: {found['after']:.4f}, before {found['before']:.4f}; difference"
            f" {found['difference']:+.4f} [{found['low']:+.4f}, {found['high']:+.4f}]"
        )
    if report.get("milliseconds"):
        before, after = (report["milliseconds"][side] for side in ("before", "after"))
        lines.append(
            f"re-ranking {report['texts']} texts, p50: {after['p50']:.1f} ms, before {before['p50']:.1f} ms"
            f" ({after['p50'] / before['p50']:.2f} of it)"
        )
    if CROSS in report["steps"]:
        lines.append("its encoder and its cross-encoder were made smaller alike")
    lost = report["steps"].get("vocabulary", {}).get("unseen texts")
    if lost:
        lines.append(
            f"of {lost['texts']:,} texts that the vocabulary was not chosen by {lost['changed']:.1%} are cut otherwise,"
            f" into {lost['longer']:.3f} times the tokens; unknown {lost['unknown']:.3%}, before"
            f" {lost['unknown_before']:.3%}"
        )
    return lines


def refuse_foreign(out: Path) -> None:
    """An older model or an empty folder may be replaced; an index, a front or anything else never is.

    Raises:
        ArtifactError: It is something else.
    """
    refuse_other(out, [served_encoder.KIND, KIND], "model")
