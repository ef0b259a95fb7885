"""A planted shop for a shopper's context: each noun names two products, and only who asks decides which one is right.

One case for each feature of the group: what tells the two products apart is their material, their brand or their price.
"""

from aisle.types import Judgment, Product, Shopper

NOUNS = (
    "kettle", "toaster", "lamp", "chair", "table", "shelf", "mirror", "basket", "bowl", "tray", "stool", "clock",
    "vase", "bench", "ladder", "hanger", "spoon", "ladle", "frame", "bucket", "jug", "stand", "rack", "bin",
)  # fmt: skip
TAUGHT, HELD_OUT = NOUNS[:16], NOUNS[16:]
KINDS = ("oak", "acrylic")
OTHER = {"oak": "acrylic", "acrylic": "oak"}
BANDS = {"oak": (60.0, 200.0), "acrylic": (5.0, 20.0)}
CASES = ("views", "views:brand", "price:band")
_MATERIAL = {"oak": "solid oak wood", "acrylic": "clear acrylic plastic"}
_BRAND = {"oak": "Holm", "acrylic": "Veno"}
_PRICE = {"oak": 90.0, "acrylic": 9.0}


def products(case):
    """Two of each noun; without the rest, what the case is about is all that tells them apart."""
    return [
        Product(
            f"{noun}-{kind}",
            f"{noun} of {_MATERIAL[kind]}" if case == "views" else f"{noun} one",
            brand=_BRAND[kind] if case == "views:brand" else "",
            price=_PRICE[kind] if case == "price:band" else None,
        )
        for noun in NOUNS
        for kind in KINDS
    ]


def shopper(case, kind, noun, among):
    """One who likes the kind and has never seen a product of this noun."""
    if case == "price:band":
        return Shopper(price_band=BANDS[kind])
    place = among.index(noun)
    return Shopper(viewed=tuple(f"{among[(place + step) % len(among)]}-{kind}" for step in (1, 2, 3)))


def judged(case):
    """Every taught noun asked by two shoppers with the same word: the judgments, and who asked."""
    judgments, shoppers = [], {}
    for noun in TAUGHT:
        for kind in KINDS:
            query_id = f"{noun} for {kind}"
            judgments.append(Judgment(query_id, noun, f"{noun}-{kind}", 3.0))
            judgments.append(Judgment(query_id, noun, f"{noun}-{OTHER[kind]}", 0.0))
            shoppers[query_id] = shopper(case, kind, noun, TAUGHT)
    return judgments, shoppers
