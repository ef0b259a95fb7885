"""Imports point one way: a file imports only from lower layers, never from the package root or a peer's inside."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "aisle"
LAYERS = {
    "cores": -1,
    "words": -1,
    "order": -1,
    "types": 0,
    "errors": 0,
    "shopper": 1,
    "config": 1,
    "artifacts": 1,
    "metrics": 1,
    "llm": 1,
    "filters": 1,
    "language": 1,
    "catalogue": 2,
    "judgments": 2,
    "evaluate": 2,
    "augment": 2.5,  # of judged pairs
    "query": 2,
    "encoders": 3,
    "rerankers": 3.5,  # some are encoders with a head
    "indexes": 3,
    "training": 4,
    "ranking": 3,
    "build": 4,
    "monitor": 4,
    "knowledge": 2.5,
    "rules": 3.5,
    "shelf": 4,
    "pages": 1,
    "privacy": 1,
    "provenance": 2,
    "compress": 4.2,  # trains what it made smaller
    "known": 4.2,
    "reranking": 4.2,
    "retrieve": 4.5,
    "stages": 4.5,
    "engine": 5,
    "explain": 5.5,
    "improve": 5.5,
    "judged": 5.5,
    "calibrate": 6,
    "learn_ranking": 6,
    "serve": 6.5,
    "cli": 7,
    "__main__": 7.5,
}
FILES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def part_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Dotted names of everything of this package that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            if node.module == "aisle":
                found |= {f"aisle.{alias.name}" for alias in node.names}
            else:
                found.add(node.module or "")
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name == "aisle" or name.startswith("aisle.")}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_imports_only_from_lower_layers(path):
    here = part_of(path)
    assert here in LAYERS, f"{path} belongs to no layer: add it to LAYERS here"
    for name in imported(path):
        target = name.split(".")[1] if "." in name else ""
        assert target in LAYERS, f"{path} imports {name}, the package root or an unknown part"
        assert target == here or LAYERS[target] < LAYERS[here], f"{path} (layer {LAYERS[here]}) imports {name}"


def test_every_layer_named_here_exists():
    assert {part_of(path) for path in FILES} == set(LAYERS)


def test_files_stay_small():
    long = {str(path.relative_to(ROOT)): n for path in FILES if (n := len(path.read_text("utf-8").splitlines())) > 400}
    assert not long
