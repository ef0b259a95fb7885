"""Tables of agreement and of examined judges, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aisle.cli.output import print_table

if TYPE_CHECKING:
    from aisle.evaluate.agreement import AgainstAnchors, Agreed, Share
    from aisle.improve.judging.examine import Examination
    from aisle.improve.judging.ratings import AgreementReport


def figure(one: Agreed | None) -> str:
    """A value with its interval: ".765 (.682 to .831)"; "-" where there is none."""
    if one is None or one.value is None:
        return "-"
    interval = "" if one.low is None or one.high is None else f" ({one.low:.3f} to {one.high:.3f})"
    return f"{one.value:.3f}{interval}"


def share(one: Share) -> str:
    """A share with its interval and of how many."""
    low, high = one.interval
    return "-" if one.value is None else f"{one.value:.3f} ({low:.2f} to {high:.2f}) of {one.of:,}"


def print_agreement(found: AgreementReport) -> None:
    """Every figure of a report."""
    rows = [
        [f"{one.first}, {one.second}", f"{one.pairs:,}", f"{one.same:.3f}",
         *(figure(one.kappa[weights]) for weights in one.kappa)]
        for one in found.two
    ]  # fmt: skip
    told = ", ".join(f"{name} {count:,}" for name, count in found.raters.items())
    title = f"{found.pairs:,} pairs of {found.queries:,} queries, {found.shared:,} by two raters or more; {told}"
    print_table(title, ["raters", "pairs", "same", "kappa", "kappa, linear", "kappa, quadratic"], rows)
    rest = [["Fleiss' kappa", figure(found.fleiss)]]
    rest += [[f"Krippendorff's alpha, {level}", figure(one)] for level, one in found.alpha.items()]
    print_table("All raters", ["", "95% interval over queries"], rest)
    for name, (against, kappa) in found.anchors.items():
        _print_against(f"{name} against the anchors", against, kappa)


def print_examination(found: Examination, failures: list[str], sent: int) -> None:
    """What a judge showed, and whether it passed."""
    rows = [
        ["anchors, queries", f"{found.anchors:,}, {found.queries:,}"],
        ["sure of", f"{found.coverage:.1%}"],
        *([f"unsure: {why}", f"{count:,}"] for why, count in sorted(found.unsure.items())),
    ]
    if found.order is not None:
        rows.append(["same in both orders of the rubric", f"{found.order.same:.1%} of {found.order.pairs:,}"])
        rows.append(["best grade first lifts grades by", f"{found.order.shift:+.3f}"])
    if found.preferences is not None:
        two = found.preferences
        rows.append(["pairs of products: same in both orders", f"{two.consistent:.1%} of {two.pairs:,}"])
        rows.append(["  of these the better one", "-" if two.right is None else f"{two.right:.1%}"])
        rows.append(["  answers that name the first", f"{two.first:.1%}"])
    cost = found.cost
    rows.append(["requests", f"{cost['requests']:,}"])
    rows.append(["tokens in, out", f"{cost['tokens_in']:,}, {cost['tokens_out']:,}"])
    rows.append(["money", f"{cost['money']:.4f} {cost['currency']}"])
    print_table(found.judge, ["", ""], rows)
    notes = [f"{sent:,} anchors go to people"] if sent else []
    notes.append("passed" if not failures else "not passed: " + "; ".join(failures))
    _print_against("against the anchors", found.against, found.kappa, notes)


def _print_against(title: str, found: AgainstAnchors, kappa: Agreed, notes: list[str] | None = None) -> None:
    rows = [[f"{one.grade:g}", share(one.precision), share(one.recall)] for one in found.grades]
    same = share(found.same)
    print_table(
        f"{title}: same {same}, kappa (quadratic) {figure(kappa)}",
        ["grade", "precision (of those given)", "recall (of the anchors)"],
        rows,
        notes or [],
    )
