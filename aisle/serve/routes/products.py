"""`/v1/products`: one product, what is like it, and its changes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from aisle.catalogue.store import product_from_dict, product_to_dict
from aisle.errors import RequestError
from aisle.serve.access import ApiRoute, needs
from aisle.serve.content import Hash
from aisle.serve.facts import facts_of
from aisle.serve.faults import MEDIA_TYPE, Fault, missing_product
from aisle.serve.json_filter import read_filter
from aisle.serve.parts import Parts, Shop
from aisle.serve.routes.running import note, run, write
from aisle.serve.routes.search import check_page
from aisle.serve.searching import to_json
from aisle.serve.similar import similar_to
from aisle.serve.writing.change import (
    MAX_ID,
    Change,
    Delete,
    Outcome,
    Patch,
    Put,
    checked_id,
    checked_product,
    finite,
)
from aisle.types import Product

router = APIRouter(tags=["products"], route_class=ApiRoute)
Id = Annotated[str, Path(max_length=MAX_ID, description="The product's id.")]
_STATUSES = {"created": 201, "missing": 404, "refused": 422}
_PRODUCT: dict[str, Any] = {
    "title": "Sony WH-CH520 wireless headphones",
    "brand": "Sony",
    "category": ["Audio", "Headphones"],
    "price": 49.9,
    "currency": "EUR",
    "stock": 12,
    "available": True,
    "attributes": {"colour": "black", "weight_g": 147},
}


class OfferBody(BaseModel):
    """One seller's or one variant's price and stock."""

    model_config = ConfigDict(extra="forbid", strict=True)
    id: str
    price: float | None = Field(None, ge=0, allow_inf_nan=False)
    currency: str | None = None
    stock: int | None = Field(None, ge=0)
    available: bool | None = None
    attributes: dict[str, str | bool | float | list[str]] = {}


class ProductBody(BaseModel):
    """A product as the catalogue keeps it (docs/catalogue.md). Left out is unknown."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [_PRODUCT]})
    title: str = Field(min_length=1, max_length=2_000)
    description: str = Field("", max_length=200_000)
    brand: str = Field("", max_length=500)
    category: list[str] = Field([], max_length=50, description="The path, root first.")
    attributes: dict[str, str | bool | float | list[str]] = Field({}, max_length=1_000)
    price: float | None = Field(None, ge=0, allow_inf_nan=False, description="In major units: 49.95, not 4995.")
    currency: str | None = Field(None, max_length=10)
    rating: float | None = Field(None, ge=0, allow_inf_nan=False)
    rating_count: int | None = Field(None, ge=0, lt=2**53)
    available: bool | None = None
    stock: int | None = Field(None, ge=0, lt=2**53)
    images: list[str] = Field([], max_length=1_000)
    identifiers: list[str] = Field([], max_length=1_000, description="GTINs, SKUs, model numbers.")
    family: str = Field("", max_length=MAX_ID, description="Its group of variants; its own id where it has none.")
    offers: list[OfferBody] = Field([], max_length=1_000)

    def product(self, product_id: str) -> Product:
        """The product of this id."""
        given = self.model_dump(exclude_unset=True, exclude_none=True)
        return checked_product(product_from_dict({"id": product_id, **given}))


@router.get("/products/{product_id:path}/similar", dependencies=[needs("search")])
async def similar(
    request: Request,
    shop: Shop,
    product_id: Id,
    k: Annotated[int, Query(ge=0)] = 10,
    filter: Annotated[str, Query(max_length=10_000, description="In the filter language.")] = "",
    same_family: Annotated[bool, Query(description="Whether its own variants may be among them.")] = False,
) -> Response:
    """The products whose meaning is nearest to this one's, without the product itself.

    Where there is a product of the id `PRODUCT_ID/similar`, it is given instead.
    """
    check_page(shop, k, 0)
    wanted = read_filter(filter)
    index = shop.index
    (named,) = await run(request, shop, lambda: index.get([f"{product_id}/similar"]))
    if named is not None:  # its address is this one
        return Response(to_json(product_to_dict(named)), media_type=MEDIA_TYPE)
    checked_id(product_id)
    found = await run(request, shop, lambda: similar_to(index, product_id, k, wanted, same_family=same_family))
    if found is None:
        raise missing_product(product_id)
    ranked = [
        {"rank": rank, "score": round(cosine, 6), "product": product_to_dict(product)}
        for rank, (product, cosine) in enumerate(found, start=1)
    ]
    return Response(to_json({"id": product_id, "similar": ranked}), media_type=MEDIA_TYPE)


@router.get("/products/{product_id:path}", dependencies=[needs("search")])
async def read(request: Request, shop: Shop, product_id: Id) -> Response:
    """One product."""
    checked_id(product_id)
    product = await run(request, shop, lambda: shop.engine.index.get([product_id])[0])
    if product is None:
        raise missing_product(product_id)
    return Response(to_json(product_to_dict(product)), media_type=MEDIA_TYPE)


@router.put("/products/{product_id:path}", dependencies=[needs("write")], responses={201: {}})
async def put(request: Request, shop: Shop, product_id: Id, body: ProductBody) -> Response:
    """Add a product, or replace it whole. The answer means that it is durable and that searches find it."""
    return await _changed(request, shop, Put(body.product(checked_id(product_id))))


_PATCHES: dict[str, Any] = {"price": {"price": 39.9, "stock": 3}, "attribute": {"attributes": {"colour": None}}}


class PatchBody(BaseModel):
    """Fields to change; null takes one out. Attributes are changed one by one in the same way."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"examples": list(_PATCHES.values())})


@router.patch("/products/{product_id:path}", dependencies=[needs("write")])
async def patch(request: Request, shop: Shop, product_id: Id, body: PatchBody) -> Response:
    """Change some fields of a product. Only what the encoder reads (title, brand, ...) costs an encoding."""
    fields: Mapping[str, Any] = body.model_extra or {}
    if not fields:
        raise RequestError("the patch is empty", allowed='fields to change, such as {"price": 39.9}')
    finite(fields, product_id)
    return await _changed(request, shop, Patch(checked_id(product_id), fields))


@router.delete("/products/{product_id:path}", dependencies=[needs("write")])
async def delete(request: Request, shop: Shop, product_id: Id) -> Response:
    """Take a product out."""
    return await _changed(request, shop, Delete(checked_id(product_id)))


async def _changed(request: Request, shop: Parts, change: Change) -> Response:
    started = time.perf_counter()
    (outcome,) = await write(shop, [change])
    facts_of(request).stages = {"write": (time.perf_counter() - started) * 1_000}
    if outcome.status == "missing":
        raise missing_product(change.id)
    if outcome.status == "refused":
        raise refused(outcome)
    action = f"product.{type(change).__name__.lower()}"
    await note(request, shop, action, change.id, Hash(outcome.after), before=Hash(outcome.before))
    said = {"id": outcome.id, "status": outcome.status}
    return Response(to_json(said), _STATUSES.get(outcome.status, 200), media_type=MEDIA_TYPE)


def refused(outcome: Outcome) -> Fault:
    """A change that cannot be made; its reason has the lines of an error."""
    message, *rest = outcome.reason.splitlines() or [""]
    said = dict(line.partition(": ")[::2] for line in rest)
    return Fault(422, "refused", message, allowed=said.get("allowed"), fix=said.get("to fix"))
