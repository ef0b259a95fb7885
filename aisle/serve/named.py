"""The names that a request may use, and the one that was meant: of its query, and of its body by the model of that."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from fastapi.dependencies.models import Dependant
from pydantic import BaseModel

_ALIKE = 0.75
"""How much a name must have of another (difflib's ratio): "titel" of "title" has .8, "query" of "user" .67."""


def query_names(dependant: Dependant) -> tuple[str, ...]:
    """The query parameters of a route and of what it depends on, in the order of its signature."""
    own = [one.alias for one in dependant.query_params]
    return tuple(dict.fromkeys([*own, *(name for one in dependant.dependencies for name in query_names(one))]))


def body_names(model: Any, place: Sequence[int | str]) -> tuple[str, ...]:
    """The fields of the object at a place within a body.

    Args:
        model: Of the body; anything that is no model has no names.
        place: Names of fields and places in lists, from the whole inwards.
    """
    found = _model_in(model)
    for part in place:
        if found is not None and isinstance(part, str):
            field = found.model_fields.get(part)
            found = _model_in(field.annotation) if field is not None else None
    return tuple(found.model_fields) if found is not None else ()


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The name that was probably meant."""
    return next(iter(get_close_matches(name, list(names), 1, _ALIKE)), None)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model of an annotation such as ``list[Model] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for found in map(_model_in, get_args(annotation)) if found is not None), None)
