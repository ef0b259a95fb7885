"""The page in a real browser against a real server: keyboard, scripts, policy, widths and colours."""

import re
import shutil
import threading
import time
from pathlib import Path

import pytest
import uvicorn

from aisle.engine import SearchEngine
from aisle.serve.app import Outside, create_app
from aisle.serve.security import Security, SecuritySettings
from aisle.serve.settings import Settings
from tests.serve.pages.conftest import TABLES

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
WAIT_MS = 60_000
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no Chromium at {CHROMIUM}")


@pytest.fixture(scope="module")
def served(built, encoder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser") / "shop"
    shutil.copytree(built, folder)
    state = tmp_path_factory.mktemp("state")
    security = Security(state, SecuritySettings())
    with SearchEngine.open(folder, encoder=encoder) as engine:
        app = create_app(engine, Settings(state=str(state)), Outside(security=security, tables=TABLES))
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started or app.state.parts.suggestions is None:
            time.sleep(0.02)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", app
        server.should_exit = True
        thread.join()
    security.close()


@pytest.fixture(scope="module")
def chromium():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def browse(chromium, served):
    """Opens a page; at the end nothing may have gone wrong in it, nor been asked of another host."""
    contexts, wrong = [], []

    def open_page(path, **options):
        context = chromium.new_context(base_url=served[0], locale="en-GB", **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: None if request.url.startswith(served[0]) else wrong.append(request.url))
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def test_suggestions_by_keyboard(browse):
    page = browse("/")
    page.keyboard.press("/")
    box = page.locator("#q")
    assert box.evaluate("one => one === document.activeElement")
    page.keyboard.type("note")
    page.wait_for_selector("#options li")
    assert box.get_attribute("aria-expanded") == "true"
    page.keyboard.press("ArrowDown")
    chosen = page.locator("#options li[aria-selected=true]")
    assert chosen.get_attribute("id") == box.get_attribute("aria-activedescendant") == "option-0"
    text = chosen.get_attribute("data-text")
    assert box.input_value() == text
    page.keyboard.press("ArrowUp")
    assert box.input_value() == "note"  # what was typed comes back
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.getElementById('count').textContent.includes('“')")
    assert text in page.locator("#count").text_content()
    assert page.locator("#options").is_hidden()
    assert "q=" in page.url
    assert text in page.locator("#status").text_content()  # read aloud


def test_a_facet_narrows_without_loading_the_page_again(browse):
    page = browse("/?q=printer")
    page.evaluate("window.same = true")
    before = page.locator("#count").text_content()
    box = page.locator("input[name='f.brand']").first
    value = box.get_attribute("value")
    box.focus()
    page.keyboard.press("Space")
    page.wait_for_function("old => document.getElementById('count').textContent !== old", arg=before)
    assert f"f.brand={value}" in page.url
    assert page.evaluate("window.same && document.activeElement.value") == value  # the focus stays where it was
    assert {one.strip() for one in page.locator(".maker").all_text_contents()} == {value}
    page.locator("select[name=sort]").select_option("price:desc")
    page.wait_for_url(re.compile("sort=price"))
    page.wait_for_function("() => !document.querySelector('#results[aria-busy]')")
    prices = [float(one.split()[0].replace(",", "")) for one in page.locator(".price").all_text_contents()]
    assert prices == sorted(prices, reverse=True)
    page.go_back()
    page.wait_for_function("() => location.search.indexOf('sort') < 0 && document.querySelector('.tile')")


def test_why_is_fetched_when_it_is_opened(browse):
    page = browse("/?q=notebook+bag")
    why = page.locator(".why").nth(1)
    assert why.locator("table").count() == 0
    why.locator("summary").focus()
    page.keyboard.press("Enter")
    why.locator("table").wait_for()
    assert "What made the score" in why.inner_text()


def test_without_scripts_everything_is_there(browse):
    page = browse("/", java_script_enabled=False)
    page.fill("#q", "printer")
    page.locator("#search button").click()
    page.wait_for_selector("#count >> text=printer")
    page.locator("input[name='f.brand']").first.check()
    page.locator(".filters .apply").click()
    page.wait_for_selector(".chosen a")
    page.locator(".why summary").first.click()
    page.locator(".why a").first.click()
    page.wait_for_selector("table >> text=Added")


def test_judging_by_keys(browse, served):
    page = browse("/judge?judge=eva&queries=printer")
    path = served[1].state.parts.judgments
    pair = page.locator(".pair")
    first = pair.get_attribute("data-id")
    page.evaluate("window.same = true")
    page.keyboard.press("2")
    page.wait_for_function("old => document.querySelector('.pair').dataset.id !== old", arg=first)
    assert [(one.product_id, one.grade) for one in path.read() if one.judge == "eva"] == [(first, 2.0)]
    assert "Product 2 of" in page.locator("#progress").text_content()
    page.keyboard.press("u")
    page.wait_for_function("old => document.querySelector('.pair').dataset.id === old", arg=first)
    assert [one for one in path.read() if one.judge == "eva"] == []
    page.keyboard.press("0")
    page.wait_for_function("old => document.querySelector('.pair').dataset.id !== old", arg=first)
    assert [(one.product_id, one.grade) for one in path.read() if one.judge == "eva"] == [(first, 0.0)]
    assert page.evaluate("window.same")


def test_dark_colours_and_their_contrast(browse):
    for scheme, dark in (("light", False), ("dark", True)):
        page = browse("/?q=printer", color_scheme=scheme)
        back = colour(page, "body", "backgroundColor")
        assert (luminance(back) < 0.2) is dark
        for place in (".soft", ".tile h3", ".why summary", ".price", ".top nav a:not([aria-current])"):
            assert contrast(colour(page, place, "color"), back) >= 4.5, (scheme, place)


@pytest.mark.parametrize(
    "path", ["/?q=printer", "/compare?q=printer", "/judge?judge=a&queries=printer", "/dashboard", "/rules"]
)
def test_nothing_is_wider_than_a_phone(browse, path):
    page = browse(path, viewport={"width": 360, "height": 780}, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    if path.startswith("/?"):
        assert page.locator(".filters").get_attribute("open") is None  # results first
        assert page.locator(".tile").first.bounding_box()["y"] < 780


def test_the_first_stop_of_the_keyboard_leads_past_the_navigation(browse):
    page = browse("/?q=printer")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.activeElement.id === 'main'")


def colour(page, selector, name):
    found = page.locator(selector).first.evaluate("(one, name) => getComputedStyle(one)[name]", name)
    return [float(part) for part in re.findall(r"[\d.]+", found)[:3]]


def luminance(rgb):
    parts = [part / 255 for part in rgb]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first, second):
    """As WCAG 2 defines it."""
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)
