"""Which column of a file holds which field of a product, found by name.

Knows names only: English and Chinese ones, those of Shopify, Google Merchant, Amazon and Icecat files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from aisle.errors import CatalogueError

# Best name first: of two columns that could be a field, the earlier one is it and the other is an attribute.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "id": (
        "id", "product_id", "productid", "item_id", "itemid", "goods_id", "docid", "doc_id", "asin", "sku_id", "sku",
        "variant_sku", "offer_id", "uniq_id", "product_code", "item_code", "article_number", "handle",
        "编号", "商品编号",
        "商品id", "产品编号", "产品id", "货号", "商品编码",
    ),
    "title": (
        "title", "product_title", "product_name", "item_name", "item_title", "name", "goods_name", "display_name",
        "productname", "product", "标题", "商品标题", "商品名称", "产品名称", "产品标题", "名称", "商品名", "品名",
    ),
    "description": (
        "description", "product_description", "body_html", "body_(html)", "long_description", "short_description",
        "product_details", "item_description", "details", "body", "summary", "brief", "sell_point", "描述", "商品描述",
        "产品描述", "详情", "商品详情", "产品介绍", "简介", "卖点",
    ),
    "brand": (
        "brand", "brand_name", "supplier", "vendor", "manufacturer", "maker", "brandname", "品牌", "品牌名称", "厂商",
        "生产商",
    ),
    "category": (
        "category_path", "category_full_path", "full_category", "product_category", "category", "categories",
        "category_name", "product_category_tree", "taxonomy", "breadcrumb", "breadcrumbs",
        "product_type", "google_product_category", "department", "type", "类目", "类目路径", "分类",
        "商品分类", "类别", "品类", "所属类目",
    ),
    "price": (
        "price", "sale_price", "selling_price", "current_price", "final_price", "retail_price", "list_price",
        "price_min", "min_price", "variant_price", "unit_price", "discounted_price", "msrp", "amount", "price_cents",
        "价格", "售价", "现价", "商品价格", "单价", "销售价", "零售价",
    ),
    "currency": ("currency", "currency_code", "price_currency", "货币", "币种"),
    "rating": (
        "rating", "average_rating", "avg_rating", "review_rating", "rating_value", "stars", "star_rating",
        "customer_rating", "product_rating", "评分", "星级",
    ),
    "rating_count": (
        "rating_count", "ratings_count", "review_count", "reviews_count", "number_of_reviews", "num_reviews",
        "number_of_ratings", "num_ratings", "reviews", "评论数", "评价数", "评分人数",
    ),
    "available": (
        "available", "availability", "in_stock", "in_stock_any", "is_available", "stock_status", "instock", "是否有货",
        "库存状态", "有货",
    ),
    "stock": (
        "stock", "stock_quantity", "quantity", "inventory", "inventory_quantity", "variant_inventory_qty", "qty",
        "quantity_in_stock", "库存", "库存数量",
    ),
    "family": (
        "family", "family_id", "item_group_id", "parent_id", "parent_asin", "parent_sku", "spu_id", "spu",
        "product_group_id", "group_id", "model_group", "款式编号",
    ),
    "offers": ("offers", "variants", "skus"),
    "attributes": (
        "attributes", "specs", "specifications", "properties", "spec_json", "product_specifications", "features",
        "参数", "规格参数", "属性", "商品属性",
    ),
}  # fmt: skip
# Fields that take every column of these names, in this order.
COLLECTED: dict[str, tuple[str, ...]] = {
    "images": (
        "images", "image", "image_link", "image_url", "image_urls", "image_src", "img", "img_url", "main_image",
        "featured_image_url", "featured_image", "additional_image_link", "additional_image_links", "thumbnail",
        "primary_image", "img_high", "img_500x500", "img_low", "img_thumb", "variant_image", "图片", "主图", "商品图片",
        "图片链接",
    ),
    "identifiers": (
        "identifiers", "gtin", "gtins", "ean", "eans", "upc", "isbn", "barcode", "variant_barcode", "mpn", "model",
        "model_number", "model_name", "part_number", "manufacturer_part_number", "sku", "variant_sku", "asin", "型号",
        "条码", "条形码", "货号",
    ),
}  # fmt: skip
FIELDS = (*SYNONYMS, *COLLECTED)
_SUFFIX = re.compile(r"^(.*?)_\(?(usd|eur|gbp|cny|rmb|jpy|cad|aud|chf|sek|nok|dkk|pln|inr|brl|krw|cents|minor)\)?$")
_PREFIX = re.compile(r"^attr_[tnb]_")
_TAGS = frozenset({"tags", "labels", "keywords", "标签", "关键词"})


def fold_name(name: str) -> str:
    """A column name for comparison: lower case, words joined by underscores."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip())
    return re.sub(r"[\s\-./:]+", "_", spaced).casefold().removeprefix("g_").strip("_")


def attribute_name(column: str) -> str:
    """The name an unmapped column's attribute gets: Icecat's type prefixes go."""
    return _PREFIX.sub("", column)


def is_tags(column: str) -> bool:
    """Whether the column's cells are lists of words."""
    return fold_name(column) in _TAGS


@dataclass(slots=True)
class ColumnMap:
    """Field to column(s). Learns new columns of sparse JSON rows on the way, never changing what it has decided.

    ``losers`` says which column could have been a field but was not taken: ``(field, column, taken column)``.
    """

    fields: dict[str, tuple[str, ...]] = field(default_factory=dict)
    price_currency: str | None = None
    price_in_cents: bool = False
    losers: list[tuple[str, str, str]] = field(default_factory=list)
    _declared: Mapping[str, str] = field(default_factory=dict)
    _names: list[str] = field(default_factory=list)
    _roles: dict[str, str] = field(default_factory=dict)

    def learn(self, columns: Iterable[str]) -> None:
        """Take columns not seen before into account; a field that has its column keeps it."""
        roles = self._roles
        fresh = [name for name in columns if name not in roles]
        if not fresh:
            return
        self._names.extend(fresh)
        for name in fresh:
            self._roles[name] = "attributes"
        for target, column in self._declared.items():
            if column in fresh:
                self._take(target, column)
        icecat = any(_PREFIX.match(name) for name in self._names) and "title" in self._roles
        folded = [(name, *_bare(fold_name(name))) for name in fresh]
        for target, synonyms in SYNONYMS.items():
            candidates = [
                (synonyms.index(bare), position, name, suffix)
                for position, (name, bare, suffix) in enumerate(folded)
                if bare in synonyms and (self._roles[name] == "attributes") and (not suffix or target == "price")
            ]
            for _, _, name, suffix in sorted(candidates):
                if target in self.fields:
                    if self.fields[target] != (name,):
                        self.losers.append((target, name, self.fields[target][0]))
                    continue
                if self._roles[name] == "attributes":
                    self._take(target, name)
                    if target == "price":
                        self._note_suffix(suffix)
        for target, names in COLLECTED.items():
            for name, bare, _ in folded:
                wanted = bare in names or (target == "identifiers" and icecat and bare == "name")
                if wanted and self._roles[name] == "attributes" and target not in self._declared:
                    self._take(target, name)
            taken = self.fields.get(target, ())
            order = {name: position for position, name in enumerate(names)}
            self.fields[target] = tuple(sorted(taken, key=lambda c: (order.get(_bare(fold_name(c))[0], 99), c)))
            if not taken:
                del self.fields[target]
        self.losers = [loser for loser in self.losers if self._roles[loser[1]] == "attributes"]

    def column(self, target: str) -> str | None:
        """The column of a field that has one column."""
        names = self.fields.get(target)
        return names[0] if names else None

    def role(self, column: str) -> str:
        """The field a column feeds; "attributes" for those that feed none."""
        return self._roles.get(column, "attributes")

    def require(self, source: str) -> None:
        """Check that products can be made at all.

        Raises:
            CatalogueError: A declared column is not in the file, or no column can be the title.
        """
        missing = [column for column in self._declared.values() if column not in self._roles]
        found = ", ".join(self._names[:30]) + (" ..." if len(self._names) > 30 else "")
        if missing:
            raise CatalogueError(f"{source} has no column {missing[0]!r}", allowed=found, fix="name one of its columns")
        if "title" not in self.fields:
            raise CatalogueError(
                f"no column of {source} looks like a product title",
                allowed=found or "a file with a title column",
                fix="name it with --column title=COLUMN, or columns.title in the recipe",
            )

    def _take(self, target: str, column: str) -> None:
        self.fields[target] = (*self.fields.get(target, ()), column)
        self._roles[column] = target

    def _note_suffix(self, suffix: str) -> None:
        if suffix in {"cents", "minor"}:
            self.price_in_cents = True
        elif suffix:
            self.price_currency = "CNY" if suffix == "rmb" else suffix.upper()


def column_map(declared: Mapping[str, str]) -> ColumnMap:
    """An empty map with the user's own choices, ``{field: column}``.

    Raises:
        CatalogueError: A declared field does not exist.
    """
    for target in declared:
        if target not in FIELDS:
            raise CatalogueError(f"unknown product field {target!r} in the column mapping", allowed=", ".join(FIELDS))
    return ColumnMap(_declared=dict(declared))


def _bare(folded: str) -> tuple[str, str]:
    """A name without a currency or unit suffix, and the suffix: "price_min_usd" is ("price_min", "usd")."""
    match = _SUFFIX.match(folded)
    return (match[1], match[2]) if match else (folded, "")
