"""The candidates of one request: what its words find and what its meaning finds, each as a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from aisle.errors import RequestError
from aisle.ranking.clock import Clock
from aisle.shelf import TEXT
from aisle.shopper import check_shopper
from aisle.types import MODES, Array, Encoder, Index, Mode, SearchRequest, Stage


@dataclass(frozen=True, slots=True)
class Retrieved:
    """The lists, how many products pass the filter, the text's vector if it was searched by, and what was left out.

    A list has ``(product id, raw score)``, best first.
    """

    lists: Mapping[Stage, Sequence[tuple[str, float]]]
    total: int
    vector: Array | None
    left_out: tuple[str, ...]


def retrieve(
    index: Index, encoder: Encoder, request: SearchRequest, vector: Array | None, depth: int, clock: Clock
) -> Retrieved:
    """Search by words, by meaning or both; blank text lists everything that passes the filter.

    Args:
        index: What to search.
        encoder: Encodes the text where ``vector`` is None.
        request: Its text is searched as it stands.
        vector: Of the text, ``(dim,)``.
        depth: Candidates of each list; more where the page lies deeper.
        clock: Once its deadline is spent, meaning is left out of a search by both.
    """
    depth = max(depth, request.offset + request.k)
    text, mode = request.text, request.mode
    lists: dict[Stage, Sequence[tuple[str, float]]] = {}
    left_out: list[str] = []
    total = 0
    if not text or mode != "dense":
        found = index.search(replace(request, mode="bm25"), {}, depth)
        lists |= found.lists
        total = found.total
        clock.lap("bm25" if text else "browse")
    if text and mode != "bm25":
        if mode == "hybrid" and clock.spent:
            left_out.append(f"dense: the deadline of {request.deadline_ms:g} ms was spent")
        else:
            if vector is None:
                vector = encoder.encode([text], "query")[0]
                clock.lap("encode")
            found = index.search(replace(request, mode="dense"), {TEXT: vector}, depth)
            lists |= found.lists
            total = found.total
            clock.lap("dense")
    return Retrieved(lists, total, vector, tuple(left_out))


def check_request(request: SearchRequest) -> None:
    """Refuse what cannot be answered.

    Raises:
        RequestError: ``k`` or ``offset`` is negative, the mode unknown, the deadline not above 0, or what is said of
            the shopper out of range.
    """
    for name in ("k", "offset"):
        value = getattr(request, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise RequestError(f"{name} is {value!r}", allowed="a whole number, 0 or more")
    mode: Mode = request.mode
    if mode not in MODES:
        raise RequestError(f"mode is {mode!r}", allowed=", ".join(MODES))
    if request.deadline_ms is not None and not request.deadline_ms > 0:
        raise RequestError(f"deadline_ms is {request.deadline_ms!r}", allowed="milliseconds above 0, or none")
    check_shopper(request.shopper)
