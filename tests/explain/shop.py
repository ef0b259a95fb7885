"""A small shop for explanations: products that differ in few words, so that every number can be checked by hand."""

import numpy as np

from aisle.types import Product

PRODUCTS = [
    Product("m1", "Logi wireless mouse black", "Optical, 2.4 GHz receiver", "Logi", ("Mice",),
            {"colour": "black"}, price=19.0),
    Product("m2", "Logi mouse with cable", "Optical", "Logi", ("Mice",), {"colour": "white"}, price=9.0),
    Product("m3", "Hama wireless laser mouse", "For notebooks", "Hama", ("Mice",), price=35.0),
    Product("k1", "Hama wireless keyboard", "German layout", "Hama", ("Keyboards",), {"colour": "black"}, price=39.0),
    Product("k2", "Cherry keyboard with cable", "Mechanical", "Cherry", ("Keyboards",), price=89.0),
    Product("h1", "Sony MDR-ZX110 headphones", "Foldable on-ear", "Sony", ("Headphones",),
            {"colour": "black"}, price=19.99),
    Product("h2", "Bose wireless headphones", "Noise cancelling", "Bose", ("Headphones",), price=249.0,
            identifiers=("QC45-BLK",)),
    Product("c1", "Canon EOS 2000D digital camera", "DSLR, 24 MP", "Canon", ("Cameras",), price=399.0),
    Product("z1", "无线鼠标 静音", "蓝牙双模", "罗技", ("鼠标",), price=99.0),
    Product("x1", "Mouse <b>pad</b> & \"rest\" <script>alert(1)</script>", "Soft", "", ("Mice",), price=5.0),
]  # fmt: skip


class TitleLength:
    """A re-ranker that anyone can compute: one for each word of the query in the title, never reads descriptions."""

    def score(self, query, products):
        titles = [product.title.casefold().split() for product in products]
        return np.array([sum(title.count(word) for word in query.casefold().split()) for title in titles], np.float32)
