"""The search page in a real browser: prices, pages of results, reasons over the tiles, and all of it in Chinese."""

import re

import httpx
import pytest

from tests.serve.pages.conftest import settled, tile_ids

CHINESE = re.compile("[\u4e00-\u9fff]")
SAME = re.compile(r"\d*|p50|p95|nDCG@10|Kappa|A|B", re.ASCII)
"""What is written alike in both languages, beside what holds a Chinese character."""


def asked(served, **parameters):
    answer = httpx.get(f"{served[0]}/v1/search", params={"k": 24, **parameters}, timeout=60)
    assert answer.status_code == 200, answer.text
    said = answer.json()
    return [hit["product"]["id"] for hit in said["hits"]], said["total"]


def prices(page):
    return [float(one.split()[0].replace(",", "")) for one in page.locator(".tile .price").all_text_contents()]


def test_a_price_range_narrows_and_is_given_up_again(browse, served):
    page = browse("/?q=cable")
    before = page.locator("#count").text_content()
    page.get_by_label("from").fill("5")
    page.get_by_label("from").press("Tab")
    page.wait_for_url("**min=5**")
    page.get_by_label("to", exact=True).fill("20")
    page.get_by_label("to", exact=True).press("Enter")
    page.wait_for_url("**max=20**")
    settled(page)
    ids, total = asked(served, q="cable", filter="price >= 5 AND price <= 20")
    assert 0 < total < int(before.split()[0])
    assert tile_ids(page) == ids
    assert page.locator("#count").text_content().startswith(f"{total} product")
    assert all(5 <= price <= 20 for price in prices(page))
    page.get_by_label("to", exact=True).fill("cheap")
    page.get_by_label("to", exact=True).press("Enter")
    page.locator("#wrong-price").wait_for()
    assert page.locator("#wrong-price").text_content() == "This is no price: cheap"
    field = page.get_by_label("to", exact=True)
    assert (field.get_attribute("aria-invalid"), field.input_value()) == ("true", "cheap")
    page.locator(".filters a", has_text="Clear all filters").click()
    page.wait_for_function("old => document.getElementById('count').textContent === old", arg=before)
    assert page.get_by_label("from").input_value() == ""


def test_the_next_page_and_back(browse, served):
    page = browse("/?q=printer")
    page.evaluate("window.same = true")
    first = tile_ids(page)
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.get_by_role("link", name="Next").click()
    page.wait_for_url("**page=2**")
    settled(page)
    assert tile_ids(page) == asked(served, q="printer", offset=24)[0]
    assert not set(tile_ids(page)) & set(first)
    page.wait_for_function("() => scrollY === 0 && document.activeElement.id === 'main'")
    assert page.locator(".paging [aria-current=page]").text_content().strip() == "2"
    assert page.locator("ol.tiles").get_attribute("start") == "25"
    page.go_back()
    page.wait_for_function("id => document.querySelector('.tile').dataset.id === id", arg=first[0])
    assert tile_ids(page) == first
    assert page.evaluate("window.same")  # none of it has loaded the page again
    assert page.get_by_role("link", name="Previous").count() == 0


def test_reasons_lie_over_the_tiles_and_one_at_a_time(browse):
    page = browse("/?q=printer", viewport={"width": 1280, "height": 900})
    places = page.locator(".tile").evaluate_all("tiles => tiles.map(tile => tile.getBoundingClientRect().y)")
    for number in (1, 2):
        page.locator(".why summary").nth(number).click()
        page.locator(".why").nth(number).locator("table").wait_for()
        reasons = page.locator(".why").nth(number).locator(".reasons").bounding_box()
        tiles = page.locator(".tiles").bounding_box()
        assert (reasons["x"], reasons["width"]) == (tiles["x"], tiles["width"])
        assert page.locator(".why[open]").count() == 1
    after = page.locator(".tile").evaluate_all("tiles => tiles.map(tile => tile.getBoundingClientRect().y)")
    assert after == places
    page.keyboard.press("Escape")
    page.wait_for_function("() => !document.querySelector('.why[open]')")
    assert page.evaluate("document.activeElement.matches('.why summary')")


def test_a_browser_that_would_rather_have_chinese_gets_it(browse, served):
    page = browse("/", locale="zh-CN")
    assert page.locator("html").get_attribute("lang") == "zh-Hans"
    page.get_by_placeholder("想找什么").fill("手机")
    page.get_by_role("button", name="搜索").click()
    page.wait_for_url("**q=%E6%89%8B%E6%9C%BA**")
    settled(page)
    ids, total = asked(served, q="手机")
    assert tile_ids(page) == ids != []
    assert page.locator("#count").text_content() == f"“手机”：{total} 件商品"
    assert page.locator("#status").text_content() == f"“手机”：{total} 件商品"
    page.locator(".why summary").first.click()
    page.locator(".why table").first.wait_for()
    assert "得分构成" in page.locator(".why").first.inner_text()


def test_the_language_is_chosen_and_remembered(browse):
    page = browse("/?q=printer&f.brand=HP")
    assert page.locator("html").get_attribute("lang") == "en"
    page.get_by_role("link", name="中文").click()
    page.wait_for_selector("html[lang=zh-Hans]")
    assert "f.brand=HP" in page.url
    assert "printer" in page.locator("#count").text_content()
    page.get_by_role("link", name="对比").click()
    page.wait_for_url("**/compare")
    assert page.locator("html").get_attribute("lang") == "zh-Hans"
    page.get_by_role("link", name="English").click()
    page.wait_for_selector("html[lang=en]")


@pytest.mark.parametrize(
    "path",
    ["/?q=printer", "/compare?q=printer", "/judge?judge=a&queries=printer", "/dashboard", "/rules", "/sign-in"],
)
def test_everything_that_is_not_of_the_catalogue_is_chinese(browse, path):
    page = browse(path, locale="zh-CN")
    told = page.locator(
        "h1, button, nav a, thead th, option, .cards dt, main > div > h2, section > h2"
    ).all_text_contents()
    texts = {" ".join(text.split()) for text in told}
    assert len(texts) > 5
    assert {text for text in texts if not CHINESE.search(text) and not SAME.fullmatch(text)} == set()
    assert CHINESE.search(page.title()) or path.startswith("/?")
