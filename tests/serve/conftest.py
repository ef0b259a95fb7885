"""A small index of real Icecat rows, built once; each test that writes gets a copy."""

import gzip
import shutil
import threading
import time
from itertools import islice
from pathlib import Path

import pytest
import uvicorn
from fastapi.testclient import TestClient

from aisle.catalogue.clean import clean
from aisle.config import CatalogueSettings
from aisle.encoders.embedded import EmbeddedEncoder
from aisle.engine import SearchEngine
from aisle.serve.app import Outside, create_app
from aisle.serve.security import Security, SecuritySettings
from aisle.serve.settings import Settings

SAMPLE = Path(__file__).parent.parent.parent / "samples" / "icecat" / "products.jsonl.gz"
ROWS = 240


@pytest.fixture(scope="session")
def encoder():
    return EmbeddedEncoder()


@pytest.fixture(scope="session")
def products(tmp_path_factory):
    """Every fortieth row of the sample."""
    few = tmp_path_factory.mktemp("few") / "products.jsonl"
    with gzip.open(SAMPLE, "rt", encoding="utf-8") as rows:
        few.write_text("".join(islice(rows, 0, 40 * ROWS, 40)), encoding="utf-8")
    with clean(few, CatalogueSettings()) as cleaned:
        return list(cleaned)


@pytest.fixture(scope="session")
def built(tmp_path_factory, products, encoder):
    folder = tmp_path_factory.mktemp("serve") / "shop"
    SearchEngine.build(products, folder, encoder=encoder).close()
    return folder


@pytest.fixture
def folder(built, tmp_path):
    """A copy that a test may write to."""
    return Path(shutil.copytree(built, tmp_path / "shop"))


@pytest.fixture
def engine(folder, encoder):
    with SearchEngine.open(folder, encoder=encoder) as engine:
        yield engine


@pytest.fixture
def client(engine, tmp_path):
    security = Security(tmp_path / "state", SecuritySettings())
    outside = Outside(security=security, suggestions=False)  # those of `reading` are enough
    app = create_app(engine, Settings(state=str(tmp_path / "state"), max_k=50), outside)
    with TestClient(app, client=("127.0.0.1", 50_000), base_url="http://127.0.0.1") as client:
        yield client
    security.close()


@pytest.fixture(scope="module")
def reading(built, encoder, tmp_path_factory):
    """A client of an app that nobody writes to."""
    with SearchEngine.open(built, encoder=encoder) as engine:
        app = create_app(engine, Settings(state=str(tmp_path_factory.mktemp("state"))))
        with TestClient(app) as client:
            for _ in range(200):
                if client.app.state.parts.suggestions is not None:
                    break
                time.sleep(0.05)
            yield client


@pytest.fixture(scope="module")
def address(built, encoder, tmp_path_factory):
    """A real server on a free port of this machine."""
    with SearchEngine.open(built, encoder=encoder) as engine:
        settings = Settings(state=str(tmp_path_factory.mktemp("state")), models=("rerank-v3.5",))
        config = uvicorn.Config(create_app(engine, settings), port=0, log_level="error")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        server.should_exit = True
        thread.join()
