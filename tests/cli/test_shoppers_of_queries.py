"""`--shoppers` of the commands that search the queries of a file: each as its shopper, against searches."""

import pytest

from aisle.engine import SearchEngine
from aisle.judgments import read_run
from tests.shoppers_shop import HELD_OUT, KINDS, OTHER, judged, products, shopper
from tests.test_cli_end_to_end import aisle, ask

CASE = "views:brand"
ASKED = {f"{noun} for {kind}": (noun, kind) for noun in HELD_OUT for kind in KINDS}


def viewed_table(shoppers):
    rows = [f"{query_id}\t{'|'.join(one.viewed)}" for query_id, one in shoppers.items()]
    return "\n".join(["query_id\tviewed", *rows]) + "\n"


def judgments_table(judgments):
    return "\n".join(["query_id,query,docid,rating", *(",".join(map(str, one)) for one in judgments)]) + "\n"


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A shop with a combination that reads who asks, and judgments and shoppers of nouns that it was not taught."""
    folder = tmp_path_factory.mktemp("shoppers_of_queries")
    SearchEngine.build(products(CASE), folder / "shop").close()
    judgments, shoppers = judged(CASE)
    rows = [(one.query_id, one.query, one.product_id, one.grade) for one in judgments]
    (folder / "taught.csv").write_text(judgments_table(rows), encoding="utf-8")
    (folder / "taught.tsv").write_text(viewed_table(shoppers), encoding="utf-8")
    held_out = {name: shopper(CASE, kind, noun, HELD_OUT) for name, (noun, kind) in ASKED.items()}
    rows = [
        (name, noun, f"{noun}-{which}", float(which == kind))
        for name, (noun, kind) in ASKED.items()
        for which in (kind, OTHER[kind])
    ]
    (folder / "j.csv").write_text(judgments_table(rows), encoding="utf-8")
    (folder / "who.tsv").write_text(viewed_table(held_out), encoding="utf-8")
    (folder / "recipe.toml").write_text("[ranking]\nlearnt = 'learnt'\n", encoding="utf-8")
    ask(
        "learn", folder / "shop", "--judgments", folder / "taught.csv", "--shoppers", folder / "taught.tsv",
        "--set", "rounds=0", "--set", "depth=30", "--out", folder / "learnt",
    )  # fmt: skip
    return folder


def measured(folder, *more, recipe="recipe.toml"):
    return ("evaluate", folder / "shop", "--judgments", folder / "j.csv", "--recipe", folder / recipe, *more)


def test_a_run_asks_each_query_as_its_shopper(work, tmp_path):
    asked = ("run", work / "shop", "--queries", work / "j.csv", "--recipe", work / "recipe.toml", "-k", "5")
    assert aisle(*asked, "--shoppers", work / "who.tsv", "--out", tmp_path / "known.trec").returncode == 0
    assert aisle(*asked, "--out", tmp_path / "unknown.trec").returncode == 0
    known, unknown = (
        {name.replace("_", " "): found for name, found in read_run(tmp_path / f"{which}.trec").items()}
        for which in ("known", "unknown")
    )
    assert known.keys() == ASKED.keys()
    assert {name: found[0][0] for name, found in known.items()} == {
        name: f"{noun}-{kind}" for name, (noun, kind) in ASKED.items()
    }
    for name, (noun, kind) in list(ASKED.items())[:2]:
        seen = [word for one in shopper(CASE, kind, noun, HELD_OUT).viewed for word in ("--viewed", one)]
        found = ask("search", work / "shop", noun, "--recipe", work / "recipe.toml", "-k", "5", *seen)
        assert [hit["product_id"] for hit in found["hits"]] == [product_id for product_id, _ in known[name]]
        assert [hit["score"] for hit in found["hits"]] == pytest.approx([score for _, score in known[name]], abs=1e-5)
        assert unknown[name] == unknown[f"{noun} for {OTHER[kind]}"]


def test_an_evaluation_and_its_robustness_know_who_asked(work):
    scores = {}
    for more in ((), ("--shoppers", work / "who.tsv")):
        modes = ask(*measured(work, *more), "--metrics", "nDCG@1")["modes"]
        scores[bool(more)] = {mode: found["metrics"]["nDCG@1"]["wrong"]["mean"] for mode, found in modes.items()}
        asked = measured(work, "--robustness", "--only", "typo", "--seeds", "1", *more)
        clean = ask(*asked)["robustness"]["removed"]["clean"]["mean"]
        scores[bool(more)]["again"] = clean
    assert scores[True]["hybrid"] == 1
    assert scores[False]["hybrid"] == pytest.approx(0.5)  # one answer for both shoppers
    assert scores[True]["again"] == 1 > scores[False]["again"]
    assert scores[True]["bm25"] == scores[False]["bm25"]  # the combination orders hybrid search alone


def test_exposure_follows_what_each_shopper_sees(work):
    """Half of the shoppers look for each brand; who is not known sees one of them first, whichever it is."""
    asked = ("exposure", work / "shop", "--judgments", work / "j.csv", "--recipe", work / "recipe.toml", "--cutoff", 1)
    known, unknown = (
        {group["group"]: group["exposure"]["mean"] for group in ask(*asked, *more)["kinds"]["brand"]["wrong"]["groups"]}
        for more in (("--shoppers", work / "who.tsv"), ())
    )
    assert known == pytest.approx({"Holm": 0.5, "Veno": 0.5})
    assert unknown != pytest.approx(known)


def test_a_calibration_is_of_what_each_shopper_sees(work, tmp_path):
    made = {}
    for name, more in (("known", ("--shoppers", work / "who.tsv")), ("unknown", ())):
        made[name] = ask(
            "calibrate", work / "shop", "--judgments", work / "j.csv", "--recipe", work / "recipe.toml",
            "--out", tmp_path / name, *more,
        )  # fmt: skip
    chances = {name: [one["probability"] for one in found["reliability"]] for name, found in made.items()}
    assert chances["unknown"] == pytest.approx([0.5] * 10)  # one answer for two shoppers: right for one of them
    assert min(chances["known"]) < 0.1 < 0.9 < max(chances["known"])
    assert made["known"]["threshold_without_guarantee"] > 0.9 > made["unknown"]["threshold_without_guarantee"]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("query_id,viewed\nnobody,bin-oak\n", "a shopper asked query 'nobody', which is not among the queries"),
        ("query_id,viewed\nbin for oak,bin-oak\nbin for oak,jug-oak\n", "'bin for oak' stands at line 2 already"),
        ("query_id,price_low,price_high\nbin for oak,9,5\n", "line 2: the price band is (9.0, 5.0)"),
        ("query_id,colour\nbin for oak,red\n", "say of no query what its shopper viewed"),
    ],
)
@pytest.mark.parametrize("command", ["run", "evaluate", "evaluate --robustness", "calibrate", "exposure"])
def test_a_file_that_cannot_be_used_is_one_error_and_leaves_nothing(work, tmp_path, command, rows, said):
    (tmp_path / "who.csv").write_text(rows, encoding="utf-8")
    asked = [*command.split(), work / "shop", "--queries" if command == "run" else "--judgments", work / "j.csv"]
    asked += ["--out", tmp_path / "out"] if command in ("run", "calibrate") else []
    done = aisle(*asked, "--shoppers", tmp_path / "who.csv")
    assert done.returncode == 1
    assert said in done.stderr.decode()
    assert not (tmp_path / "out").exists()


def test_who_asks_is_refused_where_nothing_is_searched_and_noted_where_nothing_reads_it(work, tmp_path):
    aisle("run", work / "shop", "--queries", work / "j.csv", "--out", tmp_path / "a.trec")
    who = ("--shoppers", work / "who.tsv")
    done = aisle("evaluate", tmp_path / "a.trec", "--judgments", work / "j.csv", *who)
    assert (done.returncode, "--shoppers changes nothing in" in done.stderr.decode()) == (1, True)
    for kind in ("--robustness", "--bias"):
        done = aisle("evaluate", kind, "--pairs", work / "j.csv", "--model", "embedded", *who)
        assert (
            done.returncode,
            f"--shoppers beside {'--bias' if kind == '--bias' else '--pairs'}" in done.stderr.decode(),
        ) == (1, True)
    done = aisle("run", work / "shop", "--queries", work / "j.csv", "--out", tmp_path / "b.trec", *who)
    assert done.returncode == 0
    assert "note: --shoppers changes nothing" in done.stderr.decode()
    reading = ("run", work / "shop", "--queries", work / "j.csv", "--recipe", work / "recipe.toml", *who)
    for mode, said in {"hybrid": False, "bm25": True, "dense": True}.items():
        done = aisle(*reading, "--mode", mode, "--out", tmp_path / f"{mode}.trec")
        assert ("note: --shoppers changes nothing" in done.stderr.decode()) == said, mode
    one, other = (read_run(tmp_path / name) for name in ("a.trec", "b.trec"))
    assert {name: found[0][0] for name, found in one.items()} == {name: found[0][0] for name, found in other.items()}
    done = aisle("run", work / "shop", "--queries", work / "j.csv", "--out", work / "who.tsv", *who)
    assert (done.returncode, "who.tsv', which is read" in done.stderr.decode()) == (1, True)
