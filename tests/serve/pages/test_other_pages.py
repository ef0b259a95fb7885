"""Compare, judge, dashboard, rules and signing in, as forms are sent by a browser without JavaScript."""

import datetime as dt
import json
import re
import time
from urllib.parse import parse_qs, urlsplit

import pytest

from aisle.config import Recipe
from aisle.engine import SearchEngine
from aisle.evaluate import paired_difference
from aisle.metrics import Gain, ndcg
from aisle.serve.alarms import firing
from aisle.serve.app import Outside, create_app
from aisle.serve.content import content_hash
from aisle.serve.pages.dashboard import Samples
from aisle.serve.security import Security, SecuritySettings
from aisle.serve.settings import Settings
from aisle.types import SearchRequest
from tests.serve.pages.conftest import Page, hidden, local_client

JUDGE = "/judge?judge=anna&queries=notebook+bag%0Aprinter&a.mode=hybrid&b.mode=bm25"


def page(client, address, status=200):
    answer = client.get(address)
    assert answer.status_code == status, answer.text[:500]
    return Page(answer.text)


def grade(client, found, value, address="/judge"):
    answer = client.post(address, data=hidden(found) | ({"grade": value} if address == "/judge" else {}))
    assert answer.status_code == 303, answer.text[:500]
    return page(client, answer.headers["location"])


def pair_of(found):
    return hidden(found)["query"], hidden(found)["product_id"]


def test_compare_tells_what_moved(visitor):
    engine = visitor.app.state.parts.engine
    found = page(visitor, "/compare?q=notebook+bag&a.mode=hybrid&b.mode=bm25")
    first, second = (engine.search(SearchRequest("notebook bag", mode=mode, k=50)).hits for mode in ("hybrid", "bm25"))
    there = {hit.product_id: hit.rank for hit in second}
    lists = found.all("ol", class_="moved")
    moves = [text for given, text in found.all("span") if (given.get("class") or "").startswith("move ")][
        : len(first[:10])
    ]
    for hit, move in zip(first[:10], moves, strict=True):
        other = there.get(hit.product_id)
        if other is None:
            assert move.startswith("◆")
        elif other == hit.rank:
            assert move.startswith("=")
        else:
            assert move.startswith(f"{'▲' if other > hit.rank else '▼'}{abs(other - hit.rank)}")
    assert len(lists) == 2
    shared = {hit.product_id for hit in first[:10]} & {hit.product_id for hit in second[:10]}
    assert f"Among the first 10 of both: {len(shared)}" in [text for _, text in found.all("p")]


def test_compare_with_other_settings_is_the_engine_with_that_recipe(visitor, encoder):
    parts = visitor.app.state.parts
    recipe = Recipe.from_dict({"ranking": {"learnt": "", "diversity": {"method": "mmr"}}})
    found = page(visitor, "/compare?q=printer+paper&a.learnt=off&a.diversity=mmr&b.mode=hybrid")
    with SearchEngine.open(parts.folder, recipe, encoder=encoder) as engine:
        titles = [hit.product.title for hit in engine.search(SearchRequest("printer paper", k=10)).hits]
    own, _, _ = found.one("section", aria_labelledby="side-a")[1].partition("Set-up B")
    assert [title for title in titles if " ".join(title.split()) not in own] == []
    assert parts.engine.recipe == Recipe.from_dict({})  # what is served stays


def test_compare_measures_what_was_judged(visitor):
    engine = visitor.app.state.parts.engine
    hits = engine.search(SearchRequest("usb cable", mode="bm25", k=10)).hits
    grades = {hits[0].product_id: 3, hits[1].product_id: 0, hits[4].product_id: 2}
    body = {"judgments": [{"query": "usb cable", "product_id": one, "grade": g} for one, g in grades.items()]}
    assert visitor.post("/v1/judgments", json=body).status_code == 201
    found = page(visitor, "/compare?q=usb+cable&b.mode=bm25&all=1")
    expected = ndcg([grades.get(hit.product_id) for hit in hits], list(grades.values()), 10, Gain())
    assert found.all("b", class_="ndcg")[1][1] == f"{expected:.3f}"
    row = next(text for _, text in found.all("tr") if text.startswith("usb cable"))
    assert row.split()[3] == f"{expected:.3f}"
    assert found.one("p", id="sure")[1].startswith("The queries are too few")  # one query has no spread


def test_compare_says_how_sure_a_difference_is(visitor):
    engine = visitor.app.state.parts.engine
    asked = ("keyboard", "memory card", "monitor", "laser toner", "headset", "battery")
    for query in asked:
        hits = engine.search(SearchRequest(query, k=10)).hits
        body = [
            {"query": query, "product_id": hit.product_id, "grade": 3 if place == 0 else 0}
            for place, hit in enumerate(hits[:4])
        ]
        assert visitor.post("/v1/judgments", json={"judgments": body}).status_code == 201
    found = page(visitor, "/compare?all=1&b.mode=bm25")
    gains = [float(text.split()[-1]) for text in texts(found, "tr")[2:]]
    assert len(gains) >= len(asked)
    told = paired_difference(gains)
    said = found.one("p", id="sure")[1]
    number = re.compile(r"[-+]?\d\.\d{3}").findall(said)
    expected = (told.interval.mean, told.interval.low, told.interval.high, told.p, told.detectable)
    assert [float(one) for one in number] == pytest.approx(expected, abs=0.02)  # of rounded gains, in another order
    assert said.startswith("B less A: ")
    chinese = Page(visitor.get("/compare?all=1&b.mode=bm25&lang=zh").text).one("p", id="sure")[1]
    assert re.compile(r"[-+]?\d\.\d{3}").findall(chinese) == number
    visitor.cookies.clear()


def test_judging_goes_through_the_pool_and_undo_goes_back(visitor):
    engine = visitor.app.state.parts.engine
    found = page(visitor, JUDGE)
    wanted = {
        hit.product_id
        for mode in ("hybrid", "bm25")
        for hit in engine.search(SearchRequest("notebook bag", mode=mode, k=10)).hits
    }
    first = pair_of(found)
    assert first[0] == "notebook bag"
    assert first[1] in wanted
    assert found.one("p", id="progress")[1].startswith(f"Product 1 of {len(wanted)} · query 1 of 2")
    after = grade(visitor, found, 2)
    second = pair_of(after)
    assert second != first
    back = grade(visitor, after, None, "/judge/undo")
    assert pair_of(back) == first
    assert not [one for one in visitor.get("/v1/judgments").json()["judgments"] if one["judge"] == "anna"]
    seen = []
    while pair_of(back)[0] == "notebook bag":
        seen.append(pair_of(back)[1])
        back = grade(visitor, back, len(seen) % 4)
    assert len(seen) == len(wanted)
    assert set(seen) == wanted
    kept = visitor.get("/v1/judgments", params={"query": "notebook bag"}).json()["judgments"]
    assert {one["product_id"]: one["grade"] for one in kept} == {one: (i + 1) % 4 for i, one in enumerate(seen)}


def test_two_raters_who_agree(visitor):
    ids = sorted(visitor.app.state.parts.engine.index.ids())[:4]
    for judge in ("carl", "dora"):
        body = [{"query": "q", "product_id": one, "grade": i, "judge": judge} for i, one in enumerate(ids)]
        assert visitor.post("/v1/judgments", json={"judgments": body}).status_code == 201
    row = next(text for _, text in page(visitor, "/judge").all("tr") if text.startswith("carl · dora"))
    assert row == "carl · dora 4 100 % 1.00"


def test_personal_data_in_a_query_is_neither_shown_to_the_rater_nor_kept(visitor):
    found = page(visitor, "/judge?judge=erik&queries=mouse+for+jo.lee%40example.org&a.mode=hybrid&b.mode=bm25")
    grade(visitor, found, 2)
    (kept,) = [one for one in visitor.get("/v1/judgments").json()["judgments"] if one["judge"] == "erik"]
    assert kept["query"].startswith("mouse for ")
    assert "jo.lee" not in kept["query"] + json.dumps(hidden(found))
    form = hidden(page(visitor, JUDGE)) | {"judge": "erik", "query": "mouse for jo.lee@example.org", "grade": "1"}
    assert visitor.post("/judge", data=form).status_code == 303
    assert "jo.lee" not in visitor.get("/v1/judgments").text


def test_a_judgment_needs_a_name_a_product_and_a_grade(visitor):
    form = hidden(page(visitor, JUDGE))
    for changes, status in (
        ({"judge": " "}, 400),
        ({"product_id": "nobody"}, 404),
        ({"grade": "4"}, 422),
        ({"grade": "x"}, 422),
    ):
        answer = visitor.post("/judge", data=form | {"grade": "1"} | changes)
        assert answer.status_code == status, changes
        assert Page(answer.text).one("h1")[1] == "This did not work"


@pytest.mark.parametrize("address", ["/judge", "/judge/undo", "/rules", "/sign-in", "/sign-out"])
def test_a_change_without_the_forms_token_is_refused(visitor, address):
    data = {"judge": "anna", "query": "q", "product_id": "1", "grade": "1", "text": "", "action": "replace"}
    assert visitor.post(address, data=data).status_code == 403  # no session at all
    token = hidden(page(visitor, "/rules"))["csrf_token"]
    assert visitor.post(address, data=data | {"csrf_token": token[::-1]}).status_code == 403
    elsewhere = visitor.post(address, data=data | {"csrf_token": token}, headers={"origin": "https://evil.example"})
    assert elsewhere.status_code == 403


def test_rules_are_checked_and_put_in_force(visitor):
    engine = visitor.app.state.parts.engine
    last = engine.search(SearchRequest("printer", k=30)).hits[-1].product_id
    form = hidden(page(visitor, "/rules"))
    text = f'[[rule]]\nname = "up"\nwhen = {{ query = ["printer"] }}\npin = ["{last}"]\n'
    checked = visitor.post("/rules", data=form | {"text": text, "action": "check"})
    assert Page(checked.text).one("p", id="outcome")[1] == "Checked; nothing is changed."
    assert engine.search(SearchRequest("printer")).hits[0].product_id != last
    done = visitor.post("/rules", data=form | {"text": text, "action": "replace"})
    assert Page(done.text).one("p", id="outcome")[1].startswith("In force now")
    assert engine.search(SearchRequest("printer")).hits[0].product_id == last
    compared = page(visitor, "/compare?q=printer&a.learnt=off")  # acts in other set-ups, too
    assert engine.index.get([last])[0].title.split()[0] in compared.all("ol", class_="moved")[0][1]
    entry = list(visitor.app.state.security.audit.entries())[-1]
    assert (entry["action"], entry["before"], entry["after"]) == ("rules.replace", "", content_hash(text))
    again = visitor.post("/rules", data=hidden(page(visitor, "/rules")) | {"text": text + "\n", "action": "replace"})
    assert again.status_code == 200
    entry = list(visitor.app.state.security.audit.entries())[-1]
    assert (entry["before"], entry["after"]) == (content_hash(text), content_hash(text + "\n"))
    late = visitor.post("/rules", data=form | {"text": "", "action": "replace"})
    assert late.status_code == 412
    assert Page(late.text).one("p", id="outcome")[1].startswith("Somebody else has replaced")


def test_rules_that_are_wrong_stay_on_the_page_with_what_is_wrong(visitor):
    form = hidden(page(visitor, "/rules"))
    broken = visitor.post("/rules", data=form | {"text": "[[rule]\n</textarea><script>", "action": "replace"})
    assert broken.status_code == 422
    assert "not valid TOML" in Page(broken.text).one("pre", id="problem")[1]
    assert "<script>" not in broken.text
    unfit = '[[rule]]\nname = "gone"\nwhen = { query = ["x"] }\npin = ["nobody"]\n'
    answer = visitor.post("/rules", data=form | {"text": unfit, "action": "check"})
    rows = [text for _, text in Page(answer.text).all("tr")]
    assert any(row.startswith("gone ") for row in rows), rows
    assert Page(answer.text).one("textarea", name="text")[1] == " ".join(unfit.split())


def test_dashboard_counts_what_was_asked(visitor):
    before = page(visitor, "/dashboard")
    visitor.get("/?q=call+me+at+anna%40example.com")
    visitor.get("/?q=printer&min=99999999")
    after = page(visitor, "/dashboard")

    def searches(found):
        return int(next(text for _, text in found.all("div", class_="card") if "Searches" in text).split("Searches")[1])

    assert searches(after) == searches(before) + 2
    rows = [text for _, text in after.all("tr")]
    assert any(row.startswith("call me at <email> ") for row in rows)
    assert not any("anna@example.com" in row for row in rows)
    assert any(re.match(r"printer \d\d:\d\d UTC words and meaning 0 ", row) for row in rows), rows
    assert any(row.startswith("bm25 ") for row in rows)


def test_a_search_counts_once_as_degraded_however_much_was_left_out(visitor):
    def counted():
        samples = Samples(visitor.get("/metrics").text)
        names = ("aisle_searches_total", "aisle_searches_incomplete_total", "aisle_searches_degraded_total")
        return [samples.total(name) for name in names]

    before = counted()
    for number in range(3):
        body = {"query": f"usb cable {number}", "facets": ["brand"], "deadline_ms": 0.001}
        assert len(visitor.post("/v1/search", json=body).json()["degraded"]) >= 2
    long = visitor.post("/v1/search", json={"query": "usb " * 600}).json()
    assert long["degraded"] == ["query cut at 2000 characters"]
    searches, incomplete, notes = (now - then for now, then in zip(counted(), before, strict=True))
    assert (searches, incomplete) == (4, 3)
    assert notes >= 7
    shown = float(cards_of(page(visitor, "/dashboard"))["Something left out"].rstrip(" %"))
    _, total, _ = counted()
    assert shown == round(100 * total / counted()[0], 1) <= 100


def cards_of(found):
    """Label to value of the dashboard's cards."""
    return dict(zip(texts(found, "dt"), texts(found, "dd"), strict=True))


def texts(found, tag):
    return [text for _, text in found.all(tag)]


RULES = """
[[rule]]
name = "few clicks"
metric = "clicks.rate"
comparison = "<"
threshold = 0.9
window_s = 86400
minimum = 3
severity = "critical"
fix = "look at the ranking"
"""
ITEMS = [{"id": "p1"}, {"id": "p2"}]


def test_dashboard_tells_quality_and_what_fires(built, encoder, tmp_path):
    state, rules = tmp_path / "state", tmp_path / "rules.toml"
    rules.write_text(RULES)
    security = Security(state, SecuritySettings())
    tables = {"monitor": {"rules": str(rules), "every_s": 0.1}, "page": {"judged_queries": 2}}
    with SearchEngine.open(built, encoder=encoder) as engine:
        app = create_app(
            engine, Settings(state=str(state)), Outside(security=security, tables=tables, suggestions=False)
        )
        with local_client(app) as client:
            app.state.quality.answers.every_s = app.state.quality.acts.every_s = 0.0
            empty = page(client, "/dashboard")
            assert cards_of(empty)["nDCG@10"] == cards_of(empty)["Pages with a click"] == "–"
            asked = ("usb cable", "printer", "notebook bag")
            grades, expected = {}, []
            for query in asked:
                hits = engine.search(SearchRequest(query, k=10)).hits
                grades = {hits[1].product_id: 3, hits[0].product_id: 1, hits[2].product_id: 0}
                body = [{"query": query, "product_id": one, "grade": value} for one, value in grades.items()]
                assert client.post("/v1/judgments", json={"judgments": body}).status_code == 201
                ids = [hit.product_id for hit in hits]
                expected.append(ndcg([grades.get(one) for one in ids], list(grades.values()), 10, Gain()))
            assert "No events of shoppers were sent in the last 7 days." in texts(empty, "p")
            clicked = [{"type": "click", "request_id": "r9", "items": [{"id": "p1"}]}]
            assert client.post("/v1/events", json={"events": clicked}).status_code == 202
            alone = page(client, "/dashboard")
            assert cards_of(alone)["Pages with a click"] == "–"
            said = "Events of the last 7 days: 1, but none says what a page showed"
            assert any(text.startswith(said) for text in texts(alone, "p"))
            shown = [{"type": "impression", "query": "hub", "request_id": f"r{n}", "items": ITEMS} for n in range(4)]
            clicked = [{"type": "click", "request_id": "r1", "items": [{"id": "p1"}]}]
            assert client.post("/v1/events", json={"events": [*shown, *clicked]}).status_code == 202
            until = time.monotonic() + 60
            while not ((told := firing(state)) and told.alerts) and time.monotonic() < until:
                time.sleep(0.05)
            found = page(client, "/dashboard")
            assert cards_of(found)["nDCG@10"] == f"{sum(expected[:2]) / 2:.3f}"
            assert cards_of(found)["Pages with a click"] == "25.0 %"
            notes = " ".join(texts(found, "p"))
            assert "nDCG@10 of 2 of 3 judged queries" in notes
            assert "4 pages of the last 7 days" in notes
            row = next(text for text in texts(found, "tr") if text.startswith("few clicks"))
            assert row.startswith("few clicks critical clicks.rate < 0.9 0.25 ")
            assert row.endswith(" UTC look at the ranking")
            asked, search = [], engine.search
            engine.search = lambda request: asked.append(request.text) or search(request)
            page(client, "/dashboard")
            assert asked == ["a"]  # the probe of the health; nothing has changed, so nothing is measured again
    security.close()


def test_dashboard_tells_when_nobody_looks_at_the_rules(built, encoder, tmp_path):
    state, rules = tmp_path / "state", tmp_path / "rules.toml"
    rules.write_text(RULES)
    tables = {"monitor": {"rules": str(rules), "every_s": 3_600.0}}
    with SearchEngine.open(built, encoder=encoder) as engine:
        app = create_app(engine, Settings(state=str(state)), Outside(tables=tables, suggestions=False))
        with local_client(app) as client:
            state.mkdir(exist_ok=True)  # the service makes it when it first writes there
            nobody = "Nobody has looked at the alert rules yet; load this page again in a minute."
            assert nobody in texts(page(client, "/dashboard"), "p")
            for age_h, told in ((1, "Last looked at"), (4, "Nobody has looked since")):
                at = dt.datetime.now(dt.UTC) - dt.timedelta(hours=age_h)
                (state / "alerts.json").write_text(json.dumps({"at": at.isoformat(), "alerts": []}))
                found = texts(page(client, "/dashboard"), "p")
                assert f"{told} {at:%Y-%m-%d %H:%M} UTC." in found
                assert "None is firing." in found
            (state / "alerts.json").write_text("{")
            assert nobody in texts(page(client, "/dashboard"), "p")


def test_keys_are_asked_for_and_scopes_decide(built, encoder, tmp_path):
    security = Security(tmp_path / "state", SecuritySettings())
    _, rater = security.keys.create("rater", ["search", "judge"])
    with SearchEngine.open(built, encoder=encoder) as engine:
        app = create_app(engine, Settings(state=str(tmp_path / "state")), Outside(security=security, suggestions=False))
        with local_client(app) as client:
            sent = client.get("/judge?queries=a")
            assert sent.status_code == 303
            assert sent.headers["location"] == "/sign-in?next=%2Fjudge%3Fqueries%3Da"
            form = page(client, sent.headers["location"])
            wrong = client.post("/sign-in", data=hidden(form) | {"key": "aisle_wrong"})
            assert wrong.status_code == 401
            assert Page(wrong.text).one("p", id="wrong")
            right = client.post("/sign-in", data=hidden(form) | {"key": rater})
            assert (right.status_code, right.headers["location"]) == (303, "/judge?queries=a")
            judging = page(client, "/judge?queries=printer&judge=somebody")
            assert hidden(judging)["judge"] == "rater"  # the key's name, whatever is said
            assert "Dashboard" not in [text for _, text in judging.all("a")]
            assert client.get("/dashboard").status_code == 403
            assert client.get("/rules").status_code == 403
            assert grade(client, judging, 3).one("p", id="progress")
            assert parse_qs(urlsplit(right.headers["location"]).query) == {"queries": ["a"]}
            out = client.post("/sign-out", data={"csrf_token": hidden(judging)["csrf_token"]})
            assert out.status_code == 303
            client.cookies.clear()
            assert client.get("/").status_code == 303
    security.close()
