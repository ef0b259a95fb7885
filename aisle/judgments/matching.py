"""How a run names queries and products, and how judgments find them again.

In a run a query is named by its query_id where its file has one, else by its raw text; a TREC run separates columns
by white space, so every white-space character of a name becomes ``_``. Nothing is trimmed, folded or normalised.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from aisle.errors import JudgmentError
from aisle.types import Judgment

Run = Mapping[str, Sequence[tuple[str, float]]]
"""Query name to ``(product id, score)``, best first. The order counts; scores are carried along."""


def run_name(text: str) -> str:
    """The text with every white-space character (``str.isspace``) replaced by ``_``."""
    return "".join("_" if character.isspace() else character for character in text)


def align(run: Run, judgments: Iterable[Judgment]) -> Run:
    """The run under the names that the judgments use, so that ids can be compared as they are.

    A judged query is found in the run by its query_id or by its text. Where both kinds of names occur in the run, the
    kind that finds more queries goes first, and the other may not take a run query that the first has claimed: the
    query "3" is not mistaken for the query whose id is 3. Product ids are found as they are, then with white space
    as ``_``, then so without blanks at the ends. What is not judged keeps its name.
    """
    texts: dict[str, str] = {}
    products: dict[str, set[str]] = {}
    for judgment in judgments:
        texts.setdefault(judgment.query_id, judgment.query)
        products.setdefault(judgment.query_id, set()).add(judgment.product_id)
    names = {run_name(name): name for name in run}
    claimed: dict[str, str] = {}  # judged query id -> its name in the run
    by_id = {query: names[run_name(query)] for query in texts if run_name(query) in names}
    by_text = {query: names[run_name(text)] for query, text in texts.items() if text and run_name(text) in names}
    first, second = (by_id, by_text) if len(by_id) >= len(by_text) else (by_text, by_id)
    claimed.update(first)
    taken = set(first.values())
    claimed.update({query: name for query, name in second.items() if query not in first and name not in taken})

    aligned: dict[str, Sequence[tuple[str, float]]] = {}
    for query, name in claimed.items():
        aligned[query] = _rename(run[name], products[query])
    used = set(claimed.values())
    aligned.update({name: tuple(hits) for name, hits in run.items() if name not in used and name not in aligned})
    return MappingProxyType(aligned)


def refuse_unknown(judged: Iterable[str], there: Iterable[str], where: str, *, renamed: bool = False) -> str:
    """Refuse judgments none of whose products are there; where some are not, say how many and name one.

    Args:
        judged: Ids of the judged products.
        there: Ids that there are.
        where: What has them, as "the index 'shop'".
        renamed: Whether ids are found as `align` finds them, with white space as ``_``, or as they are.

    Returns:
        The note, or nothing where every product is there.

    Raises:
        JudgmentError: None is there.
    """
    wanted, ids = dict.fromkeys(judged), set(there)
    known = {run_name(product) for product in ids} if renamed else ids

    def found(product: str) -> bool:
        return (run_name(product) in known or run_name(product.strip()) in known) if renamed else product in known

    unknown = [product for product in wanted if not found(product)]
    if not unknown:
        return ""
    such = next((product for product in unknown if product.strip()), unknown[0])
    bare = {product.lstrip("0"): product for product in sorted(ids, reverse=True)}
    alike = [product for product in unknown if product.lstrip("0") and product.lstrip("0") in bare]
    zeros = ""
    if alike:
        such = alike[0]
        zeros = (
            f"; there it may be {bare[such.lstrip('0')]!r}: zeros in front make the difference for {len(alike):,}, "
            "and a spreadsheet drops them unless the column is text"
        )
    if len(unknown) == len(wanted):
        raise JudgmentError(
            f"none of the {len(wanted):,} judged products is in {where}, such as {such[:80]!r}{zeros}",
            allowed=f"ids as {where} has them" + (f", such as {min(ids)[:80]!r}" if ids else ": it is empty"),
            fix="correct the ids of the judgments, or name what they were judged of",
        )
    return f"not in {where}: {len(unknown):,} of {len(wanted):,} judged products, such as {such[:80]!r}{zeros}"


def _rename(hits: Sequence[tuple[str, float]], judged: set[str]) -> tuple[tuple[str, float], ...]:
    known: dict[str, str] = {}
    for form in (run_name, lambda product: run_name(product.strip())):
        for product in sorted(judged):
            known.setdefault(form(product), product)
    return tuple(
        (product if product in judged else known.get(run_name(product), product), score) for product, score in hits
    )
