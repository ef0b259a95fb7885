"""The engine end to end, on real parts: the embedded encoder and a LanceDB index over a few products."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from aisle.config import Recipe
from aisle.encoders.embedded import EmbeddedEncoder
from aisle.engine import SearchEngine
from aisle.errors import ArtifactError, CatalogueError, FilterError, FingerprintError, RequestError
from aisle.filters import parse_filter, parse_sort
from aisle.types import Product, SearchRequest

PRODUCTS = [
    Product("1", "Sony MDR-ZX110 headphones", "Foldable on-ear", "Sony", ("Audio", "Headphones"), price=19.99),
    Product("2", "Bose QuietComfort earbuds", "Noise cancelling", "Bose", ("Audio", "Headphones"), price=249.0),
    Product("3", "Brother LC51C ink cartridge cyan", "Original", "Brother", ("Printing", "Ink"), price=12.5,
            identifiers=("LC51C", "0012502612575")),
    Product("4", "Brother LC51Y ink cartridge yellow", "Original", "Brother", ("Printing", "Ink"), price=12.5,
            identifiers=("LC51Y",)),
    Product("5", "HP LaserJet Pro M404dn printer", "Monochrome", "HP", ("Printing",), price=229.0),
    Product("6", "Lenovo ThinkPad X1 Carbon notebook 14 inch", "Core i7", "Lenovo", ("Computers", "Notebooks")),
    Product("7", "Canon EOS 2000D digital camera", "DSLR, 24 MP", "Canon", ("Cameras",), price=399.0),
    Product("8", "Tripod for cameras, aluminium", "160 cm", "Hama", ("Cameras", "Tripods"), price=25.0),
    Product("9", "小米手机", "", "小米", ("手机",), price=1999.0, currency="CNY"),
    Product("10", "电饭煲", "", "美的", ("家电",), price=299.0, currency="CNY"),
]  # fmt: skip


class CountingEncoder(EmbeddedEncoder):
    """The real encoder, which remembers how many products it was given."""

    encoded = 0

    def encode(self, texts, kind):
        if kind == "product":
            self.encoded += len(texts)
        return super().encode(texts, kind)


@pytest.fixture(scope="module")
def encoder():
    return EmbeddedEncoder()


@pytest.fixture(scope="module")
def folder(tmp_path_factory, encoder):
    path = tmp_path_factory.mktemp("engine") / "shop"
    SearchEngine.build(PRODUCTS, path, encoder=encoder).close()
    return path


@pytest.fixture(scope="module")
def engine(folder, encoder):
    with SearchEngine.open(folder, encoder=encoder) as engine:
        yield engine


def ids(ranking):
    return [hit.product_id for hit in ranking.hits]


@pytest.mark.parametrize("mode", ["bm25", "dense", "hybrid"])
def test_every_mode_finds_what_the_words_say(engine, mode):
    ranking = engine.search(SearchRequest("digital camera", mode=mode, k=3))
    assert ids(ranking)[0] == "7"
    scores = [hit.score for hit in ranking.hits]
    assert scores == sorted(scores, reverse=True)
    assert [hit.rank for hit in ranking.hits] == list(range(1, len(scores) + 1))
    for hit in ranking.hits:
        assert hit.score == pytest.approx(sum(part.contribution for part in hit.parts.values()))


def test_meaning_finds_what_words_do_not(engine):
    request = SearchRequest("something to listen to music with", k=3)
    assert set(ids(engine.search(dataclasses.replace(request, mode="dense")))) == {"1", "2", "9"}  # a phone plays too
    assert ids(engine.search(request))[0] == "1"
    assert "1" not in ids(engine.search(dataclasses.replace(request, mode="bm25")))


def test_dense_scores_are_cosines(engine, encoder):
    query = encoder.encode(["headphones"], "query")[0]
    ranking = engine.search(SearchRequest("headphones", mode="dense", k=10))
    stored = engine.index.stored([p.id for p in PRODUCTS])
    want = {i: float(np.dot(query, record.vectors["text"])) for i, record in stored.items()}
    assert {hit.product_id: hit.score for hit in ranking.hits} == pytest.approx(want, abs=1e-3)


@pytest.mark.parametrize("mode", ["bm25", "dense", "hybrid"])
@pytest.mark.parametrize("query", ["LC51Y", "lc 51y", "brother lc-51y please", "LC51Y cyan headphones camera"])
def test_an_exact_identifier_comes_first(engine, mode, query):
    ranking = engine.search(SearchRequest(query, mode=mode))
    assert ids(ranking)[0] == "4"
    assert "identifier" in ranking.hits[0].parts


def test_a_gtin_finds_its_product_with_or_without_the_leading_zero(engine):
    assert ids(engine.search(SearchRequest("0012502612575")))[0] == "3"
    assert ids(engine.search(SearchRequest("12502612575")))[0] == "3"


def test_an_identifier_does_not_get_past_the_filter(engine):
    ranking = engine.search(SearchRequest("LC51Y", filter=parse_filter("brand = Bose")))
    assert ids(ranking) == ["2"]


@pytest.mark.parametrize("mode", ["bm25", "dense", "hybrid"])
def test_filters_hold_in_every_mode(engine, mode):
    ranking = engine.search(SearchRequest("ink printer camera", mode=mode, filter=parse_filter("price<30")))
    assert ids(ranking)
    assert all(hit.product.price < 30 for hit in ranking.hits)


def test_an_empty_query_browses(engine):
    for text in ("", "  \t\n"):
        ranking = engine.search(SearchRequest(text, k=4))
        assert ids(ranking) == ["1", "10", "2", "3"]
        assert ranking.total == len(PRODUCTS)
    cheap = engine.search(SearchRequest("", filter=parse_filter("price<=25"), sort=parse_sort("price:desc")))
    assert ids(cheap) == ["8", "1", "3", "4"]


def test_sorting_what_was_found(engine):
    ranking = engine.search(SearchRequest("printer ink", mode="bm25", sort=parse_sort("price")))
    prices = [hit.product.price for hit in ranking.hits]
    assert prices == sorted(prices)
    assert len(prices) >= 3


def test_pages_fit_together(engine):
    whole = ids(engine.search(SearchRequest("wireless camera", k=10)))
    assert ids(engine.search(SearchRequest("wireless camera", k=4))) == whole[:4]
    page = engine.search(SearchRequest("wireless camera", offset=4, k=3))
    assert ids(page) == whole[4:7]
    assert page.hits[0].rank == 5


def test_odd_requests_have_clear_answers(engine):
    nothing = engine.search(SearchRequest("camera", k=0))
    assert nothing.hits == ()
    assert nothing.total > 0
    assert len(engine.search(SearchRequest("camera", k=1_000_000)).hits) == len(PRODUCTS)
    assert engine.search(SearchRequest("camera", offset=1_000)).hits == ()
    long = engine.search(SearchRequest("camera " * 1_500))
    assert ids(long)[0] == "7"
    assert "cut at" in long.degraded[0]
    for text in ("😀", "???", "' OR 1=1 --", 'title:"x" AND *', "\x00", "a" * 10_000):
        engine.search(SearchRequest(text))


@pytest.mark.parametrize(
    ("change", "match"),
    [({"k": -1}, "k is -1"), ({"offset": -2}, "offset is -2"), ({"mode": "magic"}, "mode is 'magic'"),
     ({"deadline_ms": 0}, "deadline_ms is 0"), ({"k": 2.5}, "k is 2.5")],
)  # fmt: skip
def test_a_wrong_request_is_refused(engine, change, match):
    with pytest.raises(RequestError, match=match):
        engine.search(dataclasses.replace(SearchRequest("x"), **change))


def test_an_unknown_filter_field_is_refused_in_every_mode(engine):
    for mode in ("bm25", "dense", "hybrid"):
        with pytest.raises(FilterError, match="colr"):
            engine.search(SearchRequest("camera", mode=mode, filter=parse_filter("colr = red")))


def test_a_spent_deadline_leaves_out_dense_and_says_so(engine):
    ranking = engine.search(SearchRequest("camera", deadline_ms=1e-6))
    assert ids(ranking)
    assert "dense" in ranking.degraded[0]
    assert all("dense:text" not in hit.parts for hit in ranking.hits)


def test_what_a_request_waited_is_over_and_the_deadline_is_told_as_asked(engine):
    late = engine.search(SearchRequest("camera", deadline_ms=60_000.0, waited_ms=60_000.0))
    assert "dense: the deadline of 60000 ms was spent" in late.degraded
    assert engine.search(SearchRequest("camera", deadline_ms=60_000.0, waited_ms=1.0)).degraded == ()
    assert engine.search(SearchRequest("camera", waited_ms=60_000.0)).degraded == ()


def test_a_batch_answers_like_single_searches(engine):
    requests = [
        SearchRequest(text, mode=mode) for text in ("ink", "", "camera bag", "手机") for mode in ("bm25", "hybrid")
    ]
    batch = list(engine.search_batch(requests, chunk=3))
    assert [ids(r) for r in batch] == [ids(engine.search(r)) for r in requests]


def test_a_run_is_the_hits_without_their_products(engine):
    requests = [SearchRequest(text, mode="hybrid", k=4, offset=1) for text in ("ink", "", "LC51Y camera")]
    rankings = engine.search_batch(requests)
    want = [tuple((hit.product_id, hit.score) for hit in ranking.hits) for ranking in rankings]
    assert list(engine.run_batch(requests)) == want
    assert all(want)


def test_chinese_words(engine):
    assert ids(engine.search(SearchRequest("手机", mode="bm25")))[0] == "9"


class LongestTitle:
    def score(self, query, products):
        return np.array([len(p.title) for p in products], dtype=np.float32)


def test_a_reranker_reads_products_and_decides(folder, encoder):
    with SearchEngine.open(folder, encoder=encoder, reranker=LongestTitle()) as engine:
        ranking = engine.search(SearchRequest("camera", mode="dense", k=10))
        assert ids(ranking)[0] == "6"
        assert ranking.hits[0].parts["rerank"].rank == 1


def test_a_reranker_does_not_displace_an_exact_identifier(folder, encoder):
    with SearchEngine.open(folder, encoder=encoder, reranker=LongestTitle()) as engine:
        ranking = engine.search(SearchRequest("LC51C"))
        assert ids(ranking)[0] == "3"
        hit = ranking.hits[0]
        assert hit.score == pytest.approx(sum(part.contribution for part in hit.parts.values()))


def test_search_with_another_renderer_is_refused_with_the_cure(folder, encoder):
    recipe = Recipe.from_toml('[render]\nfields = ["title"]')
    with pytest.raises(FingerprintError, match=r"renderer(.|\n)*index the catalogue again"):
        SearchEngine.open(folder, recipe, encoder=encoder)


def test_fusion_weights_may_differ_from_the_index(folder, encoder):
    recipe = Recipe.from_toml('[search.weights]\n"dense:text" = 0.0')
    with SearchEngine.open(folder, recipe, encoder=encoder) as engine:
        hit = engine.search(SearchRequest("camera")).hits[0]
        assert hit.parts["dense:text"].contribution == 0.0


def test_save_copies_a_whole_engine(engine, tmp_path, encoder):
    engine.save(tmp_path / "copy")
    with SearchEngine.open(tmp_path / "copy", encoder=encoder) as copy:
        request = SearchRequest("ink")
        assert ids(copy.search(request)) == ids(engine.search(request))
    with pytest.raises(ArtifactError, match="exists"):
        engine.save(tmp_path / "copy")


def test_only_what_changed_is_encoded_again(tmp_path):
    counting = CountingEncoder()
    out = tmp_path / "shop"
    SearchEngine.build(PRODUCTS, out, encoder=counting).close()
    assert counting.encoded == len(PRODUCTS)
    cheaper = [dataclasses.replace(PRODUCTS[0], price=9.99, stock=3), *PRODUCTS[1:8]]
    renamed = [*cheaper[:7], dataclasses.replace(PRODUCTS[7], title="Monopod")]
    with SearchEngine.build(renamed, out, encoder=counting) as engine:
        assert counting.encoded == len(PRODUCTS) + 1
        assert engine.index.count() == 8
        assert engine.index.get(["1"])[0] == renamed[0]
        assert engine.index.get(["9"]) == (None,)
        assert ids(engine.search(SearchRequest("monopod", k=1))) == ["8"]


def test_another_recipe_replaces_the_index(tmp_path, encoder):
    out = tmp_path / "shop"
    SearchEngine.build(PRODUCTS, out, encoder=encoder).close()
    recipe = Recipe.from_toml('[render]\nfields = ["title"]')
    with SearchEngine.build(PRODUCTS[:3], out, recipe, encoder=encoder) as engine:
        assert engine.index.count() == 3
    assert [path.name for path in tmp_path.iterdir()] == ["shop"]


def test_a_failed_build_leaves_nothing_behind(tmp_path, encoder):
    def breaking():
        yield from PRODUCTS[:5]
        raise CatalogueError("row 6 is broken")

    with pytest.raises(CatalogueError, match="row 6"):
        SearchEngine.build(breaking(), tmp_path / "shop", encoder=encoder)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(CatalogueError, match="no products"):
        SearchEngine.build([], tmp_path / "shop", encoder=encoder)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_update_loses_nothing(tmp_path, encoder):
    out = tmp_path / "shop"
    SearchEngine.build(PRODUCTS, out, encoder=encoder).close()
    with pytest.raises(CatalogueError, match="no products"):
        SearchEngine.build([], out, encoder=encoder)
    with SearchEngine.open(out, encoder=encoder) as engine:
        assert engine.index.count() == len(PRODUCTS)


def test_an_update_that_fails_midway_changes_nothing(tmp_path, encoder, monkeypatch):
    out = tmp_path / "shop"
    SearchEngine.build(PRODUCTS, out, encoder=encoder).close()
    monkeypatch.setattr("aisle.build.BATCH", 2)

    def breaking():
        yield from (dataclasses.replace(product, title="changed") for product in PRODUCTS[:4])
        yield Product("new", "new")
        raise CatalogueError("row 6 is broken")

    with pytest.raises(CatalogueError, match="row 6"):
        SearchEngine.build(breaking(), out, encoder=encoder)
    with SearchEngine.open(out, encoder=encoder) as engine:
        assert list(engine.index.get([product.id for product in PRODUCTS])) == PRODUCTS
        assert engine.index.count() == len(PRODUCTS)
        assert ids(engine.search(SearchRequest("digital camera", k=1))) == ["7"]


def test_two_products_with_one_id_are_refused(tmp_path, encoder):
    with pytest.raises(CatalogueError, match="two products have the id '1'"):
        SearchEngine.build([PRODUCTS[0], PRODUCTS[1], PRODUCTS[0]], str(tmp_path / "shop"), encoder=encoder)
    assert list(tmp_path.iterdir()) == []


def test_an_index_replaced_under_an_open_engine_is_noticed(tmp_path, encoder):
    out = tmp_path / "shop"
    with SearchEngine.build(PRODUCTS, out, encoder=encoder) as engine:
        SearchEngine.build(PRODUCTS[:3], out, encoder=encoder).close()
        assert len(engine.search(SearchRequest("", k=10)).hits) == 3  # brought up to date in place: goes on
        recipe = Recipe.from_toml('[render]\nfields = ["title"]')
        SearchEngine.build(PRODUCTS[:3], out, recipe, encoder=encoder).close()
        with pytest.raises(FingerprintError, match="was replaced"):
            engine.search(SearchRequest("camera"))


def test_a_damaged_table_is_built_again(tmp_path, encoder):
    out = tmp_path / "shop"
    SearchEngine.build(PRODUCTS, out, encoder=encoder).close()
    shutil.rmtree(out / "lance" / "products.lance")
    with SearchEngine.build(PRODUCTS, out, encoder=encoder) as engine:
        assert engine.index.count() == len(PRODUCTS)


def test_a_kill_between_the_renames_loses_nothing(tmp_path, encoder):
    out = tmp_path / "shop"
    SearchEngine.build(PRODUCTS, out, encoder=encoder).close()
    out.rename(tmp_path / ".shop.old")
    counting = CountingEncoder()
    SearchEngine.build(PRODUCTS, out, encoder=counting).close()
    assert counting.encoded == 0
    assert [path.name for path in tmp_path.iterdir()] == ["shop"]


def test_a_folder_with_other_things_is_not_touched(tmp_path, encoder):
    (tmp_path / "thesis.tex").write_text("ten years of work")
    with pytest.raises(ArtifactError, match="not an Aisle index"):
        SearchEngine.build(PRODUCTS, tmp_path, encoder=encoder)
    assert (tmp_path / "thesis.tex").read_text() == "ten years of work"


KILLED_BUILD = """
import sys
from pathlib import Path
import aisle.build
from aisle.engine import SearchEngine
from aisle.types import Product
aisle.build.BATCH = 20
def products():
    for n in range(200):
        if n == 100:
            print("half", flush=True)
            sys.stdin.readline()
        yield Product(f"p{n:03}", f"product number {n}")
SearchEngine.build(products(), Path(sys.argv[1]))
"""


def test_a_killed_build_goes_on_where_it_stopped(tmp_path):
    out = tmp_path / "shop"
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED_BUILD, str(out)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "half\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdin.close()
    process.stdout.close()
    assert not out.exists()
    counting = CountingEncoder()
    products = [Product(f"p{n:03}", f"product number {n}") for n in range(200)]
    with SearchEngine.build(products, out, encoder=counting) as engine:
        assert engine.index.count() == 200
    assert counting.encoded == 100
    assert [path.name for path in tmp_path.iterdir()] == ["shop"]
    assert json.loads((out / "manifest.json").read_text())["details"]["products"] == 200
