"""The page over a small shop of real Icecat rows, one of which is hostile; with and without a browser."""

import re
import shutil
import threading
import time
from contextlib import contextmanager
from html.parser import HTMLParser

import pytest
import uvicorn
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
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
WAIT_MS = 60_000
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


@contextmanager
def serving(built, encoder, root, tables, keys=()):
    """A real server over a copy of the shop: its address, its app, and the keys asked for as (name, scopes)."""
    folder, state = shutil.copytree(built, root / "shop"), root / "state"
    security = Security(state, SecuritySettings())
    made = {name: security.keys.create(name, scopes)[1] for name, scopes in keys}
    with SearchEngine.open(folder, encoder=encoder) as engine:
        app = create_app(engine, Settings(state=str(state)), Outside(security=security, tables=tables))
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started or app.state.parts.suggestions is None:
            time.sleep(0.02)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", app, made
        server.should_exit = True
        thread.join()
    security.close()


@pytest.fixture(scope="package")
def chromium():
    """Closed at the end of the folder: while it is open no test has an event loop of its own."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is installed (apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def served(built, encoder, tmp_path_factory):
    """A shop for browsers, without keys; whoever changes it puts it right again."""
    with serving(built, encoder, tmp_path_factory.mktemp("browser"), TABLES) as (address, app, _):
        yield address, app


@contextmanager
def browsing(chromium, address, refusals=()):
    """Opens pages; at the end nothing may have gone wrong in them, nor been asked of another host.

    The browser notes an answer of 400 and above as an error; ``refusals`` are the statuses that belong to the test.
    """
    contexts, wrong = [], []
    expected = re.compile(rf"status of ({'|'.join(map(str, refusals))}) " if refusals else "(?!)")

    def note(text):
        if not expected.search(text):
            wrong.append(text)

    def open_page(path, **options):
        context = chromium.new_context(base_url=address, **{"locale": "en-GB", **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("pageerror", lambda error: note(str(error)))
        page.on("console", lambda message: note(message.text) if message.type == "error" else None)
        page.on("request", lambda request: None if request.url.startswith(address) else note(request.url))
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture
def browse(chromium, served):
    with browsing(chromium, served[0]) as open_page:
        yield open_page


def tile_ids(page):
    return page.locator(".tile").evaluate_all("tiles => tiles.map(tile => tile.dataset.id)")


def settled(page):
    """Wait until the results that were asked for are there."""
    page.wait_for_function("() => !document.querySelector('#results[aria-busy]')")
