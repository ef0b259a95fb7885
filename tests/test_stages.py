"""Every stage of `[ranking]` through a real engine: what it does, that it is recorded, and that nothing is lost."""

import shutil
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from aisle.calibrate import calibrate
from aisle.config import Recipe
from aisle.encoders.embedded import EmbeddedEncoder
from aisle.engine import SearchEngine
from aisle.errors import ArtifactError, FingerprintError, InputError, RecipeError
from aisle.filters import parse_filter, parse_sort
from aisle.ranking.diversity import diversify
from aisle.training.calibrate import CalibrationSettings
from aisle.types import MODES, Judgment, Product, SearchRequest

RED = {"colour": "red"}
FITS = "MFC-240C, DCP-130C, MFC-440CN"
INK = {"compatibility": FITS}
PRODUCTS = [
    Product("phone-mi", "小米手机 12 8+256G 黑色", "", "小米", price=2999.0, attributes={"颜色": "黑色"}),
    Product("phone-hw", "华为手机 P40 5G 红色", "", "华为", price=3999.0, attributes={"颜色": "红色"}),
    Product("shirt-red-s", "Basic cotton shirt red", brand="Acme", price=19.0, attributes=RED, family="f1"),
    Product("shirt-red-m", "Basic cotton shirt red M", brand="Acme", price=19.5, attributes=RED, family="f1"),
    Product("shirt-red-l", "Basic cotton shirt red L", brand="Acme", price=20.0, attributes=RED, family="f1"),
    Product("shirt-blue", "Linen shirt blue", "", "Nord", price=49.0, attributes={"colour": "blue"}, family="f2"),
    Product("shirt-green", "Flannel shirt green", "", "Nord", price=59.0, attributes={"colour": "green"}),
    Product("printer", "Brother MFC-240C printer", "", "Brother", price=99.0, identifiers=("MFC-240C",)),
    Product("ink-c", "Brother LC1000C cyan ink cartridge", "", "Brother", price=9.0, attributes=INK),
    Product("ink-k", "Brother LC1000BK black ink cartridge", "", "Brother", price=9.5,
            attributes=INK),
    Product("ink-hp", "HP 301 black ink cartridge", "", "HP", price=12.0, attributes={"compatibility": "DeskJet 2540"}),
    Product("knife", "Hunting knife", "", "Sharp", ("Weapons",), price=29.0),
]  # fmt: skip


@pytest.fixture(scope="module")
def encoder():
    return EmbeddedEncoder()


@pytest.fixture(scope="module")
def folder(tmp_path_factory, encoder):
    path = tmp_path_factory.mktemp("stages") / "shop"
    SearchEngine.build(PRODUCTS, path, encoder=encoder).close()
    return path


@pytest.fixture
def opened(folder, encoder, tmp_path):
    """Opens the index with a recipe given as TOML, and files beside it."""
    engines = []

    def open_with(recipe="", **files):
        for name, text in files.items():
            (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
        (tmp_path / "recipe.toml").write_text(recipe, encoding="utf-8")
        engine = SearchEngine.open(folder, Recipe.load(tmp_path / "recipe.toml"), encoder=encoder)
        engines.append(engine)
        return engine

    yield open_with
    for engine in engines:
        engine.close()


def ids(ranking):
    return [hit.product_id for hit in ranking.hits]


def check_parts(ranking):
    scores = [hit.score for hit in ranking.hits]
    assert scores == sorted(scores, reverse=True)
    for hit in ranking.hits:
        assert sum(part.contribution for part in hit.parts.values()) == pytest.approx(hit.score)


# --- rules -------------------------------------------------------------------------------------------------

RULES = """
[[rule]]
name = "linen"
when = { query = ["shirt"] }
pin = ["shirt-green", "knife"]
boost = { filter = "brand = 'Nord'", by = 0.5 }
block = ["shirt-red-l"]
[[rule]]
name = "campaign"
when = { query = ["phones", "手机"] }
from = 2026-11-01
until = 2026-11-30
redirect = "/phones"
[safety]
filter = "category UNDER 'Weapons'"
products = ["ink-hp"]
queries = ["bomb"]
"""


def test_rules_pin_boost_block_and_are_recorded(opened):
    ranking = opened("[ranking]\nrules = 'rules.toml'", rules=RULES).search(SearchRequest("cotton shirt", k=20))
    assert ids(ranking)[0] == "shirt-green", "pinned"
    assert "shirt-red-l" not in ids(ranking)
    found = {hit.product_id: hit for hit in ranking.hits}
    assert found["shirt-green"].parts["rule:linen"].rank == 1
    assert found["shirt-blue"].parts["rule:linen"].score == pytest.approx(0.5)
    assert found["shirt-red-s"].parts["rule:linen"].contribution == 0, "the block is recorded on every hit"
    check_parts(ranking)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "text", ["hunting knife", "", "knife", "ink-hp", "HP 301 black ink cartridge", "ink for MFC-240C"]
)
def test_nothing_overrides_the_safety_list(opened, mode, text):
    engine = opened("[ranking]\nrules = 'rules.toml'", rules=RULES)
    ranking = engine.search(SearchRequest(text, k=50, mode=mode))
    assert ranking.hits or mode == "bm25"
    assert not {"knife", "ink-hp"} & set(ids(ranking))
    run = next(engine.run_batch([SearchRequest(text, k=50, mode=mode)]))
    assert not {"knife", "ink-hp"} & {product_id for product_id, _ in run}
    assert ranking.total == len(PRODUCTS) - 2 or text


def test_a_refused_query_and_a_redirect_say_so(opened):
    engine = opened("[ranking]\nrules = 'rules.toml'", rules=RULES)
    refused = engine.search(SearchRequest("BOMB shirt"))
    assert (refused.hits, refused.total, refused.refused) == ((), 0, "This shop does not answer this search.")
    assert next(engine.run_batch([SearchRequest("a bomb")])) == ()
    engine.stages.now = lambda: datetime(2026, 11, 15, tzinfo=UTC)
    assert engine.search(SearchRequest("手机")).redirect == "/phones"
    engine.stages.now = lambda: datetime(2026, 12, 1, tzinfo=UTC)
    assert engine.search(SearchRequest("手机")).redirect is None


def test_rules_that_cannot_be_read_are_an_error_at_once(opened):
    with pytest.raises(RecipeError, match=r"rules\.toml"):
        opened("[ranking]\nrules = 'rules.toml'", rules="[[rule]]\nname = 'x'\nwhen = 3")


# --- demands -----------------------------------------------------------------------------------------------


def test_demands_move_products_and_are_told(opened):
    plain = opened().search(SearchRequest("shirt blue", k=20))
    asked = opened("[ranking]\ndemands = 'boost'\ndemand_weight = 0.5").search(SearchRequest("shirt blue", k=20))
    assert ids(asked)[0] == "shirt-blue"
    found = {hit.product_id: hit for hit in asked.hits}
    assert found["shirt-blue"].parts["asked:colour"].contribution > 0
    assert found["shirt-green"].parts["asked:colour"].contribution < 0
    assert "asked:colour" not in found["printer"].parts, "silent products stay"
    assert any(told.startswith("colour: blue") for told in asked.rewrites)
    assert set(ids(plain)) == set(ids(asked))
    check_parts(asked)


def test_a_price_is_a_filter_and_no_word(opened):
    recipe = "[ranking]\ndemands = 'filter'\ncertain = 0.5"
    ranking = opened(recipe).search(SearchRequest("shirt under 30", k=20))
    assert ids(ranking)[0].startswith("shirt-red")
    assert all(hit.product.price < 30 for hit in ranking.hits)
    chinese = opened(recipe).search(SearchRequest("手机3500元以内", k=20))
    assert ids(chinese)[0] == "phone-mi"
    assert "phone-hw" not in ids(chinese)


def test_demands_that_nothing_meets_are_given_up_and_the_answer_says_which(opened):
    recipe = "[ranking]\ndemands = 'filter'\ncertain = 0.5"
    request = SearchRequest("blue shirt under 30", filter=parse_filter("brand = 'Nord'"), k=20)
    ranking = opened(recipe).search(request)
    assert set(ids(ranking)) == {"shirt-blue", "shirt-green"}, "the shopper's own filter is never given up"
    assert any("searched without" in told and "price" in told for told in ranking.rewrites)


def test_an_index_of_an_older_version_says_what_to_do(opened, folder, tmp_path, encoder):
    older = tmp_path / "older"
    shutil.copytree(folder, older)
    (older / "facts.json").unlink()
    (older / "compatibility.json").unlink()
    recipe = replace(Recipe(), ranking=replace(Recipe().ranking, demands="boost"))
    with (
        SearchEngine.open(older, recipe, encoder=encoder) as engine,
        pytest.raises(ArtifactError, match=r"no facts\.json"),
    ):
        engine.search(SearchRequest("shirt"))
    with SearchEngine.open(older, Recipe(), encoder=encoder) as engine:
        assert engine.search(SearchRequest("ink for MFC-240C")).hits


# --- knowledge ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["ink for MFC-240C", "mfc240c 墨盒"])
def test_what_fits_the_device_comes_before_the_device_itself(opened, text):
    ranking = opened().search(SearchRequest(text, k=20))
    assert set(ids(ranking)[:2]) == {"ink-c", "ink-k"}
    assert ranking.hits[0].parts["compatible"].score >= 0.8  # stated; as sure as that the device is what is asked for
    assert "identifier" not in {stage for hit in ranking.hits for stage in hit.parts}
    check_parts(ranking)
    off = opened("[ranking]\ncompatibility = 0.0").search(SearchRequest(text, k=20))
    assert ids(off)[0] == "printer", "an identifier like any other"
    assert ids(opened().search(SearchRequest("MFC-240C")))[0] == "printer"


def test_a_category_named_by_the_whole_query_brings_all_under_it(opened):
    ranking = opened().search(SearchRequest("weapons", k=20))
    assert ids(ranking)[0] == "knife"
    assert ranking.hits[0].parts["category"].score == pytest.approx(0.9)
    assert "category: Weapons" in ranking.rewrites
    check_parts(ranking)
    assert not any("category" in hit.parts for hit in opened().search(SearchRequest("weapons shirt", k=20)).hits)
    kept_out = SearchRequest("weapons", filter=parse_filter("price < 10"), k=20)
    assert "knife" not in ids(opened().search(kept_out))
    off = opened("[ranking]\ncategory = 0.0").search(SearchRequest("weapons", k=20))
    assert not any("category" in hit.parts for hit in off.hits)


def test_what_fits_obeys_the_filter(opened):
    request = SearchRequest("ink for MFC-240C", filter=parse_filter("price > 9.2"), k=20)
    assert "ink-c" not in ids(opened().search(request))
    assert ids(opened().search(request))[0] == "ink-k"


# --- order -------------------------------------------------------------------------------------------------


def test_one_tile_a_family_and_nothing_lost(opened):
    recipe = "[ranking.diversity]\nper_family = 1\npage = 3\nmargin = 1.0"
    plain = opened().search(SearchRequest("shirt", k=20))
    varied = opened(recipe).search(SearchRequest("shirt", k=20))
    assert [hit.product.family for hit in varied.hits[:3]].count("f1") == 1
    assert [hit.product.family for hit in plain.hits[:3]].count("f1") > 1
    assert sorted(ids(varied)) == sorted(ids(plain))
    check_parts(varied)
    pages = [ids(opened(recipe).search(SearchRequest("shirt", k=3, offset=at))) for at in (0, 3, 6)]
    assert [product_id for page in pages for product_id in page] == ids(varied)[:9], "pages fit together"


def test_under_the_learnt_combination_caps_weigh_what_the_fusion_gave(opened):
    """Its own scores are moved up above what it did not read; the shares of those would let no product pass."""
    recipe = "[ranking.diversity]\nper_family = 1\npage = 3\nmargin = 0.35"
    engine = opened(recipe)
    plain = opened().ranked(SearchRequest("red shirt"))
    assert all("learnt" in parts for _, _, parts in plain)
    fused = {key: sum(parts[s].contribution for s in ("bm25", "dense:text") if s in parts) for key, _, parts in plain}
    products = {product.id: product for product in PRODUCTS}
    caps = engine.recipe.ranking.diversity
    wanted = [item[0] for item in diversify(plain, products, {}, caps, fused)]
    assert [item[0] for item in engine.ranked(SearchRequest("red shirt"))] == wanted
    assert [item[0] for item in diversify(plain, products, {}, caps)] != wanted


def test_the_reranker_of_the_recipe_is_used(opened):
    ranking = opened("[ranking]\nmodel = 'embedded'").search(SearchRequest("cotton shirt", mode="bm25", k=5))
    assert all("rerank" in hit.parts for hit in ranking.hits)
    check_parts(ranking)
    with pytest.raises(ArtifactError, match="no such re-ranker"):
        opened("[ranking]\nmodel = './nowhere'")


def test_a_sort_is_by_fields_whatever_the_stages(opened):
    recipe = "[ranking]\nrules = 'rules.toml'\nmodel = 'embedded'\n[ranking.diversity]\nper_family = 1"
    ranking = opened(recipe, rules=RULES).search(SearchRequest("shirt", sort=parse_sort("price"), k=20))
    prices = [hit.product.price for hit in ranking.hits]
    assert prices == sorted(prices)
    assert not {"shirt-red-l", "knife", "ink-hp"} & set(ids(ranking))


def test_facets_count_exactly_what_is_ranked(opened):
    engine = opened("[ranking]\nrules = 'rules.toml'", rules=RULES)
    request = SearchRequest("shirt", filter=parse_filter("price > 1"), k=2)
    everything = engine.search(replace(request, k=50))
    wanted: dict[str, int] = {}
    for hit in everything.hits:
        wanted[hit.product.brand] = wanted.get(hit.product.brand, 0) + 1
    counted = {value.value: value.count for value in engine.facets(request, ["brand"]).fields["brand"]}
    assert counted == wanted
    assert sum(counted.values()) == everything.total == engine.search(request).total
    only = replace(request, filter=parse_filter("price > 1 AND brand = 'Nord'"))
    both = engine.facets(only, ["brand", "colour"]).fields
    assert {value.value: value.count for value in both["brand"]} == wanted, "its own condition is left out"
    assert {value.value for value in both["colour"]} == {"blue", "green"}
    everywhere = engine.facets(SearchRequest(""), ["brand"]).fields["brand"]
    assert sum(value.count for value in everywhere) == len(PRODUCTS) - 2
    assert engine.facets(SearchRequest("bomb"), ["brand"]).fields["brand"] == ()


# --- the cut-off -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def calibrated(folder, encoder, tmp_path_factory):
    """A calibration from judgments of the small shop: one kind of product is right for each query."""
    kinds = {"shirt": "shirt", "cotton shirt": "shirt", "ink cartridge": "ink", "black ink": "ink", "手机": "phone"}
    more = {f"{text} {word}": kind for text, kind in kinds.items() for word in ("shop", "new", "buy", "online")}
    judgments = [
        Judgment(text, text, product.id, float(product.id.startswith(kind)))
        for text, kind in (kinds | more).items()
        for product in PRODUCTS
    ]
    out = tmp_path_factory.mktemp("calibration") / "made"
    with SearchEngine.open(folder, encoder=encoder) as engine:
        calibrate(engine, judgments, CalibrationSettings()).save(out)
    return out


def test_a_list_ends_where_relevance_does_and_counts_agree(opened, calibrated):
    engine = opened(f"[ranking]\ncalibration = '{calibrated}'\ncut = 0.1")
    for text, kind in (("flannel shirt", "shirt"), ("cyan ink", "ink")):
        ranking = engine.search(SearchRequest(text, k=50))
        whole = opened("").search(SearchRequest(text, k=50))
        assert len({one for one in ids(ranking) if one.startswith(kind)}) >= 2
        assert ranking.cut == whole.total - ranking.total > 0
        assert len(ranking.hits) == ranking.total
        assert ids(ranking) == [one for one in ids(whole) if one in set(ids(ranking))], "the order stays"
        probabilities = [hit.parts["relevance"].score for hit in ranking.hits]
        assert min(probabilities) >= engine.stages.calibration.threshold(0.1)
        counted = engine.facets(SearchRequest(text), ["brand"]).fields["brand"]
        assert sum(value.count for value in counted) == ranking.total
        by_price = engine.search(SearchRequest(text, k=50, sort=parse_sort("price")))
        assert set(ids(by_price)) == set(ids(ranking))
        check_parts(ranking)


def test_no_good_result_is_an_answer(opened, calibrated):
    ranking = opened(f"[ranking]\ncalibration = '{calibrated}'\nleast_best = 0.999999").search(
        SearchRequest("zeppelin")
    )
    assert (ranking.hits, ranking.total, ranking.no_good_result) == ((), 0, True)
    assert not opened().search(SearchRequest("zeppelin")).no_good_result


def test_a_ranking_that_the_calibration_does_not_know_is_not_cut(opened, calibrated):
    engine = opened(f"[ranking]\ncalibration = '{calibrated}'\ncut = 0.1")
    words = engine.search(SearchRequest("shirt", mode="bm25", k=50))
    assert words.cut == 0
    assert any(reason.startswith("cut-off:") for reason in words.degraded)
    with pytest.raises(FingerprintError, match=r"calibration .* was made with fusion"):
        opened(f"[ranking]\ncalibration = '{calibrated}'\n[search]\nfusion = 'ranks'")
    with pytest.raises(FingerprintError, match="made with model none"):
        opened(f"[ranking]\ncalibration = '{calibrated}'\nmodel = 'embedded'")
    with pytest.raises(InputError, match="has a calibration, rules or diversity already"):
        calibrate(engine, [], CalibrationSettings())


def test_a_sort_cuts_as_the_order_by_relevance_does(opened, calibrated, folder, encoder, tmp_path):
    recipe = replace(Recipe(), ranking=replace(Recipe().ranking, model="embedded"))
    judged = ["shirt", "linen shirt", "ink", "black ink", "手机"]
    judgments = [
        Judgment(text, text, product.id, float(product.id.startswith(kind)))
        for text, kind in zip(judged * 5, ["shirt", "shirt", "ink", "ink", "phone"] * 5, strict=True)
        for product in PRODUCTS
    ]
    spelt = [
        replace(one, query=f"{one.query} {n // 60}", query_id=f"{one.query} {n // 60}")
        for n, one in enumerate(judgments)
    ]
    with SearchEngine.open(folder, recipe, encoder=encoder) as engine:
        calibrate(engine, spelt, CalibrationSettings()).save(tmp_path / "reranked")
    engine = opened("[ranking]\nmodel = 'embedded'\ncalibration = 'reranked'\ncut = 0.2")
    plain, by_price = (
        engine.search(SearchRequest("flannel shirt", k=50, sort=sort)) for sort in ((), parse_sort("price"))
    )
    assert plain.cut > 0
    assert set(ids(plain)) == set(ids(by_price))
    assert engine.facets(SearchRequest("flannel shirt", sort=parse_sort("price")), ["brand"]) == engine.facets(
        SearchRequest("flannel shirt"), ["brand"]
    )
    for changed in ("cut_depth = 3", "demands = 'boost'"):
        with pytest.raises(FingerprintError, match="the calibration"):
            opened(f"[ranking]\nmodel = 'embedded'\ncalibration = 'reranked'\n{changed}")


def test_counting_ids_leaks_nothing(opened):
    engine = opened("[ranking]\nrules = 'rules.toml'", rules=RULES)
    for text in ("shirt", "", "bomb"):
        request = SearchRequest(text, k=50)
        counted = {value.value for value in engine.facets(request, ["id"]).fields["id"]}
        assert counted == set(ids(engine.search(request)))


def test_facets_and_total_agree_under_a_sort(opened):
    request = SearchRequest("cotton shirt", sort=parse_sort("price"), k=50)
    counted = opened().facets(request, ["brand"]).fields["brand"]
    assert sum(value.count for value in counted) == opened().search(request).total


def test_two_devices_in_one_query(opened):
    ranking = opened().search(SearchRequest("ink for MFC-240C DeskJet 2540", k=20))
    assert {"ink-c", "ink-k", "ink-hp"} == set(ids(ranking)[:3])
    check_parts(ranking)


def test_files_of_a_recipe_are_checked_before_anything_is_indexed(encoder, tmp_path):
    missing = replace(Recipe(), ranking=replace(Recipe().ranking, rules="nowhere.toml"))
    with pytest.raises(RecipeError, match=r"nowhere\.toml"):
        SearchEngine.build(PRODUCTS, tmp_path / "shop", missing, encoder=encoder)
    assert not (tmp_path / "shop").exists()
    with pytest.raises(ArtifactError, match="no such folder"):
        SearchEngine.build(
            PRODUCTS,
            tmp_path / "shop",
            replace(Recipe(), ranking=replace(Recipe().ranking, learnt="no")),
            encoder=encoder,
        )


def test_relative_files_of_a_recipe_in_python_are_found_again(encoder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules.toml").write_text(RULES, encoding="utf-8")
    recipe = replace(Recipe(), ranking=replace(Recipe().ranking, rules="rules.toml"))
    SearchEngine.build(PRODUCTS, tmp_path / "shop", recipe, encoder=encoder).close()
    monkeypatch.chdir("/")
    with SearchEngine.open(tmp_path / "shop", encoder=encoder) as engine:
        assert ids(engine.search(SearchRequest("cotton shirt")))[0] == "shirt-green"


def test_an_index_brought_up_to_date_teaches_anew(folder, encoder, tmp_path):
    shop = tmp_path / "shop"
    shutil.copytree(folder, shop)
    recipe = replace(Recipe(), ranking=replace(Recipe().ranking, demands="filter", certain=0.5))
    with SearchEngine.open(shop, recipe, encoder=encoder) as engine:
        assert any("colour" in told for told in engine.search(SearchRequest("red shirt")).rewrites)
        bare = [replace(product, attributes={}) for product in PRODUCTS]
        SearchEngine.build(bare, shop, Recipe(), encoder=encoder).close()
        ranking = engine.search(SearchRequest("red shirt", k=3))
        assert ranking.hits
        assert not any("colour: red (0.9" in told for told in ranking.rewrites)
