"""The page in a real browser against a real server: keyboard, scripts, policy, widths and colours."""

import re

import pytest


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
