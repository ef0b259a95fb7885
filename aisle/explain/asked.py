"""What an engine makes of a request before it searches: the text, other names, demands and the filter in force."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from aisle.engine import SearchEngine
from aisle.filters.matching import matches
from aisle.query.constraint import Constraint
from aisle.types import Hit, SearchRequest

_LOOKED_AT = 50


@dataclass(frozen=True, slots=True)
class Asked:
    """The request as it is searched, and what the query demands.

    Attributes:
        request: As it is searched.
        constraints: The demands that the ranking heeds.
        shown: Those that are read in the query, heeded or not.
    """

    request: SearchRequest
    constraints: tuple[Constraint, ...]
    shown: tuple[Constraint, ...]


def asked_of(engine: SearchEngine, request: SearchRequest, hits: Sequence[Hit] = ()) -> Asked:
    """Read a request as the engine does.

    Args:
        engine: The engine.
        request: As it came.
        hits: What was found: where certain demands filter and were given up in turn, all hits pass the filter in force.
    """
    understood, reading = engine.read(request)
    names = (*understood.expansions, *reading.expansions) if request.mode != "dense" else ()
    filters = [engine.stages.filter(request, reading, step) for step in reading.steps]
    near = [hit.product for hit in hits[:_LOOKED_AT]]
    fitting = (one for one in filters if one is None or all(matches(one, product) for product in near))
    clean = replace(request, text=reading.text, expansions=names, filter=next(fitting, filters[-1]))
    heeded = reading.demands.constraints if reading.demands is not None else ()
    return Asked(clean, heeded, engine.stages.demanded(understood.text, reading))
