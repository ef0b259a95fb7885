"""A shopper's context on the command line: learnt from a file, given to searches and explanations."""

import json

import pytest

from aisle.engine import SearchEngine
from tests.shoppers_shop import HELD_OUT, KINDS, judged, products, shopper
from tests.test_cli_end_to_end import aisle, ask

CASE = "views"


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A shop, its judgments, who asked, and a learnt combination with its recipe."""
    folder = tmp_path_factory.mktemp("cli_shoppers")
    SearchEngine.build(products(CASE), folder / "shop").close()
    judgments, shoppers = judged(CASE)
    rows = [f"{one.query_id},{one.query},{one.product_id},{one.grade:g}" for one in judgments]
    (folder / "j.csv").write_text("\n".join(["query_id,query,docid,rating", *rows]) + "\n", encoding="utf-8")
    rows = [f"{query_id}\t{'|'.join(one.viewed)}" for query_id, one in shoppers.items()]
    (folder / "who.tsv").write_text("\n".join(["query_id\tviewed", *rows]) + "\n", encoding="utf-8")
    (folder / "recipe.toml").write_text("[ranking]\nlearnt = 'learnt'\n", encoding="utf-8")
    made = ask(*learning(folder), "--shoppers", folder / "who.tsv", "--out", folder / "learnt")
    return folder, made


def learning(folder):
    return ("learn", folder / "shop", "--judgments", folder / "j.csv", "--set", "rounds=0", "--set", "depth=30")


def viewed(noun, kind):
    return [word for one in shopper(CASE, kind, noun, HELD_OUT).viewed for word in ("--viewed", one)]


def test_what_was_viewed_decides_what_is_found(work):
    folder, made = work
    assert made["verdict"]["promoted"]
    assert next(row for row in made["importance"] if row["name"] == "views")["weight"] > 0
    asked = ("--recipe", folder / "recipe.toml", "-k", "2")
    plain = {}
    for noun in HELD_OUT[:3]:
        for kind in KINDS:
            found = ask("search", folder / "shop", noun, *asked, *viewed(noun, kind))
            assert found["hits"][0]["product_id"] == f"{noun}-{kind}"
            plain[noun] = ask("search", folder / "shop", noun, *asked)["hits"][0]["product_id"]
    assert all(plain[noun] in (f"{noun}-oak", f"{noun}-acrylic") for noun in plain)


def test_an_explanation_knows_who_asked(work):
    folder, _ = work
    noun = HELD_OUT[1]
    for kind in KINDS:
        asked = ("explain", folder / "shop", noun, f"{noun}-{kind}", "--recipe", folder / "recipe.toml")
        found = ask(*asked, *viewed(noun, kind))
        assert found["rank"] == 1
        assert sum(item["contribution"] for item in found["contributions"]) == pytest.approx(found["score"], abs=1e-6)
        (learnt,) = (item for item in found["contributions"] if item["stage"] == "learnt")
        shares = dict(learnt["details"])
        assert shares["views"] > 0
        assert sum(shares.values()) == pytest.approx(learnt["score"], abs=1e-5)
        told = aisle(*asked, *viewed(noun, kind)).stdout.decode()
        assert "likeness to products viewed lately" in told
        chinese = aisle(*asked, *viewed(noun, kind), "--language", "zh").stdout.decode()
        assert "与近期浏览的商品相似" in chinese
    stranger = ask("explain", folder / "shop", noun, f"{noun}-oak", "--recipe", folder / "recipe.toml")
    (learnt,) = (item for item in stranger["contributions"] if item["stage"] == "learnt")
    assert "views" not in dict(learnt["details"])


def test_people_are_told_how_much_is_known(work, tmp_path):
    folder, _ = work
    (tmp_path / "who.jsonl").write_text(
        json.dumps({"query_id": "kettle for oak", "viewed": ["bin-oak", "gone"], "price_low": 5, "price_high": 9})
        + "\n"
    )
    done = aisle(*learning(folder), "--shoppers", tmp_path / "who.jsonl", "--out", tmp_path / "learnt")
    assert done.returncode == 0
    assert (
        "shoppers of 1 queries: 1 with a band of prices; 1 of 2 products viewed are in the index"
        in done.stderr.decode()
    )


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("search", "bin", "--price-band", "80:20"), "the price band is '80:20'"),
        (("search", "bin", "--price-band", "cheap"), "the price band is 'cheap'"),
        (("search", "bin", *["--viewed", "a"] * 51), "51 products viewed lately"),
        (("search", "bin", "--viewed", " "), "a product viewed lately is no text or blank"),
        (("explain", "bin", "bin-oak", "--price-band", "0:1"), "the price band is '0:1'"),
        (("explain", "bin", "bin-oak", *["--viewed", "a"] * 51), "51 products viewed lately"),
    ],
)
def test_what_cannot_be_meant_is_one_error(work, command, said):
    folder, _ = work
    done = aisle(command[0], folder / "shop", *command[1:])
    assert done.returncode == 1
    assert said in done.stderr.decode()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("query_id,viewed\nnobody,bin-oak\n", "a shopper asked query 'nobody', which is not among the queries"),
        ("query_id,price_low,price_high\nkettle for oak,9,5\n", "line 2: the price band is (9.0, 5.0)"),
        ("query_id,colour\nkettle for oak,red\n", "say of no query what its shopper viewed"),
    ],
)
def test_a_file_that_cannot_be_used_leaves_nothing(work, tmp_path, rows, said):
    folder, _ = work
    (tmp_path / "who.csv").write_text(rows, encoding="utf-8")
    done = aisle(*learning(folder), "--shoppers", tmp_path / "who.csv", "--out", tmp_path / "learnt")
    assert done.returncode == 1
    assert said in done.stderr.decode()
    assert not (tmp_path / "learnt").exists()
