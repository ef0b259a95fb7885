"""What several files need: data that takes seconds to make, and PyTorch left as it was found."""

import sys
from pathlib import Path

import pytest

from aisle.training.relevance.catalogue import judged_products

ICECAT = Path(__file__).parent.parent.parent / "samples" / "icecat"


@pytest.fixture(scope="session")
def icecat():
    """Icecat's judged products as pairs."""
    return judged_products(ICECAT / "products.jsonl.gz", ICECAT / "ratings.csv", False)


@pytest.fixture(autouse=True)
def torch_as_before():
    """Undo what a training sets for the whole process; nothing where no file has loaded PyTorch."""
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else 0
    yield
    if torch:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(False)
