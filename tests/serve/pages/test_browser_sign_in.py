"""Signing in with a real browser where there are keys: what leads there, what is refused, what a key may see."""

import pytest

from tests.serve.pages.conftest import TABLES, browsing, serving

KEYS = (("anna", ["search", "judge"]), ("shopper", ["search"]), ("boss", ["admin"]))


@pytest.fixture(scope="module")
def guarded(built, encoder, tmp_path_factory):
    with serving(built, encoder, tmp_path_factory.mktemp("guarded"), TABLES, KEYS) as (address, _, keys):
        yield address, keys


@pytest.fixture
def browse(chromium, guarded):
    with browsing(chromium, guarded[0], refusals=(401, 403)) as open_page:
        yield open_page


def sign_in(page, key):
    page.get_by_label("Key").fill(key)
    page.get_by_role("button", name="Sign in").click()


def navigation(page):
    return page.get_by_role("navigation", name="Pages", exact=True).get_by_role("link").all_inner_texts()


@pytest.mark.parametrize("path", ["/", "/compare", "/judge?queries=printer", "/dashboard", "/rules", "/why?id=1"])
def test_a_page_without_a_key_leads_to_signing_in(browse, path):
    page = browse(path)
    assert "/sign-in?next=" in page.url
    assert page.get_by_role("heading", level=1).inner_text() == "Sign in"
    assert page.locator(".tile, .pair, table, textarea").count() == 0


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_form_of_the_key_is_no_wider_than_a_phone(browse, language):
    page = browse(f"/sign-in?lang={language}", viewport={"width": 360, "height": 780}, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    field = page.locator("input[name=key]").bounding_box()
    assert field["x"] + field["width"] <= 360
    assert field["width"] > 250


def test_a_wrong_key_is_refused_and_a_right_one_goes_on(browse, guarded):
    page = browse("/judge?queries=printer")
    sign_in(page, "aisle_wrong")
    page.get_by_role("alert").wait_for()
    assert page.get_by_role("alert").inner_text() == "This key is not known, revoked or too old."
    field = page.get_by_label("Key")
    assert (field.get_attribute("type"), field.get_attribute("aria-invalid")) == ("password", "true")
    assert field.input_value() == ""
    sign_in(page, guarded[1]["anna"])
    page.wait_for_url("**/judge?queries=printer")
    pair = page.locator(".pair").get_attribute("data-id")
    assert guarded[1]["anna"] not in page.content()
    assert page.evaluate("document.cookie").find("session") < 0  # no script can read it
    page.keyboard.press("3")
    page.wait_for_function("old => document.querySelector('.pair').dataset.id !== old", arg=pair)
    assert "1 judged by you" in page.locator("#progress").inner_text()


@pytest.mark.parametrize(
    ("name", "places", "closed"),
    [
        ("shopper", ["Search"], ["/compare", "/judge", "/dashboard", "/rules"]),
        ("anna", ["Search", "Compare", "Judge"], ["/dashboard", "/rules"]),
        ("boss", ["Search", "Compare", "Judge", "Dashboard", "Rules"], []),
    ],
)
def test_a_key_sees_its_pages_and_is_told_of_the_others(browse, guarded, name, places, closed):
    page = browse("/")
    sign_in(page, guarded[1][name])
    page.wait_for_selector(".tile")
    assert navigation(page) == places
    for path in closed:
        page.goto(path)
        assert page.get_by_role("heading", level=1).inner_text() == "This did not work"
        assert "Your key does not open this page." in page.get_by_role("alert").inner_text()
        assert page.locator("table, textarea, .pair, .setup").count() == 0
        assert navigation(page) == places  # the way on, and no more than before
        assert page.get_by_role("button", name=f"Sign out ({name})").is_visible()
    if closed:
        page.get_by_role("link", name="Sign in with another key").click()
        sign_in(page, guarded[1]["boss"])
        page.wait_for_url(f"**{closed[-1]}")
        assert page.get_by_role("button", name="Sign out (boss)").is_visible()
        assert page.locator("h1").inner_text() == "Rules"


def test_signing_out_ends_it(browse, guarded):
    page = browse("/dashboard", locale="zh-CN")
    page.get_by_label("密钥").fill(guarded[1]["boss"])
    page.get_by_role("button", name="登录").click()
    page.wait_for_url("**/dashboard")
    page.get_by_role("button", name="退出（boss）").or_(page.get_by_role("button", name="退出 (boss)")).click()
    page.wait_for_url("**/sign-in")
    assert page.get_by_role("heading", level=1).inner_text() == "登录"
    page.goto("/dashboard")
    assert "/sign-in?next=%2Fdashboard" in page.url
    page.goto("/sign-in?next=https://evil.example/")  # nobody is sent to another host
    page.get_by_label("密钥").fill(guarded[1]["shopper"])
    page.get_by_role("button", name="登录").click()
    page.wait_for_selector(".tile")
    assert page.url == f"{guarded[0]}/"
