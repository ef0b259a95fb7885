import pytest

from aisle.encoders.embedded import EmbeddedEncoder
from aisle.engine import SearchEngine
from tests.explain.shop import PRODUCTS


@pytest.fixture(scope="package")
def encoder():
    return EmbeddedEncoder()


@pytest.fixture(scope="package")
def engine(tmp_path_factory, encoder):
    folder = tmp_path_factory.mktemp("explain") / "shop"
    with SearchEngine.build(PRODUCTS, folder, encoder=encoder) as engine:
        yield engine
