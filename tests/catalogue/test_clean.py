"""Cleaning real slices, damaged ones and made-up ones: nothing lost, nothing crashing, nothing changed twice."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aisle.catalogue.clean import CleanCatalogue, clean
from aisle.catalogue.encoding import find_encoding
from aisle.catalogue.store import to_json
from aisle.config import CatalogueSettings
from aisle.errors import AisleError, CatalogueError
from aisle.types import Product

DATA = Path(__file__).parent.parent / "data" / "catalogue"
SLICES = ["icecat.jsonl", "livostyle.parquet", "chinese.csv"]
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def cleaned(path: Path, **changes: Any) -> tuple[list[Product], CleanCatalogue, list[dict[str, Any]]]:
    with clean(path, CatalogueSettings(**changes)) as catalogue:
        products, rejected = list(catalogue), list(catalogue.rejected())
        check(catalogue, products, rejected)
    return products, catalogue, rejected


def check(catalogue: CleanCatalogue, products: list[Product], rejected: list[dict[str, Any]]) -> None:
    """What holds for every cleaning."""
    report = catalogue.report
    assert report.rows_read == report.valid + report.rejected + report.merged
    assert len(catalogue) == report.valid == len(products) == len({p.id for p in products})
    assert report.rejected == len(rejected) == sum(report.reasons.values())
    assert all(row["reason"] and row["line"] >= 1 for row in rejected)
    assert all(p.id and p.title and p.family for p in products)
    json.dumps(report.to_dict(), allow_nan=False)
    for product in products:
        to_json(product).encode("utf-8")


def write_bytes(folder: Path, data: bytes, name: str = "catalogue") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


# --- real slices ---


def test_icecat_slice() -> None:
    products, catalogue, _ = cleaned(DATA / "icecat.jsonl", price_unit="minor")
    assert catalogue.report.valid == 33
    raw = [json.loads(line) for line in (DATA / "icecat.jsonl").read_text(encoding="utf-8").splitlines()]
    for row, product in zip(raw, products, strict=True):
        assert (product.id, product.brand) == (row["id"], row["supplier"])
        assert product.price == row["price"] / 100
        assert product.identifiers == (*row["ean"], row["name"])
        assert product.images[0] == row["img_high"]
        for name, value in row.items():
            if name.startswith(("attr_n_", "attr_b_")):
                assert product.attributes[name[7:]] == value
                assert type(product.attributes[name[7:]]) is type(value)
    assert "<" not in "".join(p.description for p in products)
    assert catalogue.report.columns["title"] == ("title",)


def test_icecat_prices_hint_at_cents() -> None:
    products, catalogue, _ = cleaned(DATA / "icecat.jsonl")
    assert products[0].price == 4995.0
    assert any("minor units" in hint for hint in catalogue.report.hints)


def test_livostyle_slice() -> None:
    products, catalogue, _ = cleaned(DATA / "livostyle.parquet")
    first = products[0]
    assert first.category == ("Apparel & Accessories", "Clothing", "Swimwear", "Cover Ups")
    assert (first.price, first.currency, first.rating, first.rating_count, first.available) == (
        28.99,
        "USD",
        4.9,
        7,
        True,
    )
    tags = first.attributes["tags"]
    assert isinstance(tags, tuple)
    assert tags[:3] == ("beach", "beach cover-up", "boho")
    assert catalogue.report.encoding == ""


def test_chinese_slice() -> None:
    products, catalogue, rejected = cleaned(DATA / "chinese.csv")
    assert (catalogue.report.rows_read, catalogue.report.merged) == (8, 1)
    by_id = {p.id: p for p in products}
    assert list(by_id) == ["00101", "00102", "00103", "00104", "00106"]
    phone = by_id["00101"]
    assert phone.title == "小米手机13 Pro 6.73 inch 5000 mAh 黑色"
    assert (phone.price, phone.currency, phone.rating_count, phone.stock) == (4299.0, "CNY", 1024, 12)
    assert phone.category == ("数码", "手机") == by_id["00103"].category
    assert phone.description == "骁龙8 Gen2 正品保证"
    assert by_id["00103"].price == 12000.0
    assert by_id["00103"].title == '苹果手机 iPhone 14 "国行"'
    assert by_id["00102"].available is False
    assert by_id["00102"].description == "鸿蒙系统, 轻薄机身"
    assert by_id["00104"].description == "容量5 L"
    assert by_id["00106"].price is None
    assert catalogue.report.rules["price unreadable"].count == 1
    assert [(row["line"], row["reason"]) for row in rejected] == [
        (7, "the title is missing"),
        (10, "the id is that of line 3, but the product differs"),
    ]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gb18030"])
@pytest.mark.parametrize("packed", [False, True])
def test_encodings_and_gzip_change_nothing(tmp_path: Path, encoding: str, packed: bool) -> None:
    data = (
        (DATA / "chinese.csv")
        .read_text(encoding="utf-8")
        .replace("￥", "¥" if encoding != "gb18030" else "￥")
        .encode(encoding)
    )
    products, catalogue, _ = cleaned(write_bytes(tmp_path, gzip.compress(data) if packed else data))
    assert catalogue.report.encoding == encoding
    assert products == cleaned(DATA / "chinese.csv")[0]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_chinese_without_a_mark_is_known_by_few_zero_bytes(encoding: str) -> None:
    assert find_encoding("编号;商品标题\n1;红色连衣裙夏季碎花女\n".encode(encoding)) == encoding
    assert find_encoding("编号;商品标题".encode(encoding)) == encoding


def test_a_zero_byte_by_accident_makes_no_utf_16() -> None:
    for data in (b"id,title\n1,a\0b lamp\n", b"id,title\n1,\0ab lamp\n", "id,title\n1,手机\0壳\n".encode()):
        assert find_encoding(data) == "utf-8"


def test_windows_1252_and_single_bad_lines(tmp_path: Path) -> None:
    text = "id;title;price\n1;Café crème;1,50 €\n2;Größe;2,00 €\n"
    products, catalogue, _ = cleaned(write_bytes(tmp_path, text.encode("cp1252")))
    assert catalogue.report.encoding == "cp1252"
    assert [(p.title, p.price, p.currency) for p in products] == [("Café crème", 1.5, "EUR"), ("Größe", 2.0, "EUR")]
    mixed = "id,title\n1,Crème\n2,Größe\n".encode() + "3,Äther\n".encode("cp1252")
    products, catalogue, _ = cleaned(write_bytes(tmp_path, mixed))
    assert [p.title for p in products] == ["Crème", "Größe", "Äther"]
    assert any("1 lines are not utf-8" in hint for hint in catalogue.report.hints)


@pytest.mark.parametrize("name", SLICES)
@pytest.mark.parametrize("minor", [False, True])
def test_cleaning_twice_changes_nothing(tmp_path: Path, name: str, minor: bool) -> None:
    changes = {"price_unit": "minor" if minor else "major"}
    once, first, _ = cleaned(DATA / name, **changes)
    with clean(DATA / name, CatalogueSettings(**changes)) as catalogue:
        files = catalogue.write(tmp_path / "once")
    twice, second, rejected = cleaned(files["products"], **changes)
    assert twice == once
    assert not rejected
    assert not second.report.rules
    assert (second.report.families, second.report.family_members) == (
        first.report.families,
        first.report.family_members,
    )


# --- rules ---


def rows_file(folder: Path, rows: list[dict[str, Any]]) -> Path:
    return write_bytes(folder, "\n".join(json.dumps(row) for row in rows).encode(), "rows.jsonl")


def test_boilerplate_goes_and_short_facts_stay(tmp_path: Path) -> None:
    shipping = "Free worldwide shipping on every single order."
    rows = [
        {"id": i, "title": f"Lamp number {i}", "description": f"<p>Unique text {i}.</p><p>{shipping}</p>100% cotton."}
        for i in range(40)
    ]
    products, catalogue, _ = cleaned(rows_file(tmp_path, rows))
    assert products[3].description == "Unique text 3. 100% cotton."
    assert catalogue.report.boilerplate == ((shipping, 40),)
    assert shipping in cleaned(rows_file(tmp_path, rows), boilerplate=False)[0][3].description


def test_a_description_that_is_all_boilerplate_leaves_the_title(tmp_path: Path) -> None:
    rows = [
        {"id": i, "title": "Same words in every title here", "description": "The same words in all of them."}
        for i in range(30)
    ]
    products, _, _ = cleaned(rows_file(tmp_path, rows))
    assert {p.title for p in products} == {"Same words in every title here"}
    assert {p.description for p in products} == {""}


def test_families_do_not_depend_on_the_order_of_rows(tmp_path: Path) -> None:
    titles = [
        "Acme Phone X100 64GB black", "Acme Phone X100 128 GB white", "Acme Phone X200 64GB black",
        "Acme case for phone red",
        "Acme case for phone blue", "Xerox toner 006R90321 black", "Xerox 006R90321 toner cartridge black",
    ]  # fmt: skip
    rows = [{"id": f"p{i}", "title": title} for i, title in enumerate(titles)]
    forward = {p.id: p.family for p in cleaned(rows_file(tmp_path, rows))[0]}
    backward = {p.id: p.family for p in cleaned(rows_file(tmp_path, rows[::-1]))[0]}
    assert forward == backward
    assert forward == {"p0": "p0", "p1": "p0", "p2": "p2", "p3": "p3", "p4": "p3", "p5": "p5", "p6": "p5"}
    alone = cleaned(rows_file(tmp_path, rows), near_duplicates=False)[0]
    assert all(p.family == p.id for p in alone)


def test_a_given_family_is_kept(tmp_path: Path) -> None:
    rows = [
        {"id": "a", "title": "Red lamp", "item_group_id": 7},
        {"id": "b", "title": "Blue chair", "item_group_id": 7},
    ]
    products, catalogue, _ = cleaned(rows_file(tmp_path, rows))
    assert [p.family for p in products] == ["7", "7"]
    assert catalogue.report.families == 1


@pytest.mark.parametrize(
    ("ratings", "kept", "count"),
    [
        (["4.5", "-1", "97", "3", "0", "5", "2E+00"], [4.5, None, None, 3, 0, 5, 2], 2),
        (["8.5", "4", "9.9", "-1", "3"], [8.5, 4, 9.9, None, 3], 1),
        (["88", "97", "4", "140", "60"], [88, 97, 4, None, 60], 1),
        (["250", "900", "4"], [250, 900, 4], 0),
        (["97"], [97], 0),
        (["4.5", "7"], [4.5, 7], 0),
        ([*["4"] * 98, "9", "10"], [*[4] * 98, None, None], 2),
        ([*["4"] * 90, *["9"] * 10], [*[4] * 90, *[9] * 10], 0),
    ],
)
def test_ratings_off_the_scale_go_and_are_counted(
    tmp_path: Path, ratings: list[str], kept: list[float | None], count: int
) -> None:
    rows: list[dict[str, Any]] = [
        {"id": n, "title": f"Thing {n}", "rating": rating} for n, rating in enumerate(ratings)
    ]
    products, catalogue, _ = cleaned(rows_file(tmp_path, rows))
    assert [product.rating for product in products] == kept
    told = catalogue.report.rules.get("rating off the scale")
    assert (told.count if told else 0) == count


def test_prices_that_are_none_are_counted(tmp_path: Path) -> None:
    prices = ["1.5E+03", "1e309", "(5.00)", "12..5", "原价99 现价79", "1/2", "5-"]
    rows: list[dict[str, Any]] = [{"id": n, "title": f"Thing {n}", "price": price} for n, price in enumerate(prices)]
    products, catalogue, _ = cleaned(rows_file(tmp_path, rows))
    assert [product.price for product in products] == [1500, None, None, None, 79, None, None]
    assert catalogue.report.rules["price unreadable"].count == 5


def test_offers_and_nested_values(tmp_path: Path) -> None:
    row = {
        "id": 5, "title": "Shirt", "variants": [{"sku": "s1", "price": "9.99 EUR", "inventory_quantity": 3,
        "size": "M"}],
        "dimensions": {"width": 10, "box": {"weight": "2kg"}}, "colors": ["red", 5, None], "flag": False, "empty": [],
        "specs": [{"name": "Voltage", "value": "230V"}], "big": float("inf"),
    }  # fmt: skip
    (product,), catalogue, _ = cleaned(rows_file(tmp_path, [row]))
    (offer,) = product.offers
    assert (offer.id, offer.price, offer.currency, offer.stock, offer.attributes) == (
        "s1",
        9.99,
        "EUR",
        3,
        {"size": "M"},
    )
    assert product.attributes == {
        "dimensions.width": 10.0, "dimensions.box.weight": "2 kg", "colors": ("red", "5"), "flag": False,
        "Voltage": "230 V",
    }  # fmt: skip
    assert catalogue.report.rules["number unreadable"].count == 1


def test_columns_can_be_declared(tmp_path: Path) -> None:
    path = write_bytes(tmp_path, b"code,label,name\n007,Gold watch,x\n")
    (product,), catalogue, _ = cleaned(path, columns={"title": "label", "id": "code"})
    assert (product.id, product.title, product.attributes) == ("007", "Gold watch", {"name": "x"})
    with pytest.raises(CatalogueError, match="no column 'nope'"):
        clean(path, CatalogueSettings(columns={"title": "nope"}))
    with pytest.raises(CatalogueError, match="unknown product field 'colour'"):
        clean(path, CatalogueSettings(columns={"colour": "label"}))
    assert catalogue.report.columns["title"] == ("label",)


def test_without_ids_the_line_number_is_the_id(tmp_path: Path) -> None:
    products, catalogue, _ = cleaned(write_bytes(tmp_path, b"title\nOne\n\nTwo\n"))
    assert [p.id for p in products] == ["row-2", "row-4"]
    assert any("no id column" in hint for hint in catalogue.report.hints)


def test_shopify_variants_hang_under_their_product(tmp_path: Path) -> None:
    text = """Handle,Title,Vendor,Option1 Name,Option1 Value,Variant SKU,Variant Price,Image Src
tee,Basic Tee,Acme,Size,S,T-S,10.00,http://x/1.jpg
tee,,,,M,,11.00,
tee,,,,,,,http://x/3.jpg
mug,Mug,Acme,Title,Default Title,M-1,5.00,http://x/4.jpg
"""
    products, _, rejected = cleaned(write_bytes(tmp_path, text.encode()))
    assert [(p.id, p.title, p.brand, p.price, p.family) for p in products] == [
        ("T-S", "Basic Tee", "Acme", 10.0, "tee"),
        ("tee-M", "Basic Tee", "Acme", 11.0, "tee"),
        ("M-1", "Mug", "Acme", 5.0, "mug"),
    ]
    assert [(row["line"], row["reason"]) for row in rejected] == [(4, "only a further image of 'tee': no variant")]


# --- damaged files ---


def test_a_quote_that_never_closes_costs_one_row(tmp_path: Path) -> None:
    text = 'id,title\n1,One\n2,"Two\n3,Three\n4,Four\n'
    products, _, rejected = cleaned(write_bytes(tmp_path, text.encode()))
    assert [p.id for p in products] == ["1", "3", "4"]
    assert rejected == [{"line": 3, "reason": "a quote opened in this row is never closed", "row": '2,"Two'}]


def test_ragged_rows_are_set_aside(tmp_path: Path) -> None:
    products, _, rejected = cleaned(write_bytes(tmp_path, b"id,title,price\n1,One,1\n2,Two\n3,Three,3,4\n5,Five,5,\n"))
    assert [p.id for p in products] == ["1", "5"]
    assert [(row["line"], row["reason"], row["row"]) for row in rejected] == [
        (3, "2 cells, but the header has 3", "2,Two"),
        (4, "4 cells, but the header has 3", "3,Three,3,4"),
    ]


def test_quoted_line_breaks_and_huge_fields(tmp_path: Path) -> None:
    huge = "word " * 60_000
    out = io.StringIO()
    csv.writer(out).writerows([["id", "title", "description"], ["1", "A\nB", huge], ["2", "C", "x"]])
    products, _, _ = cleaned(write_bytes(tmp_path, out.getvalue().encode()))
    assert products[0].title == "A B"
    assert products[0].description == huge.strip()


def test_truncated_gzip_keeps_what_was_read(tmp_path: Path) -> None:
    lines = "".join(f'{{"id": {i}, "title": "Thing {i * 7919 % 1000} {i}"}}\n' for i in range(2000))
    packed = gzip.compress(lines.encode())
    products, catalogue, rejected = cleaned(write_bytes(tmp_path, packed[: len(packed) // 2]))
    assert [p.id for p in products] == [str(i) for i in range(len(products))]
    assert 500 < len(products) < 1500
    assert len(rejected) == 1
    assert "the compressed data ends early" in rejected[0]["reason"]
    assert catalogue.report.hints[0].startswith("the compressed data ends early")


def test_damaged_parquet(tmp_path: Path) -> None:
    data = (DATA / "livostyle.parquet").read_bytes()
    with pytest.raises(CatalogueError, match="footer is damaged or cut off"):
        clean(write_bytes(tmp_path, data[:-100]), CatalogueSettings())


def test_a_damaged_row_group_is_one_row_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "groups.parquet"
    table = pq.read_table(DATA / "livostyle.parquet")
    pq.write_table(table, path, row_group_size=10, compression="snappy")
    column = pq.ParquetFile(path).metadata.row_group(1).column(2)
    start = column.dictionary_page_offset or column.data_page_offset
    data = bytearray(path.read_bytes())
    data[start : start + 40] = bytes(40)
    products, _, rejected = cleaned(write_bytes(tmp_path, bytes(data)))
    assert [p.id for p in products] == [table["id"][i].as_py() for i in range(len(table)) if not 10 <= i < 20]
    assert [row["line"] for row in rejected] == [11]
    assert "rows 11 to 20 cannot be decoded" in rejected[0]["reason"]


def test_broken_json_lines(tmp_path: Path) -> None:
    text = '{"id": 1, "title": "One"}\n[1]\n{"id": 2, "tit\n\n{"id": 3, "title": "\\ud800 Three"}\n' + "[" * 100_000
    products, _, rejected = cleaned(write_bytes(tmp_path, text.encode()))
    assert [(p.id, p.title) for p in products] == [("1", "One"), ("3", "Three")]
    assert [row["line"] for row in rejected] == [2, 3, 6]


def test_json_arrays_stream(tmp_path: Path) -> None:
    items = [{"id": i, "title": f"Item {i} é", "note": "x" * 1000} for i in range(900)]
    text = json.dumps(items, indent=1, ensure_ascii=False)
    assert len(cleaned(write_bytes(tmp_path, text.encode()))[0]) == 900
    products, _, rejected = cleaned(write_bytes(tmp_path, text.encode()[:700_000]))
    assert 500 < len(products) < 900
    assert len(rejected) == 1


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"\n\n  \n", "is empty"),
        (b"PK\x03\x04aaaaaaaaaaaaa", "neither text nor Parquet"),
        (bytes(range(256)) * 20, "neither text nor Parquet"),
        (b"a,b\n1,2\n", "looks like a product title"),
        (b"id,title\n1,\n2,\n", "no valid product"),
        (b"id,title\n", "no row|looks like a product title|no valid product"),
        (b"PAR1aaaaaaaaaaaaaaPAR1", "footer is damaged"),
        (b"\x1f\x8b\x08\x00", "nothing can be read"),
        (b"{\n", "no row of"),
    ],
)
def test_nothing_usable_is_one_error(tmp_path: Path, data: bytes, reason: str) -> None:
    with pytest.raises(CatalogueError, match=reason) as caught:
        clean(write_bytes(tmp_path, data), CatalogueSettings())
    assert len(str(caught.value).splitlines()) <= 3


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="cannot read the catalogue"):
        clean(tmp_path / "none.csv", CatalogueSettings())
    with pytest.raises(CatalogueError, match="is a folder"):
        clean(tmp_path, CatalogueSettings())


# --- fuzz ---


def survives(data: bytes) -> None:
    """Either one deliberate error or a complete account of the rows."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_bytes(Path(folder), data)
        try:
            once = cleaned(path)[0]
        except AisleError:
            return
        with clean(path, CatalogueSettings()) as catalogue:
            files = catalogue.write(Path(folder) / "out", compress=False)
        assert cleaned(files["products"])[0] == once


@QUICK
@given(st.binary(max_size=300))
def test_random_bytes(data: bytes) -> None:
    survives(data)


@QUICK
@given(
    st.binary(max_size=200),
    st.sampled_from([b"id,title\n1,a\n", b'{"title": "x"}\n', b'[{"title": "x"},', b"title\tid\n"]),
)
def test_random_bytes_after_a_good_start(data: bytes, start: bytes) -> None:
    survives(start + data)


@QUICK
@given(st.sampled_from(SLICES), st.floats(0, 1), st.sampled_from(["plain", "gzip", "flip"]), st.integers(0, 255))
def test_truncated_and_damaged_slices(name: str, share: float, how: str, byte: int) -> None:
    data = (DATA / name).read_bytes()
    if how == "gzip":
        data = gzip.compress(data)
    at = int(share * (len(data) - 1))
    if how == "flip":
        survives(data[:at] + bytes([byte]) + data[at + 1 :])
    else:
        survives(data[:at])


_cell = st.one_of(
    st.text(max_size=12), st.integers(), st.floats(), st.booleans(), st.none(), st.lists(st.text(max_size=3),
    max_size=3),
    st.sampled_from(["<p>a</p>", "&amp;lt;b&amp;gt;", '10"', "Ã©", "1,299.00 €", "10 in", "in stock", "＜i＞x",
    "- -", "N/A", "&#60;"]),
    st.dictionaries(st.text(max_size=3), st.text(max_size=3) | st.floats(), max_size=2),
)  # fmt: skip
_names = st.sampled_from(
    ["id", "title", "description", "brand", "price", "currency", "category", "rating", "stock", "available",
    "offers", "tags",
     "images", "family", "attributes", "ean", "attr_n_x", "attr_t_x", "schema", "色"]
)  # fmt: skip


@QUICK
@given(st.lists(st.dictionaries(_names, _cell, max_size=8), min_size=1, max_size=8))
def test_random_json_rows(rows: list[dict[str, Any]]) -> None:
    survives("\n".join(json.dumps(row) for row in rows).encode())


@QUICK
@given(st.lists(st.lists(st.text(max_size=8), min_size=2, max_size=4), max_size=6), st.sampled_from(",;\t|"))
def test_random_delimited_rows(rows: list[list[str]], delimiter: str) -> None:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows([["id", "title", "x"], *rows])
    survives(out.getvalue().encode("utf-8", "surrogatepass"))
