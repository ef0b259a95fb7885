"""The search page against the engine's own answers, and hostile products against a browser's view of HTML."""

from urllib.parse import parse_qsl, quote, urlsplit

import pytest

from aisle.filters import parse_filter
from aisle.types import SearchRequest
from tests.serve.pages.conftest import EVIL, HOSTILE, Page

PLACES = ("/", "/?q=bag", "/compare?q=bag", "/judge?judge=anna&queries=zzyzx", "/dashboard", "/rules", "/sign-in")


def page(client, address, status=200, **headers):
    answer = client.get(address, headers=headers)
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["content-type"].startswith("text/html")
    return Page(answer.text)


def ids(found):
    return [given["data-id"] for given, _ in found.all("li", class_="tile")]


def test_the_tiles_are_what_the_engine_ranks(visitor):
    engine = visitor.app.state.parts.engine
    found = page(visitor, "/?q=notebook+bag")
    ranking = engine.search(SearchRequest("notebook bag", k=24))
    assert ids(found) == [hit.product_id for hit in ranking.hits]
    assert found.one("h2", id="count")[1] == f"{ranking.total:,} products for “notebook bag”"
    assert found.one("input", id="q")[0]["value"] == "notebook bag"


def test_second_page_goes_on_where_the_first_ended(visitor):
    ranking = visitor.app.state.parts.engine.search(SearchRequest("notebook bag", k=48))
    first, second = page(visitor, "/?q=notebook+bag"), page(visitor, "/?q=notebook+bag&page=2")
    assert ids(first) + ids(second) == [hit.product_id for hit in ranking.hits]
    assert first.one("a", rel="next")[0]["href"] == "/?q=notebook+bag&page=2"
    assert second.one("a", rel="prev")[0]["href"] == "/?q=notebook+bag"
    assert second.one("ol", class_="tiles")[0]["start"] == "25"


def test_filters_narrow_and_facets_keep_their_other_values(visitor):
    engine = visitor.app.state.parts.engine
    found = page(visitor, "/?q=printer&f.brand=HP&f.brand=Epson&max=100")
    asked = SearchRequest("printer", parse_filter("brand IN (HP, Epson) AND price <= 100"), k=24)
    assert ids(found) == [hit.product_id for hit in engine.search(asked).hits]
    whole = engine.facets(asked, ["brand"]).fields["brand"]
    boxes = {given["value"]: given for given, _ in found.all("input", type="checkbox", name="f.brand")}
    assert {value for value, given in boxes.items() if "checked" in given} == {"HP", "Epson"}
    assert len(boxes) > 2
    assert set(boxes) == {one.value for one in whole}
    chosen = {
        text.split()[0] for given, text in found.all("a", class_="swap") if "aria-label" in given and text[-1] == "✕"
    }
    assert chosen == {"HP", "Epson"}


def test_giving_up_a_value_leaves_the_others(visitor):
    found = page(visitor, "/?q=printer&f.brand=HP&f.brand=Epson&sort=price&max=100")
    (link,) = [given["href"] for given, _ in found.all("a") if given.get("aria-label") == "Remove HP"]
    assert parse_qsl(urlsplit(link).query) == [
        ("q", "printer"),
        ("sort", "price"),
        ("max", "100"),
        ("f.brand", "Epson"),
    ]


def test_order_by_price(visitor, rows):
    found = ids(page(visitor, "/?q=printer&sort=price&min=1"))
    prices = [rows[one].price for one in found]
    assert len(prices) > 3
    assert prices == sorted(prices)


def test_a_price_that_is_none_is_told(visitor):
    found = page(visitor, "/?q=printer&max=cheap")
    assert found.one("p", id="wrong-price")[1] == "This is no price: cheap"
    assert found.one("input", name="max")[0]["aria-invalid"] == "true"


def test_nothing_found_says_what_to_do(visitor):
    found = page(visitor, "/?q=printer&min=99999999")
    assert not ids(found)
    assert found.one("h3")[1] == "Nothing found"
    links = {text: given["href"] for given, text in found.all("a", class_="swap")}
    assert links["Clear all filters"] == "/?q=printer"


def test_a_spelling_is_told(visitor):
    found = page(visitor, "/?q=printr&mode=bm25")
    assert any("“printr” searched for as" in text for _, text in found.all("li"))


def test_a_products_page_shows_what_is_like_it(visitor):
    id = visitor.get("/v1/search", params={"q": "notebook", "k": 1}).json()["hits"][0]["product"]["id"]
    near = visitor.get(f"/v1/products/{id}/similar", params={"k": 6}).json()["similar"]
    found = page(visitor, f"/product/{quote(id)}?lang=zh")
    links = [given["href"] for given, _ in found.all("a") if given["href"].startswith("/product/")]
    links = [link for link in links if "?" not in link]  # but for the other language of this page
    assert links == [f"/product/{quote(one['product']['id'])}" for one in near]
    assert [text for _, text in found.all("h2", id="similar")] == ["相似商品"]
    assert len(near) == 6


def test_a_stage_that_is_left_out_is_told(visitor):
    parts = visitor.app.state.parts
    before = parts.settings
    try:
        parts.settings = before.changed({"deadline_ms": 0.001})
        found = page(visitor, "/?q=notebook")
    finally:
        parts.settings = before
    assert [text for _, text in found.all("li", class_="warn") if text.startswith("dense: the deadline")]


def test_the_part_for_our_script_is_the_middle_of_the_page(visitor):
    whole, part = visitor.get("/?q=bag").text, visitor.get("/?q=bag", headers={"X-Aisle-Part": "1"}).text
    assert "<html" not in part
    cut = whole[whole.index('<aside aria-label="Filters">') : whole.index("</section>")]
    without_time = [line for line in cut.splitlines() if "ms</span>" not in line]
    assert without_time == [line for line in part[: part.index("</section>")].splitlines() if "ms</span>" not in line]


@pytest.mark.parametrize(
    "address", [*PLACES, "/?q=zzyzx", f"/product/{quote(EVIL)}", f"/why?q=zzyzx&id={quote(EVIL, '')}"]
)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_nothing_of_the_catalogue_becomes_code(visitor, address, language):
    answer = visitor.get(address, headers={"accept-language": language})
    assert answer.status_code == 200
    found = Page(answer.text)
    for name, given, text, _ in found.elements:
        assert name not in ("style", "iframe", "object", "embed", "base"), name
        assert not [key for key in given if key.startswith("on") or key == "style"], given
        if name == "script":
            assert given["src"].startswith("/static/page.js?v=")
            assert not text
        for key in ("href", "src", "action"):
            address_of = given.get(key, "/")
            assert address_of.startswith(("/", "#", "http://", "https://")), address_of
            assert not address_of.startswith("//")
            if key in given and (key == "src" or name == "link"):
                assert address_of.startswith("/static/")
    shown = [text for given, text in found.all("p", class_="excerpt") if "zzyzx" in text]
    assert all("{{ 7 * 7 }}" in text for text in shown)
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "style-src 'self';" in policy
    assert "unsafe" not in policy


def test_a_hostile_title_is_shown_as_it_is(visitor):
    found = page(visitor, "/?q=zzyzx&mode=bm25")
    assert ids(found)[0] == EVIL
    link, text = found.all("a", href=f"/product/{quote(EVIL)}")[0]
    assert text == HOSTILE["title"]
    assert page(visitor, link["href"]).one("h1")[1] == HOSTILE["title"]
    assert "3.50 EUR" in found.all("li", class_="tile")[0][1]


def test_a_hostile_query_stays_text(visitor):
    given = '"><script>alert(1)</script>'
    answer = visitor.get("/", params={"q": given, "f.brand": given, "min": given, "sort": given, "mode": given})
    assert answer.status_code == 200
    assert "<script>alert" not in answer.text
    assert Page(answer.text).one("input", id="q")[0]["value"] == given


def test_why_tells_the_contributions_of_the_score(visitor):
    engine = visitor.app.state.parts.engine
    hit = engine.search(SearchRequest("notebook bag", k=3)).hits[2]
    answer = visitor.get(f"/why?q=notebook+bag&id={quote(hit.product_id)}", headers={"X-Aisle-Part": "1"})
    found = Page(answer.text)
    rows = [text for _, text in found.all("tr")]
    assert f"{hit.score:.4f}" in rows[-1] or f"{hit.score:.3f}" in rows[-1]
    assert len(rows) == len(hit.parts) + 2
    assert len(found.all("svg")) == len(hit.parts)


def test_why_of_a_product_that_is_not_there(visitor):
    assert page(visitor, "/why?q=bag&id=nobody", 404).one("h1")[1] == "This did not work"


def test_languages(visitor):
    chinese = page(visitor, "/?q=printer", **{"accept-language": "zh-CN,zh;q=0.9,en;q=0.8"})
    assert chinese.one("html")[0]["lang"] == "zh-Hans"
    assert "搜索" in [text for _, text in chinese.all("button")]
    answer = visitor.get("/?q=printer&lang=zh")
    assert "aisle-language=zh" in answer.headers["set-cookie"]
    assert page(visitor, "/?q=printer").one("html")[0]["lang"] == "zh-Hans"  # remembered
    assert page(visitor, "/?q=printer&lang=en").one("html")[0]["lang"] == "en"
    other = page(visitor, "/?q=a%26b&lang=en")
    assert [given["href"] for given, text in other.all("a") if text == "中文"] == ["/?q=a%26b&lang=zh"]


@pytest.mark.parametrize("address", PLACES)
def test_every_field_has_a_label_and_every_page_its_landmarks(visitor, address):
    found = page(visitor, address)
    labels = {given["for"] for given, _ in found.all("label") if "for" in given}
    for name, given, _, around in found.elements:
        if name in ("input", "select", "textarea") and given.get("type") != "hidden":
            assert given.get("id") in labels or "label" in around, given
    for landmark in ("header", "nav", "main"):
        assert found.all(landmark)
    assert len(found.all("h1")) == 1
    assert found.one("p", id="status")[0]["aria-live"] == "polite"


def test_files_are_found_by_their_content_and_nothing_else_is(visitor):
    found = page(visitor, "/")
    address = found.one("script")[0]["src"]
    answer = visitor.get(address)
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "immutable" in answer.headers["cache-control"]
    assert answer.text.startswith("// Makes the page quicker")
    for other in ("settings.py", "..%2Fsettings.py", "%2e%2e%2fpage.py"):
        assert visitor.get(f"/static/{other}").status_code == 404


def test_facets_of_the_catalogue_alone(visitor, rows):
    names = {given["name"] for given, _ in page(visitor, "/").all("input", type="checkbox")}
    assert "f.brand" in names
    assert "f.attributes.product_colour" in names
    assert "f.attributes.nobody_has_it" not in names
    colours = [
        one.attributes["product_colour"] for one in rows.values() if one.attributes.get("product_colour") == "Black"
    ]
    found = page(visitor, "/")
    black = [text for given, text in found.all("label") if text.startswith("Black ")]
    assert black == [f"Black {len(colours)}"]
