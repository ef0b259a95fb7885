"""The page over a small shop of real Icecat rows, one of which is hostile."""

import shutil
from html.parser import HTMLParser

import pytest
from fastapi.testclient import TestClient

from aisle.engine import SearchEngine
from aisle.serve.app import Outside, create_app
from aisle.serve.security import Security, SecuritySettings
from aisle.serve.settings import Settings

EVIL = "evil/1?a=b&c"
SCRIPT = "<script>alert('title')</script>"
HOSTILE = {
    "title": f'Zzyzx bag "><img src=x onerror=alert(1)>{SCRIPT}',
    "description": f"{{{{ 7 * 7 }}}} zzyzx <svg onload=alert(2)> {SCRIPT}",
    "brand": '"><script>alert(3)</script>',
    "images": ["javascript:alert(4)", "data:text/html,<script>alert(5)</script>"],
    "attributes": {"<b>colour": '"onmouseover="alert(6)'},
    "price": 3.5,
    "currency": "EUR",
    "rating": 4.5,
    "rating_count": 12,
    "available": True,
}
TABLES = {
    "page": {"facets": ["category", "brand", "available", "attributes.product_colour", "attributes.nobody_has_it"]}
}
_VOID = {"meta", "link", "input", "img", "br", "hr", "rect", "line", "path"}


class Page(HTMLParser):
    """A page as its elements: ``[name, attributes, text inside, names of those around it]``; closing tags must fit."""

    def __init__(self, text):
        super().__init__()
        self.elements, self._open = [], []
        self.feed(text)
        self.close()
        assert not [one[0] for one in self._open], "left open"

    def handle_starttag(self, tag, attrs):
        element = [tag, dict(attrs), "", {one[0] for one in self._open}]
        self.elements.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_startendtag(self, tag, attrs):
        self.elements.append([tag, dict(attrs), "", {one[0] for one in self._open}])

    def handle_endtag(self, tag):
        assert [one[0] for one in self._open[-1:]] == [tag], f"</{tag}> closes {self._open[-1:]}"
        self._open.pop()
        if tag in ("td", "th", "dt", "dd"):
            self.handle_data(" ")

    def handle_data(self, data):
        for element in self._open:
            element[2] += data

    def all(self, tag, **attributes):
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        return [
            (given, " ".join(text.split()))
            for name, given, text, _ in self.elements
            if name == tag and all(given.get(key) == value for key, value in wanted.items())
        ]

    def one(self, tag, **attributes):
        (found,) = self.all(tag, **attributes)
        return found

    def value(self, name):
        return self.all("input", name=name)[0][0].get("value", "")


def local_client(app, **headers):
    return TestClient(
        app, client=("127.0.0.1", 50_000), base_url="http://127.0.0.1", follow_redirects=False, headers=headers
    )


@pytest.fixture(scope="session")
def rows(built, encoder):
    with SearchEngine.open(built, encoder=encoder) as engine:
        return {one.id: one for one in engine.index.get(sorted(engine.index.ids())) if one is not None}


@pytest.fixture(scope="module")
def shop(built, encoder, tmp_path_factory):
    """An app with security and without keys, over a copy of the shop; the module's tests share it."""
    folder = tmp_path_factory.mktemp("page") / "shop"
    shutil.copytree(built, folder)
    state = tmp_path_factory.mktemp("state")
    security = Security(state, SecuritySettings())
    with SearchEngine.open(folder, encoder=encoder) as engine:
        app = create_app(
            engine, Settings(state=str(state)), Outside(security=security, tables=TABLES, suggestions=False)
        )
        with local_client(app) as client:
            answer = client.put(f"/v1/products/{EVIL.replace('?', '%3F')}", json=HOSTILE)
            assert answer.status_code == 201, answer.text
            yield client
    security.close()


@pytest.fixture
def visitor(shop):
    """A browser of its own at the same shop."""
    shop.cookies.clear()
    return shop


def hidden(page):
    """The hidden fields of a page's forms."""
    return {given["name"]: given.get("value", "") for given, _ in page.all("input", type="hidden")}
