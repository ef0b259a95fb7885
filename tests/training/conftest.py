"""What several files need and takes seconds to make."""

from pathlib import Path

import pytest

from aisle.training.relevance.catalogue import judged_products

ICECAT = Path(__file__).parent.parent.parent / "samples" / "icecat"


@pytest.fixture(scope="session")
def icecat():
    """Icecat's judged products as pairs."""
    return judged_products(ICECAT / "products.jsonl.gz", ICECAT / "ratings.csv", False)
