"""The commands around a ranking on a few real-looking products: rules, facets, recipes, exposure."""

import json
from dataclasses import replace

import pytest

from aisle.config import Recipe
from aisle.engine import SearchEngine
from aisle.types import Product
from tests.test_cli_end_to_end import aisle, ask, here

PRODUCTS = [
    Product("1", "Red cotton shirt", "", "Acme", price=19.0, attributes={"colour": "red"}),
    Product("2", "Blue linen shirt", "", "Nord", price=49.0, attributes={"colour": "blue"}),
    Product("3", "Green flannel shirt", "", "Nord", price=59.0, attributes={"colour": "green"}),
    Product("4", "Hunting knife", "", "Sharp", price=29.0),
]
RULES = """
[[rule]]
name = "shirts"
when = { query = ["shirt"] }
pin = ["3"]
[safety]
products = ["4"]
queries = ["bomb"]
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "shop"
    SearchEngine.build(PRODUCTS, folder, Recipe()).close()
    (folder.parent / "rules.toml").write_text(RULES, encoding="utf-8")
    (folder.parent / "recipe.toml").write_text("[ranking]\nrules = 'rules.toml'\n", encoding="utf-8")
    lines = ["query,docid,rating", "shirt,1,2", "shirt,3,1", "knife,4,3"]
    (folder.parent / "judgments.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_a_recipe_reaches_search_run_and_evaluate(shop, tmp_path):
    recipe, judgments = shop.parent / "recipe.toml", shop.parent / "judgments.csv"
    found = ask("search", shop, "shirt", "--recipe", recipe, "--facet", "brand", "--facet", "`brand`")
    assert found["hits"][0]["product_id"] == "3"
    assert found["hits"][0]["parts"]["rule:shirts"]["rank"] == 1
    assert found["facets"]["brand"] == {"Nord": 2, "Acme": 1}
    assert found["total"] == 3
    assert "facets" not in ask("search", shop, "shirt")
    refused = ask("search", shop, "a bomb", "--recipe", recipe)
    assert (refused["hits"], refused["refused"]) == ([], "This shop does not answer this search.")
    assert aisle("run", shop, "--queries", judgments, "--recipe", recipe, "--out", tmp_path / "r.trec").returncode == 0
    lines = (tmp_path / "r.trec").read_text(encoding="utf-8").splitlines()
    assert not any(line.split()[2] == "4" for line in lines)
    assert next(line.split()[2] for line in lines if line.startswith("shirt")) == "3"
    plain, ruled = (ask("evaluate", shop, "--judgments", judgments, *more) for more in ((), ("--recipe", recipe)))
    assert plain != ruled
    refused = aisle("evaluate", tmp_path / "r.trec", "--judgments", judgments, "--recipe", recipe)
    assert refused.returncode == 1
    assert "--recipe changes nothing" in refused.stderr.decode()


def test_people_see_what_was_done(shop):
    printed = aisle("search", shop, "shirt", "--recipe", shop.parent / "recipe.toml", "--facet", "colour")
    assert "rule:shirts #1" in " ".join(printed.stdout.decode().split())
    assert "blue" in printed.stdout.decode()
    refused = aisle("search", shop, "bomb", "--recipe", shop.parent / "recipe.toml").stdout.decode()
    assert "not answered: This shop does not answer this search." in refused


def test_rules_are_checked_against_the_index(shop, tmp_path):
    assert ask("rules", "check", shop, shop.parent / "rules.toml") == {"rules": 1, "errors": 0, "findings": []}
    (tmp_path / "wrong.toml").write_text(RULES.replace('pin = ["3"]', 'pin = ["3", "none"]\nblock = ["3"]'), "utf-8")
    wrong = here(
        ["rules", "check", str(shop), str(tmp_path / "wrong.toml"), "--json"], None, None, "utf-8"
    )  # as linters do
    assert wrong.returncode == 1
    found = json.loads(wrong.stdout)
    assert found["errors"] >= 1
    assert any("'none'" in finding["problem"] for finding in found["findings"])
    damaged = aisle("rules", "check", shop, tmp_path / "nowhere.toml")
    assert damaged.returncode == 1
    assert "nowhere.toml" in damaged.stderr.decode()


def test_exposure_counts_what_is_shown(shop, tmp_path):
    judgments = shop.parent / "judgments.csv"
    found = ask("exposure", shop, "--judgments", judgments, "--html", tmp_path / "e.html", "--mode", "bm25")
    groups = {group["group"]: group for group in found["kinds"]["brand"]["wrong"]["groups"]}
    # shirt: three shirts in some order, knife: one product; relevance (2^2-1, 2^1-1) and 2^3-1
    assert groups["Sharp"]["relevance"] == pytest.approx(0.5)
    assert groups["Acme"]["relevance"] == pytest.approx(3 / 4 / 2)
    assert groups["Sharp"]["exposure"]["mean"] == pytest.approx(0.5)
    assert "<html" in (tmp_path / "e.html").read_text(encoding="utf-8")
    assert "Sharp" in aisle("exposure", shop, "--judgments", judgments).stdout.decode()


def test_every_hit_can_say_why(shop):
    found = ask("search", shop, "blue shirt", "--explain", "-k", "2")
    for hit in found["hits"]:
        parts = hit["explanation"]["contributions"]
        assert sum(part["contribution"] for part in parts) == pytest.approx(hit["score"], abs=1e-6)
    assert "is 1st for" in aisle("search", shop, "blue shirt", "--explain").stdout.decode()
    assert "explanation" not in ask("search", shop, "blue shirt")["hits"][0]


def test_a_calibration_and_a_learnt_combination_from_the_command_line(shop, tmp_path):
    texts = [f"{word} {kind} {n}" for kind in ("shirt", "knife") for word in ("buy", "new") for n in range(8)]
    rows = [
        f"{text},{product.id},{2 * (text.split()[1] in product.title.lower())}"
        for text in texts
        for product in PRODUCTS
    ]
    (tmp_path / "j.csv").write_text("\n".join(["query,docid,rating", *rows]) + "\n", encoding="utf-8")
    asked = ("calibrate", shop, "--judgments", tmp_path / "j.csv", "--out", tmp_path / "calibration", "--cut", "0.1")
    made = ask(*asked, "--plot", tmp_path / "reliability.svg")
    assert made["queries"] == len(texts)
    assert len(made["reliability"]) == 10
    assert 0 <= made["calibration_error"] < 1
    assert b"<svg" in (tmp_path / "reliability.svg").read_bytes()
    asked = (*asked[:4], "--out", tmp_path / "unmade")
    assert aisle(*asked, "--plot", tmp_path / "nowhere" / "r.svg").returncode == 1
    assert not (tmp_path / "unmade").exists()  # refused before anything is made
    assert made["threshold"] > 0
    learnt = ask("learn", shop, "--judgments", tmp_path / "j.csv", "--out", tmp_path / "learnt", "--set", "rounds=0")
    assert learnt["queries"]["all"] == len(texts)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("[ranking]\ncalibration = 'calibration'\ncut = 0.1\n", encoding="utf-8")
    found = ask("search", shop, "linen shirt", "--recipe", recipe)
    assert {hit["product_id"] for hit in found["hits"]} <= {"1", "2", "3"}
    assert found["cut"] >= 1
    printed = aisle("search", shop, "linen shirt", "--recipe", recipe)
    assert f"({found['cut']} more were cut off as too unlikely)" in printed.stdout.decode()
    assert "note:" not in printed.stderr.decode()
    elsewhere = [replace(product, id=f"x{product.id}") for product in PRODUCTS]
    SearchEngine.build(elsewhere, tmp_path / "elsewhere", Recipe()).close()
    said = aisle("search", tmp_path / "elsewhere", "linen shirt", "--recipe", recipe).stderr.decode().splitlines()
    assert [line for line in said if "was made of another catalogue: this index has 0 of 4 of its products" in line]
    assert len(said) == 1
    manifest = tmp_path / "calibration" / "calibration.json"
    older = json.loads(manifest.read_text(encoding="utf-8"))
    assert older["details"].pop("sample") == ["1", "2", "3", "4"]
    manifest.write_text(json.dumps(older), encoding="utf-8")  # as one was made before that was recorded
    assert aisle("search", tmp_path / "elsewhere", "linen shirt", "--recipe", recipe).stderr == b""
    recipe.write_text("[ranking]\ncut = 0.05\nleast_best = 0.0\n", encoding="utf-8")
    lines = aisle("search", shop, "linen shirt", "--recipe", recipe).stderr.decode().splitlines()
    assert len(lines) == 1
    assert "[ranking] cut of" in lines[0]
    assert "cuts nothing: there is no calibration" in lines[0]
    recipe.write_text("[ranking]\nlearnt = 'learnt'\n", encoding="utf-8")
    assert "learnt" in ask("search", shop, "linen shirt", "--recipe", recipe)["hits"][0]["parts"]
    manifest = json.loads((tmp_path / "learnt" / "manifest.json").read_text(encoding="utf-8"))
    for promoted in (True, False):
        manifest["details"]["promoted"] = promoted
        (tmp_path / "learnt" / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        lines = aisle("search", shop, "linen shirt", "--recipe", recipe).stderr.decode().splitlines()
        assert sum("learnt was not promoted" in line for line in lines) == (not promoted)
    for option in ("calibrate", "learn"):
        refused = aisle(option, shop, "--judgments", tmp_path / "j.csv", "--out", shop)
        assert refused.returncode == 1
        assert "is of kind 'index'" in refused.stderr.decode()
    assert (
        aisle("calibrate", shop, "--judgments", tmp_path / "j.csv", "--out", tmp_path / "c", "--cut", "0").returncode
        == 2
    )


COMMANDS = (
    ("evaluate", ()),
    ("evaluate", ("--robustness", "--only", "typo", "--seeds", "1")),
    ("exposure", ()),
    ("calibrate", ("--out", "new")),
    ("learn", ("--out", "new")),
)


@pytest.fixture(scope="module")
def numbered(tmp_path_factory):
    """An index whose ids have zeros in front, beside judgments that a spreadsheet has been over."""
    folder = tmp_path_factory.mktemp("numbered")
    products = [replace(product, id=f"00{product.id}") for product in PRODUCTS]
    SearchEngine.build(products, folder / "shop", Recipe()).close()
    catalogue = ["id,title", *(f"{product.id},{product.title}" for product in products)]
    (folder / "catalogue.csv").write_text("\n".join(catalogue) + "\n", encoding="utf-8")
    for name, ids in (("eaten", "123"), ("other", "xyz")):
        rows = [f"shirt,{one},{n}" for n, one in enumerate(ids)]
        (folder / f"{name}.csv").write_text("\n".join(["query,docid,rating", *rows]) + "\n", encoding="utf-8")
    (folder / "some.csv").write_text("query,docid,rating\nshirt,001,0\nshirt,002,2\nshirt,3,1\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize(("command", "options"), COMMANDS)
def test_judgments_of_no_product_that_is_there_are_refused(numbered, tmp_path, command, options):
    for name, such, zeros in (("eaten", "'1'", True), ("other", "'x'", False)):
        done = aisle(command, numbered / "shop", "--judgments", numbered / f"{name}.csv", *options, cwd=tmp_path)
        said = done.stderr.decode()
        assert (done.returncode, done.stdout) == (1, b"")
        assert f"none of the 3 judged products is in the index '{numbered / 'shop'}', such as {such}" in said
        assert ("there it may be '001': zeros in front make the difference for 3" in said) == zeros
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("command", "options"), [one for one in COMMANDS if one[0] != "calibrate"])
def test_judged_products_that_are_not_there_are_counted(numbered, tmp_path, command, options):
    done = aisle(command, numbered / "shop", "--judgments", numbered / "some.csv", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    notes = [line for line in done.stderr.decode().splitlines() if line.startswith("note:")]
    assert len(notes) == 1
    assert "1 of 3 judged products, such as '3'; there it may be '003'" in notes[0]


@pytest.mark.parametrize("command", ["train", "tune"])
def test_judgments_of_another_catalogue_train_nothing(numbered, tmp_path, command):
    files = ("--catalogue", numbered / "catalogue.csv", "--judgments", numbered / "eaten.csv")
    done = aisle(command, *files, "--recipe", "head", "--out", tmp_path / "out")
    assert done.returncode == 1
    assert "none of the 3 judged products is in the catalogue" in done.stderr.decode()
    assert "there it may be '001'" in done.stderr.decode()
