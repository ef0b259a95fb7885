"""Real products for the contract: rows of the shipped Icecat sample, with what Icecat lacks filled in by rule."""

import gzip
import json
import random
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np

from aisle.types import And, Compare, Exists, In, Not, Offer, Or, Product, Record, Under

SAMPLE = Path(__file__).parents[2] / "samples" / "icecat" / "products.jsonl.gz"
DIM = 16
CHINESE = ["小米手机", "华为手机", "三星手机", "苹果手机", "电饭煲", "羊毛手套"]


@cache
def real_products(count=400):
    """The first rows of the sample, plus categories, ratings, stock and offers, so that every field is used."""
    with gzip.open(SAMPLE, "rt", encoding="utf-8") as file:
        return tuple(_product(json.loads(line), place) for place, line in enumerate(islice(file, count)))


def _product(row, place):
    rng = random.Random(place)
    attributes = dict(row.get("attributes", {}))
    if "compatible_memory_cards" in attributes:
        attributes["compatible_memory_cards"] = tuple(attributes["compatible_memory_cards"].split(","))
    if place % 3 == 0:
        attributes["sizes"] = (str(36 + place % 5), str(40 + place % 5), "one size")
    kind = str(attributes.get("type", attributes.get("product_type", "")))
    price = row.get("price")
    by_offer = place % 7 == 0
    return Product(
        id=row["id"],
        title=row["title"],
        description=row.get("description", ""),
        brand=row.get("brand", "") if place % 11 else "",
        category=("Electronics", kind, str(attributes.get("form_factor", "Other"))) if kind else (),
        attributes=attributes,
        price=None if by_offer else price,
        currency=rng.choice([None, "EUR", "GBP"]),
        rating=rng.choice([None, 1.5, 3.0, 4.5]),
        rating_count=rng.choice([None, 0, 7, 1200]),
        available=rng.choice([None, True, False]),
        stock=rng.choice([None, 0, 3, 250]),
        identifiers=(*row.get("ean", ()), *([row["model"]] if row.get("model") else [])),
        family=f"family-{place // 3}" if place % 2 else "",
        offers=(Offer("b", price=30.0, currency="CHF", stock=2), Offer("a", price=20.0, stock=5, available=True))
        if by_offer
        else (),
    )


def vectors(count, seed=0):
    """Unit vectors ``(count, DIM)``."""
    found = np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def records(products, seed=0):
    return [
        Record(product, f"hash-{product.id}", {"text": vector})
        for product, vector in zip(products, vectors(len(products), seed), strict=True)
    ]


def random_filter(products, rng, depth=3):
    """A filter that is likely to split these products: its fields and values are theirs."""
    kind = rng.choice(["leaf"] * 3 + ["and", "or", "not"]) if depth else "leaf"
    if kind == "not":
        return Not(random_filter(products, rng, depth - 1))
    if kind in {"and", "or"}:
        parts = tuple(random_filter(products, rng, depth - 1) for _ in range(rng.randint(0 if depth < 3 else 1, 3)))
        return And(parts) if kind == "and" else Or(parts)
    product = rng.choice(products)
    if rng.random() < 0.15 and product.category:
        return Under(product.category[: rng.randint(1, 3)])
    if rng.random() < 0.4:
        number = rng.choice(["price", "rating", "rating_count", "stock"])
        bound = rng.choice([0.0, 3.0, 19.95, 20.0, 49.95, 100.0, 250.0])
        return Compare(number, rng.choice(["=", "!=", "<", "<=", ">", ">="]), bound)
    if rng.random() < 0.4:
        field = rng.choice(["brand", "currency", "family", "available", "title", "id", "category"])
        known = {
            "brand": product.brand.upper() or "Nobody",
            "currency": product.currency or "EUR",
            "family": product.family or "family-0",
            "available": rng.choice([True, False]),
            "title": product.title,
            "id": product.id,
            "category": " > ".join(product.category) or "None",
        }
        return _about(field, known[field], rng)
    if rng.random() < 0.1:
        return Compare("sizes", rng.choice(["<", "<=", ">", ">=", "=", "!="]), float(rng.randint(35, 45)))
    name = rng.choice(sorted(product.attributes) or ["weight"])
    value = product.attributes.get(name, 1.0)
    value = rng.choice(value) if isinstance(value, tuple) else value
    if isinstance(value, float) and rng.random() < 0.7:
        return Compare(name, rng.choice(["<", "<=", ">", ">="]), value + rng.choice([-1.0, 0.0, 0.5]))
    return _about(name, value, rng)


def _about(field, value, rng):
    kind = rng.choice(["=", "!=", "in", "exists"])
    if kind == "exists":
        return Exists(field)
    if kind == "in":
        return In(field, (value, True if field == "available" else "no such value"))
    return Compare(field, kind, value)
