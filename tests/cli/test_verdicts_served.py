"""A service and a promotion say that a model of theirs was not promoted: real processes, a real folder of each kind."""

import json

import pytest
from click.testing import CliRunner

from aisle.cli.main import cli
from aisle.config import Recipe
from aisle.encoders.embedded import EmbeddedEncoder
from aisle.engine import SearchEngine
from aisle.provenance import made_with
from aisle.ranking.learnt import for_everybody
from aisle.types import Product
from tests.serve.test_processes import Service
from tests.serve.test_service_log import Logging

SAID = "refused was not promoted; its README.md says why"


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Two indexes of a shop, a learnt combination that was refused, one that was promoted, a configuration of each."""
    folder = tmp_path_factory.mktemp("verdicts")
    encoder = EmbeddedEncoder()
    products = [Product(str(n), f"{word} lamp") for n, word in enumerate(("red", "blue", "green"))]
    for name in ("shop-1", "shop-2"):
        SearchEngine.build(products, folder / name, encoder=encoder).close()
    for name in ("refused", "promoted"):
        for_everybody().save(folder / name, made_with(encoder, Recipe()), {"promoted": name == "promoted"})
        (folder / f"{name}.toml").write_text(f"[ranking]\nlearnt = '{folder / name}'\n", encoding="utf-8")
    return folder


def of_service(work, name, tmp_path, form):
    """A configuration with the recipe of that name, and a state and a form of the log of its own."""
    path = tmp_path / "aisle.toml"
    table = f"[serve]\nstate = '{tmp_path / 'state'}'\nlog_format = '{form}'\n"
    path.write_text((work / f"{name}.toml").read_text(encoding="utf-8") + table, encoding="utf-8")
    return path


@pytest.mark.parametrize(("name", "times"), [("refused", 1), ("promoted", 0)])
def test_a_service_says_it_once_when_it_starts(work, tmp_path, name, times):
    service = Service(work / "shop-1", "--config", str(of_service(work, name, tmp_path, "text")), workers=1)
    code, errors = service.end()
    assert code == 0
    lines = [line for line in errors.splitlines() if "promoted;" in line]
    assert len(lines) == times
    assert all(line.startswith("WARNING supervisor ") and line.endswith(SAID) for line in lines)


def test_a_log_of_json_has_it_as_a_line(work, tmp_path):
    service = Logging(work / "shop-1", of_service(work, "refused", tmp_path, "json"))
    (line,) = service.saying("was not promoted")
    assert service.end() == 0
    assert (line["level"], line["process"], line["logger"]) == ("WARNING", "supervisor", "aisle.serve")
    assert line["message"].endswith(SAID)


def test_promoting_an_index_and_going_back_say_it(work, tmp_path):
    def said(*args):
        result = CliRunner().invoke(cli, [*map(str, args), "--json"])
        assert result.exception is None, result.exception
        return json.loads(result.stdout)["served"], result.stderr

    name, note = tmp_path / "shop", f"note: {work / 'refused'} was not promoted; its README.md says why\n"
    refused, promoted = (("--config", work / f"{one}.toml") for one in ("refused", "promoted"))
    assert said("promote", work / "shop-1", name, *refused) == (str(work / "shop-1"), note)
    assert said("promote", work / "shop-2", name, *promoted) == (str(work / "shop-2"), "")
    assert said("rollback", name, *refused) == (str(work / "shop-1"), note)
    assert said("promote", work / "shop-2", name) == (str(work / "shop-2"), "")
