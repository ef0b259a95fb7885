r"""What a row holds, and how a record becomes one. Knows Arrow, not LanceDB.

Columns:
    id, product (JSON), text_hash, vec_NAME: what ``get`` and ``stored`` give back.
    fts_FIELD: what BM25 searches, as tokens between blanks.
    price, rating, rating_count, stock, available; FIELD_key: product fields as filters compare and sorts order them.
    brand, currency, family, category (the path): as facets show them.
    keys: folded identifiers, and model codes in the title.
    tokens: ``@NAME\x1f`` and ``@NAME\x1fVALUE`` per attribute value, ``>\x1fA\x1fB`` per category prefix.
    number_names, number_lows, number_highs: attributes with numbers, for ranges.
    labels: ``@NAME\x1fValue`` as facets show them, ``@NAME\x1f\x1fVALUE`` where the value is no text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from aisle.catalogue.store import product_from_dict, product_to_dict
from aisle.errors import RecipeError
from aisle.filters.fields import (
    BOOL_FIELDS,
    NUMBER_FIELDS,
    TEXT_FIELDS,
    attribute_values,
    field_values,
    number_of,
    path_key,
    squeeze,
    value_key,
)
from aisle.indexes.segment import product_tokens
from aisle.language.identifiers import model_codes
from aisle.language.normalise import fold_identifier, normalise
from aisle.types import Array, Product, Record, Scalar

SEPARATOR = "\x1f"
KEYED = tuple(field for field in TEXT_FIELDS if field != "id")
COUNTED = ("id", "brand", "currency", "family", *NUMBER_FIELDS, *BOOL_FIELDS)
"""Fields whose values are counted as they are written; others by their keys."""
TEXT = "fts_"
VECTOR = "vec_"

Attributes = list[tuple[str, tuple[Scalar, ...]]]

_TEXTS: dict[str, Callable[[Product], str]] = {
    "title": lambda product: normalise(product.title),
    "brand": lambda product: normalise(product.brand),
    "category": lambda product: normalise(" ".join(product.category)),
    "description": lambda product: normalise(product.description),
    "identifiers": lambda product: " ".join(product.identifiers),
    "attributes": lambda product: _attribute_words(_attributes(product)),
}
"""What each field says, in the form of queries; a cleaned catalogue is in it already, other products need not be."""


def text_column(field: str) -> str:
    """The column that BM25 searches for a field."""
    return TEXT + field


def texts_of(product: Product, schema: pa.Schema) -> list[str]:
    """What a product says in the fields that BM25 searches in a table of this schema."""
    return [text(product) for field, text in _TEXTS.items() if text_column(field) in schema.names]


def check_text_fields(fields: Sequence[str]) -> None:
    """Refuse fields that BM25 cannot search.

    Raises:
        RecipeError: A field is not one of the text fields, or there is none.
    """
    unknown = [field for field in fields if field not in _TEXTS]
    if unknown or not fields:
        raise RecipeError(
            f"index.field_weights names {unknown[0]!r}" if unknown else "index.field_weights is empty",
            allowed=", ".join(_TEXTS),
            fix="weigh at least one of these fields",
        )


def table_schema(text_fields: Sequence[str], vectors: Mapping[str, int]) -> pa.Schema:
    """The columns of an index with these text fields and vectors (name to length)."""
    texts = pa.list_(pa.string())
    # JSON repeats its keys on every row: compressing it halves the table
    packed = {"lance-encoding:compression": "zstd", "lance-encoding:compression-level": "3"}
    return pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("product", pa.string(), nullable=False, metadata=packed),
            pa.field("text_hash", pa.string(), nullable=False),
            *(pa.field(text_column(field), pa.string()) for field in text_fields),
            *(pa.field(field, pa.float64()) for field in NUMBER_FIELDS),
            pa.field("available", pa.bool_()),
            *(pa.field(f"{field}_key", pa.string()) for field in KEYED),
            *(pa.field(field, pa.string()) for field in ("brand", "currency", "family")),
            *(pa.field(name, texts) for name in ("category", "keys", "tokens", "labels", "number_names")),
            *(pa.field(name, pa.list_(pa.float64())) for name in ("number_lows", "number_highs")),
            *(pa.field(VECTOR + name, pa.list_(pa.float32(), length)) for name, length in vectors.items()),
        ]
    )


def rows(records: Sequence[Record], schema: pa.Schema) -> pa.Table:
    """Records as a table of the schema."""
    products = [record.product for record in records]
    attributes = [_attributes(product) for product in products]
    columns: dict[str, Any] = {
        "id": [product.id for product in products],
        "product": [product_text(product) for product in products],
        "text_hash": [record.text_hash for record in records],
        "available": [_first(product, "available") for product in products],
        "brand": [product.brand or None for product in products],
        "currency": [_first(product, "currency") for product in products],
        "family": [product.family or None for product in products],
        "category": [[part for part in map(squeeze, product.category) if part] for product in products],
        "keys": [_keys(product) for product in products],
        "tokens": [_tokens(product, mine) for product, mine in zip(products, attributes, strict=True)],
        "labels": [_labels(mine) for mine in attributes],
    }
    for field in NUMBER_FIELDS:
        columns[field] = [_number(product, field) for product in products]
    for field in KEYED:
        columns[f"{field}_key"] = [_key(product, field) for product in products]
    numbers = [_numbers(mine) for mine in attributes]
    columns["number_names"] = [list(found) for found in numbers]
    columns["number_lows"] = [[min(values) for values in found.values()] for found in numbers]
    columns["number_highs"] = [[max(values) for values in found.values()] for found in numbers]
    for field, text in _TEXTS.items():
        columns[text_column(field)] = [" ".join(product_tokens(text(product))) for product in products]
    for column in schema:
        if column.name.startswith(VECTOR):
            name = column.name[len(VECTOR) :]
            columns[column.name] = _vectors([record.vectors.get(name) for record in records], column.type)
    return pa.table({name: pa.array(columns[name], schema.field(name).type) for name in schema.names}, schema=schema)


def product_text(product: Product) -> str:
    """A product as the JSON that the index keeps."""
    return json.dumps(product_to_dict(product), ensure_ascii=False, allow_nan=False)


def product_of(text: str) -> Product:
    """The product that ``product_text`` wrote."""
    return product_from_dict(json.loads(text))


def vectors_of(column: pa.ChunkedArray) -> list[Array | None]:
    """The vectors of a column, ``(dim,)`` float32 and not to be written to, a row each; None where there is none."""
    lists = column.combine_chunks()
    whole = iter(np.array(lists.flatten().to_numpy(), np.float32).reshape(-1, lists.type.list_size))
    found = [next(whole).copy() if there else None for there in lists.is_valid().to_pylist()]
    for vector in found:
        if vector is not None:
            vector.flags.writeable = False
    return found


def attribute_token(name: str, value: Scalar | None = None) -> str:
    """The token that a row has when it has the attribute, or the attribute with this value."""
    return f"@{name}{SEPARATOR}{'' if value is None else value_key(value)}"


def path_token(path: tuple[str, ...]) -> str:
    """The token that a row has when its category begins with the path."""
    return SEPARATOR.join((">", *path_key(path)))


def label_prefix(name: str) -> str:
    """What the labels of an attribute begin with."""
    return f"@{name}{SEPARATOR}"


def _attributes(product: Product) -> Attributes:
    """Names and values of the attributes that have a value."""
    found = ((squeeze(name), attribute_values(value)) for name, value in product.attributes.items())
    return [(name, values) for name, values in found if values]


def _attribute_words(attributes: Attributes) -> str:
    return " ".join(value for _, values in attributes for value in values if isinstance(value, str))


def _tokens(product: Product, attributes: Attributes) -> list[str]:
    tokens: dict[str, None] = {}
    for name, values in attributes:
        tokens[attribute_token(name)] = None
        for value in values:
            tokens[attribute_token(name, value)] = None
    path = path_key(product.category)
    tokens |= dict.fromkeys(path_token(path[:depth]) for depth in range(1, len(path) + 1))
    return list(tokens)


def _labels(attributes: Attributes) -> list[str]:
    labels: dict[str, None] = {}
    for name, values in attributes:
        prefix = label_prefix(name)
        for value in values:
            labels[prefix + (squeeze(value) if isinstance(value, str) else SEPARATOR + value_key(value))] = None
    return list(labels)


def _numbers(attributes: Attributes) -> dict[str, list[float]]:
    """The numbers among the values of each attribute."""
    found: dict[str, list[float]] = {}
    for name, values in attributes:
        for value in values:
            if (number := number_of(value)) is not None:
                found.setdefault(name, []).append(number)
    return found


def _keys(product: Product) -> list[str]:
    folded = (fold_identifier(text) for text in (product.id, *product.identifiers))
    return list(dict.fromkeys(key for key in (*folded, *model_codes(product.title)) if key))


def _first(product: Product, field: str) -> Scalar | None:
    return next(iter(field_values(product, field)), None)


def _number(product: Product, field: str) -> float | None:
    value = _first(product, field)
    return None if value is None else float(value)


def _key(product: Product, field: str) -> str | None:
    value = _first(product, field)
    return None if value is None else value_key(value)


def _vectors(vectors: Sequence[Array | None], type: Any) -> Any:
    length = type.list_size
    missing = np.array([vector is None for vector in vectors])
    flat = np.zeros((len(vectors), length), np.float32)
    for i, vector in enumerate(vectors):
        if vector is not None:
            flat[i] = vector
    return pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), length, mask=pa.array(missing))
