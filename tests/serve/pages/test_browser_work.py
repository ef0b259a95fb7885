"""What a merchandiser does in a real browser: compare two set-ups, read the dashboard, write rules."""

import math
import re

import httpx
import pytest

from tests.serve.pages.conftest import TABLES, browsing, serving, settled, tile_ids


@pytest.fixture(scope="module")
def shop(built, encoder, tmp_path_factory):
    """A shop of these tests alone, so that its dashboard counts nothing else."""
    with serving(built, encoder, tmp_path_factory.mktemp("work"), TABLES) as (address, app, _):
        quality = app.state.quality
        quality.answers.every_s = quality.acts.every_s = 0.0
        with httpx.Client(base_url=address, timeout=60) as api:
            yield api


@pytest.fixture
def browse(chromium, shop):
    with browsing(chromium, str(shop.base_url), refusals=(412, 422)) as open_page:
        yield open_page


def ids_of(api, query, mode, k=10):
    answer = api.get("/v1/search", params={"q": query, "mode": mode, "k": k})
    return [hit["product"]["id"] for hit in answer.json()["hits"]]


def judge(api, query, grades):
    body = [{"query": query, "product_id": one, "grade": grade, "judge": "eva"} for one, grade in grades.items()]
    assert api.post("/v1/judgments", json={"judgments": body}).status_code == 201


def ndcg(ids, grades):
    """By hand: 2^grade - 1, discounted by the logarithm of the place; over that of the best order."""

    def discounted(values):
        return sum((2**grade - 1) / math.log2(place + 2) for place, grade in enumerate(values[:10]))

    return discounted([grades.get(one, 0) for one in ids]) / discounted(sorted(grades.values(), reverse=True))


def rows(page, table):
    return [one.split("\t") for one in page.locator(f"{table} tbody tr").all_inner_texts()]


def cards(page):
    labels, values = page.locator("dl.cards dt").all_inner_texts(), page.locator("dl.cards dd").all_inner_texts()
    return dict(zip(labels, values, strict=True))


def test_the_dashboard_counts_real_searches(browse, shop):
    """First in this file: the numbers are those of a service that has answered nothing before."""
    page = browse("/")
    for query in ("printer", "usb cable", "write to jo.lee@example.org"):
        page.fill("#q", query)
        page.keyboard.press("Enter")
        page.wait_for_function("text => document.getElementById('count').textContent.includes(text)", arg=query)
        settled(page)
    page.goto("/?q=toner&min=99999999")
    assert page.locator("h3").first.inner_text() == "Nothing found"
    grades = dict(zip(ids_of(shop, "memory card", "hybrid", 3), (1, 3, 0), strict=True))  # a sixth search
    judge(shop, "memory card", grades)
    shown = [
        {"type": "impression", "query": "hub", "request_id": f"r{n}", "items": [{"id": "p1"}, {"id": "p2"}]}
        for n in range(4)
    ]
    click = {"type": "click", "request_id": "r1", "items": [{"id": "p1"}]}
    assert shop.post("/v1/events", json={"events": [*shown, click]}).status_code == 202

    page.goto("/dashboard")
    found = cards(page)
    assert found["Searches"] == "6"  # the catalogue, three queries, nothing found, and one over the API
    assert found["Found nothing"] == "16.7 %"
    assert found["Something left out"] == found["Products cut off"] == "0.0 %"
    assert found["Pages with a click"] == "25.0 %"
    assert found["nDCG@10"] == f"{ndcg(list(grades), grades):.3f}"
    assert found["Products"] == str(shop.get("/v1/search", params={"q": ""}).json()["total"])
    recent = rows(page, "#recent")
    assert [row[0] for row in recent] == [
        "memory card", "toner", "write to <email>", "usb cable", "printer", "–",
    ]  # fmt: skip
    total = shop.get("/v1/search", params={"q": "printer"}).json()["total"]
    assert [row[3] for row in recent if row[0] in ("printer", "toner")] == ["0", str(total)]
    minutes = rows(page, "#minutes")
    assert (sum(int(row[1]) for row in minutes), sum(int(row[2]) for row in minutes)) == (6, 1)
    assert {row[1] for row in rows(page, "#parts")} == {"ok"}
    assert page.locator(".chart rect.all:not([height='0.0'])").count() == len(minutes)
    page.goto("/dashboard?lang=zh")
    assert cards(page)["搜索"] == "8"  # two more were asked above
    assert {row[1] for row in rows(page, "#parts")} == {"正常"}


def test_two_set_ups_side_by_side(browse, shop):
    asked = ("notebook bag", "keyboard", "laser toner")
    expected = {}
    for query in asked:
        sides = [ids_of(shop, query, mode) for mode in ("hybrid", "bm25")]
        grades = {one: (3, 0, 2, 1)[place % 4] for place, one in enumerate(dict.fromkeys(sides[0][:4] + sides[1][:4]))}
        judge(shop, query, grades)
        expected[query] = [ndcg(ids, grades) for ids in sides]
    sides = [ids_of(shop, asked[0], mode, 50) for mode in ("hybrid", "bm25")]

    page = browse("/compare")
    page.get_by_role("searchbox", name="Query").fill(asked[0])
    page.get_by_role("group", name="Set-up B").get_by_label("Search by").select_option("words")
    page.get_by_role("button", name="Compare").click()
    page.wait_for_selector("ol.moved")
    for name, own, other, number in zip("ab", sides, sides[::-1], (0, 1), strict=True):
        side = page.locator(f"section[aria-labelledby=side-{name}]")
        links = side.locator("li a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
        assert links == [f"/product/{one}" for one in own[:10]]
        moves = [" ".join(one.split()) for one in side.locator(".move").all_inner_texts()]
        for place, (one, move) in enumerate(zip(own[:10], moves, strict=True)):
            by = other.index(one) - place if one in other else None
            sign = "◆" if by is None else "=" if by == 0 else f"▲{by}" if by > 0 else f"▼{-by}"
            assert move.startswith(sign), (one, move)
        assert side.locator(".ndcg").inner_text() == f"{expected[asked[0]][number]:.3f}"
    boxes = [page.locator(f"section[aria-labelledby=side-{name}]").bounding_box() for name in "ab"]
    assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]  # beside each other
    assert boxes[0]["y"] == boxes[1]["y"]

    page.get_by_role("button", name="Measure on the judged queries").click()
    page.wait_for_selector("table.measured")
    assert page.get_by_role("searchbox", name="Query").input_value() == asked[0]
    measured = {row[0]: row[1:] for row in rows(page, "table.measured")}
    for query, (first, second) in expected.items():
        assert measured[query] == [f"{first:.3f}", f"{second:.3f}", f"{second - first:+.3f}"]
    gains = [float(row[2]) for row in measured.values()]
    assert [abs(gain) for gain in gains] == sorted(map(abs, gains), reverse=True)
    mean = page.locator("table.measured tfoot").inner_text().split("\t")
    assert float(mean[3]) == pytest.approx(sum(gains) / len(gains), abs=0.001)
    better = sum(gain > 0 for gain in gains), sum(gain < 0 for gain in gains)
    assert page.get_by_text(f"B is better in {better[0]}, A in {better[1]} of {len(gains)} queries.").is_visible()
    page.locator("table.measured").get_by_role("link", name=asked[1]).click()
    page.wait_for_function("query => document.querySelector('[name=q]').value === query", arg=asked[1])
    assert page.locator(".ndcg").all_inner_texts() == [f"{one:.3f}" for one in expected[asked[1]]]


@pytest.fixture
def without_rules(shop):
    yield shop
    assert shop.put("/v1/rules", content="", headers={"content-type": "application/toml"}).status_code == 200


def test_a_rule_is_written_in_the_page_and_obeyed(browse, without_rules):
    last = ids_of(without_rules, "printer", "hybrid", 30)[-1]
    page = browse("/rules")
    assert page.locator("#outcome").inner_text() == "No rules are in force yet."
    box = page.get_by_label("Rules in TOML")
    rule = f'[[rule]]\nname = "first, 第一"\nwhen = {{ query = ["printer"] }}\npin = ["{last}"]\n'

    for broken, fault in (
        (rule.replace('"]\n', '"\n'), "not valid TOML"),
        (rule.replace("pin", "pinn"), "pinn"),
        (rule + 'filter = "price <"\n', "price <"),
    ):
        box.fill(broken)
        page.get_by_role("button", name="Put in force").click()
        page.locator("#problem").wait_for()
        assert page.locator("#outcome").inner_text() == "These rules cannot be read."
        assert fault in page.locator("#problem").inner_text()
        assert box.input_value() == broken  # nothing typed is lost
        assert box.get_attribute("aria-invalid") == "true"
    box.fill(rule.replace(last, "nobody"))
    page.get_by_role("button", name="Check").click()
    page.locator("#findings").wait_for()
    assert rows(page, "#findings")[0][0] == "first, 第一"
    assert box.input_value() == rule.replace(last, "nobody")
    assert ids_of(without_rules, "printer", "hybrid", 1) != [last]

    box.fill(rule)
    page.get_by_role("button", name="Check").click()
    page.get_by_text("Checked; nothing is changed.").wait_for()
    assert ids_of(without_rules, "printer", "hybrid", 1) != [last]
    page.get_by_role("button", name="Put in force").click()
    page.get_by_text("In force now").wait_for()
    page.goto("/?q=printer")
    assert tile_ids(page)[0] == last
    page.locator(".why summary").first.click()
    page.locator(".why table").first.wait_for()
    assert "first, 第一" in page.locator(".why").first.inner_text()
    page.goto("/rules")
    assert box.input_value() == rule
    assert page.locator("#outcome").inner_text() == "The rules in force."


def test_two_people_write_rules_at_the_same_time(browse, without_rules):
    theirs, mine = (f'[[rule]]\nname = "{n}"\nwhen = {{ query = ["tv"] }}\nredirect = "/tv"\n' for n in "ab")
    page = browse("/rules")
    page.get_by_label("Rules in TOML").fill(mine)
    put = without_rules.put("/v1/rules", content=theirs, headers={"content-type": "application/toml"})
    assert put.status_code == 200
    page.get_by_role("button", name="Put in force").click()
    page.locator("#theirs").wait_for()
    assert page.locator("#outcome").inner_text().startswith("Somebody else has replaced the rules")
    assert page.locator("#theirs").inner_text().strip() == theirs.strip()
    assert page.get_by_label("Rules in TOML").input_value() == mine
    assert 'name = "a"' in without_rules.get("/v1/rules").text.replace("\\", "")
    page.get_by_role("button", name="Put in force").click()  # knowing what is replaced
    page.get_by_text(re.compile("In force now; in")).wait_for()
    assert 'name = "b"' in without_rules.get("/v1/rules").text.replace("\\", "")
