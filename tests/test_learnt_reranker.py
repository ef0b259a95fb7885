"""A re-ranker's score within a learnt combination: from judgments to searches, with real re-rankers from folders."""

import dataclasses
import json
import math
import shutil
import time

import numpy as np
import pytest

from aisle.artifacts import Manifest, write_manifest
from aisle.calibrate import calibrate
from aisle.config import RenderSettings
from aisle.encoders.embedded import FOLDER, EmbeddedEncoder
from aisle.engine import SearchEngine
from aisle.errors import FingerprintError, InputError
from aisle.explain import explain
from aisle.explain.asked import asked_of
from aisle.explain.change import decider
from aisle.explain.linear import Again
from aisle.indexes import segment
from aisle.learn_ranking import gather, learn_ranking, shop_rating
from aisle.ranking.cut_features import FEATURES as CUT_FEATURES
from aisle.ranking.diversity import steepness
from aisle.ranking.features import NAMES
from aisle.ranking.learnt import LearntRanking
from aisle.ranking.word_statistics import WordStatistics
from aisle.rerankers.combination import Combination, fingerprint
from aisle.rerankers.head import FORMAT, KIND, write_head, zero_shot
from aisle.rerankers.load import load_reranker
from aisle.training.calibrate import CalibrationSettings
from aisle.training.ranking.crossfit import order
from aisle.training.ranking.recipe import RankingRecipe
from aisle.types import Judgment, SearchRequest
from tests.contracts.rows import real_products

DEPTH, READ = 30, 20
LINEAR = ("fused", "wording", "neighbours", "rerank", "rating")  # none that the index gives
RECIPE = RankingRecipe(rounds=0, depth=DEPTH, choose=False, linear=LINEAR)
COLUMN = NAMES.index("rerank")
KINDS = ("head", "list")
WORDS = (
    "notebook", "toner cartridge", "usb cable", "hp pavilion", "black", "camera", "printer", "monitor", "keyboard",
    "mouse", "memory card", "headphones", "battery", "adapter", "projector", "hard drive", "wireless", "server", "bag",
    "switch", "phone", "tablet", "lens", "ink", "speaker", "scanner", "charger", "router",
)  # fmt: skip


def write_list(folder, titles):
    """A combination whose neighbours make a product's score depend on the list."""
    folder.mkdir()
    shutil.copytree(FOLDER, folder / "encoder")
    weights = {"cosine": -1.0, "wording": -0.25, "bm25": 0.0, "neighbours": 1.0}
    Combination(weights, WordStatistics.of(titles, segment)).save(folder / "combination.json")
    write_manifest(folder, Manifest(KIND, FORMAT, fingerprint(folder), {"architecture": "combination"}))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """An index, and re-rankers that want something else than the fusion does."""
    folder, encoder = tmp_path_factory.mktemp("learnt_reranker"), EmbeddedEncoder()
    products = real_products(200)
    SearchEngine.build(products, folder / "shop", encoder=encoder).close()
    for name, weight in (("head", -5.0), ("other", -4.0)):
        contrary = dataclasses.replace(zero_shot(encoder.dim), wording=weight)
        write_head(folder / name, contrary, "embedded", encoder, RenderSettings(("title",), 64), {})
    write_list(folder / "list", [product.title for product in products])
    return folder


@pytest.fixture(scope="module")
def opened(home):
    """Opens the index with settings of [ranking] and [search]."""
    encoder, engines = EmbeddedEncoder(), []

    def open_with(model="", learnt="", reranker=None, depth=READ, **search):
        with SearchEngine.open(home / "shop", encoder=encoder) as plain:
            recipe = plain.recipe
        ranking = dataclasses.replace(recipe.ranking, model=str(model), learnt=str(learnt))
        settings = dataclasses.replace(recipe.search, rerank_depth=depth, **search)
        recipe = dataclasses.replace(recipe, ranking=ranking, search=settings)
        engines.append(SearchEngine.open(home / "shop", recipe, encoder=encoder, reranker=reranker))
        return engines[-1]

    yield open_with
    for engine in engines:
        engine.close()


def judged(engine, model, sign=1):
    """Of each query's first twelve products the four that a re-ranker likes best (or least) are good."""
    for text in WORDS:
        products = [hit.product for hit in engine.search(SearchRequest(text, k=12)).hits]
        places = np.argsort(-sign * model.score(text, products), kind="stable")
        good = {products[place].id for place in places[:4]}
        yield from (Judgment(text, text, product.id, 3.0 * (product.id in good)) for product in products)


@pytest.fixture(scope="module", params=KINDS)
def taught(request, home, opened):
    """The kind of re-ranker, an independent copy of it, what was trained with it, and a search engine with both."""
    kind, copy = request.param, load_reranker(home / request.param)
    judgments = list(judged(opened(), copy))
    notes = []
    trained = learn_ranking(opened(home / kind), judgments, RECIPE, home / f"learnt-{kind}", note=notes.append)
    return kind, copy, trained, judgments, notes, opened(home / kind, trained.folder)


def reads_of(hits):
    return {hit.product_id: hit.parts["rerank"].score for hit in hits if "rerank" in hit.parts}


def same(hits, others):
    assert [hit.product_id for hit in hits] == [hit.product_id for hit in others]
    assert [hit.score for hit in hits] == pytest.approx([hit.score for hit in others], abs=1e-5)
    assert [tuple(hit.parts) for hit in hits] == [tuple(hit.parts) for hit in others]


def first_of(engine, text, count):
    """The first products before anything is learnt and before an identifier lifts any, from a search of its own."""
    hits = engine.search(SearchRequest(text, k=1000)).hits
    known = [
        (hit.score - (hit.parts["identifier"].contribution if "identifier" in hit.parts else 0), hit) for hit in hits
    ]
    known = [(score, hit) for score, hit in known if set(hit.parts) != {"identifier"}]
    return [hit.product for _, hit in sorted(known, key=lambda one: (-round(one[0], 9), one[1].product_id))][:count]


# --- what is learnt ------------------------------------------------------------------------------------------


def test_the_feature_is_the_score_of_the_first_products_and_unknown_below(taught, home, opened):
    kind, copy, _, judgments, _, _ = taught
    model, ean = real_products(200)[5], real_products(200)[5].identifiers[-1]
    named = [*judgments, Judgment("exact", ean, model.id, 3.0)]
    plain = opened()
    tables = list(gather(opened(home / kind), named, DEPTH))
    assert [table.query for table in tables] == [*WORDS, ean]
    assert tables[-1].lifted.any()
    for table in tables:
        first = first_of(plain, table.query, READ)
        assert len(first) == min(READ, len(table.product_ids)) or table.query == ean
        text = plain.asked(SearchRequest(table.query))[0]
        wanted = dict(zip([product.id for product in first], copy.score(text, first), strict=True))
        found = dict(zip(table.product_ids, table.features[:, COLUMN], strict=True))
        assert {key for key, value in found.items() if math.isfinite(value)} == set(wanted) & set(found)
        for key in set(wanted) & set(found):
            assert found[key] == pytest.approx(wanted[key], abs=1e-5)


def test_an_exact_identifier_lifts_only_after_the_reading(home, opened):
    first, named = real_products(200)[0], real_products(200)[5]
    text = " ".join([*filter(str.isalpha, first.title.split()), named.identifiers[-1]])
    (table,) = gather(opened(home / "head", depth=1), [Judgment("exact", text, named.id, 3.0)], DEPTH)
    assert table.lifted.tolist() == [product_id == named.id for product_id in table.product_ids]
    assert table.product_ids[0] == named.id
    known = np.isfinite(table.features[:, COLUMN])
    read = [product_id for product_id, there in zip(table.product_ids, known, strict=True) if there]
    assert read == [first_of(opened(), text, 1)[0].id] != [named.id]


def test_models_that_did_not_learn_from_a_query_can_stand_in(taught, home, opened):
    kind, _, _, judgments, _, _ = taught
    other = load_reranker(home / "other")
    of = {WORDS[0]: other}.get
    first, second, *_ = gather(opened(home / kind), judgments, DEPTH, reranker_of=of)
    products = first_of(opened(), WORDS[0], READ)
    want = dict(zip([product.id for product in products], other.score(WORDS[0], products), strict=True))
    known = {
        key: value
        for key, value in zip(first.product_ids, first.features[:, COLUMN], strict=True)
        if np.isfinite(value)
    }
    assert known == pytest.approx(want, abs=1e-5)
    assert np.isnan(second.features[:, COLUMN]).all()


def test_the_folder_says_which_reranker_and_how_deep(taught, home):
    kind, _, trained, _, notes, _ = taught
    made = json.loads((trained.folder / "manifest.json").read_text(encoding="utf-8"))["fingerprint"]
    own = json.loads((home / kind / "manifest.json").read_text(encoding="utf-8"))["fingerprint"]
    assert made["model"] == " ".join(own.values())
    assert (made["model_name"], made["rerank_depth"]) == (kind, str(READ))
    assert trained.model.terms["rerank"].weight > 0
    assert trained.verdict.promoted
    assert notes[-1].startswith(f"it reads the score that {kind} gives the first {READ} products: search with that")
    card = (trained.folder / "README.md").read_text(encoding="utf-8")
    assert "It reads the score of the re-ranker that the manifest names" in card


def test_one_that_helps_nothing_gets_no_weight_and_is_not_asked_for(home, opened, tmp_path):
    contrary = list(judged(opened(), load_reranker(home / "head"), sign=-1))
    notes = []
    trained = learn_ranking(opened(home / "head"), contrary, RECIPE, tmp_path / "learnt", note=notes.append)
    assert trained.model.terms["rerank"].weight == 0
    assert "rerank" not in trained.model.reads
    assert notes[-1] == "the score of head got no weight: search without it"
    assert "re-ranker that the manifest names" not in (tmp_path / "learnt" / "README.md").read_text(encoding="utf-8")
    hits = opened(learnt=tmp_path / "learnt").search(SearchRequest("notebook")).hits
    assert "learnt" in hits[0].parts
    after = opened(home / "other", tmp_path / "learnt").search(SearchRequest("notebook")).hits
    assert list(after[0].parts)[-1] == "rerank"  # any one is a stage of its own, as ever


# --- what is served ------------------------------------------------------------------------------------------


def by_hand(folder, table):
    """The scores from what the folder says, in plain Python."""
    terms = json.loads((folder / "ranking.json").read_text(encoding="utf-8"))["terms"]
    for row in table.features:
        values = dict(zip(NAMES, map(float, row), strict=True))
        known = {name: values[name] for name in terms if math.isfinite(values[name])}
        yield sum(terms[name]["weight"] * (value - terms[name]["centre"]) for name, value in known.items())


def test_what_is_served_is_what_was_learnt(taught, home, opened):
    kind, copy, trained, judgments, _, serving = taught
    changed = 0
    without = opened()
    for table in gather(opened(home / kind), judgments, DEPTH, rating=shop_rating(serving)):
        hits = serving.search(SearchRequest(table.query, k=DEPTH)).hits
        scores = np.array(list(by_hand(trained.folder, table)))
        assert [hit.product_id for hit in hits] == [table.product_ids[row] for row in order(table, scores)]
        wanted = dict(zip(table.product_ids, scores, strict=True))
        for hit in hits:
            assert hit.parts["learnt"].score == pytest.approx(wanted[hit.product_id], abs=1e-4)
            assert sum(part.contribution for part in hit.parts.values()) == pytest.approx(hit.score)
        first = first_of(without, table.query, READ)
        own = dict(zip([product.id for product in first], copy.score(table.query, first), strict=True))
        assert reads_of(hits) == pytest.approx(own, abs=1e-5)
        places = {hit.product_id: hit.parts["rerank"].rank for hit in hits if "rerank" in hit.parts}
        assert sorted(places, key=places.__getitem__) == sorted(
            reads_of(hits), key=lambda key: (-reads_of(hits)[key], key)
        )
        plain = [hit.product_id for hit in without.search(SearchRequest(table.query, k=DEPTH)).hits]
        changed += plain != [hit.product_id for hit in hits]
    assert changed > len(WORDS) / 2


def test_within_the_combination_it_is_no_stage_of_its_own(taught, home, opened):
    kind, _, trained, _, _, serving = taught
    found = serving.search(SearchRequest("usb cable", k=DEPTH))
    assert {"rerank", "learnt"} <= set(found.timings_ms)
    for hit in found.hits:
        stages = list(hit.parts)
        if "rerank" in stages:
            assert hit.parts["rerank"].contribution == 0
            assert stages.index("rerank") < stages.index("learnt")
        assert decider(hit) == "learnt"
    scores = [hit.parts["rerank"].score for hit in found.hits if "rerank" in hit.parts]
    assert len(scores) == READ
    assert scores != sorted(scores, reverse=True)  # its order is not the combination's
    deep = opened(home / kind, trained.folder, rerank_slack=0.1).search(SearchRequest("usb cable", k=DEPTH))
    same(deep.hits, found.hits)  # all are read, whatever the slack


def test_who_asks_for_words_alone_gets_a_reranker_as_ever(taught, home, opened):
    kind, _, _, _, _, serving = taught
    request = SearchRequest("usb cable", mode="bm25", k=DEPTH)
    same(serving.search(request).hits, opened(home / kind).search(request).hits)
    assert "rerank" in serving.search(request).hits[0].parts


def test_scores_are_remembered_and_pages_fit_together(taught):
    _, _, _, _, _, serving = taught
    whole = serving.search(SearchRequest("memory card", k=DEPTH)).hits
    misses = serving.reranker.misses
    pages = [serving.search(SearchRequest("memory card", k=5, offset=at)).hits for at in range(0, DEPTH, 5)]
    assert [hit.product_id for page in pages for hit in page] == [hit.product_id for hit in whole]
    assert serving.reranker.misses == misses


class Object:
    """A real re-ranker given as an object, which can be made to fail, or to be slow, from its second call on."""

    def __init__(self, reranker):
        self.reranker, self.calls, self.then = reranker, 0, None

    def score(self, query, products):
        self.calls += 1
        if self.then is not None:
            self.then(self.calls)
        return self.reranker.score(query, products)


@pytest.fixture(scope="module")
def of_an_object(home, opened):
    """What was learnt with a re-ranker given as an object."""
    judgments = list(judged(opened(), load_reranker(home / "head")))
    teacher = Object(load_reranker(home / "head"))
    return learn_ranking(opened(reranker=teacher), judgments, RECIPE, home / "learnt-object")


@pytest.fixture
def given(home, opened, of_an_object):
    """An engine with that, another such object, and what was learnt."""
    own = Object(load_reranker(home / "head"))
    return opened(learnt=of_an_object.folder, reranker=own), own, of_an_object


def fail(calls):
    if calls == 2:
        raise OSError("the disk is gone")


def dawdle(calls):
    time.sleep(1.6)


@pytest.mark.parametrize(
    ("then", "deadline", "why"),
    [
        (fail, None, "it failed: OSError: the disk is gone"),
        (dawdle, 1500.0, "the deadline of 1500 ms was spent"),
    ],
)
def test_what_was_not_read_counts_as_average_and_the_order_is_the_combinations(given, opened, then, deadline, why):
    serving, own, trained = given
    own.then = then
    found = serving.search(SearchRequest("usb cable", k=DEPTH, deadline_ms=deadline))
    assert found.degraded == (f"rerank: 10 of {READ} products, {why}",)
    first = [product.id for product in first_of(opened(), "usb cable", DEPTH)]
    assert set(reads_of(found.hits)) == set(first[:10])
    unread = {hit.product_id for hit in found.hits if f"rerank (not read: {why})" in hit.parts}
    assert unread == set(first[10:READ])
    asked = [Judgment("usb cable", "usb cable", first[0], 1.0)]
    (table,) = gather(opened(), asked, DEPTH, rating=shop_rating(serving))
    features = table.features.copy()
    features[:, COLUMN] = [reads_of(found.hits).get(key, math.nan) for key in table.product_ids]
    table = dataclasses.replace(table, features=features)
    scores = np.array(list(by_hand(trained.folder, table)))
    assert [hit.product_id for hit in found.hits] == [table.product_ids[row] for row in order(table, scores)]
    for hit in found.hits:
        assert sum(part.contribution for part in hit.parts.values()) == pytest.approx(hit.score)


def test_a_deadline_that_was_spent_before_leaves_both_out(given):
    serving, own, _ = given
    found = serving.search(SearchRequest("usb cable", deadline_ms=5.0, waited_ms=10.0))
    assert [note.partition(":")[0] for note in found.degraded][-2:] == ["learnt", "rerank"]
    assert own.calls == 0
    assert found.hits


# --- what is refused -----------------------------------------------------------------------------------------


def test_another_reranker_none_or_another_depth_is_refused(taught, home, opened):
    kind, _, trained, _, _, _ = taught
    with pytest.raises(FingerprintError, match=rf"reads the score of a re-ranker \({kind}\), and this search has none"):
        opened(learnt=trained.folder)
    with pytest.raises(FingerprintError, match=rf"a re-ranker, {kind} \(.+\), and this search has other \(.+\)"):
        opened(home / "other", trained.folder)
    with pytest.raises(FingerprintError, match="and this search has an object"):
        opened(learnt=trained.folder, reranker=load_reranker(home / kind))
    with pytest.raises(FingerprintError, match=r"first 20 products, .* have it read 21(.|\n)*rerank_depth = 20"):
        opened(home / kind, trained.folder, depth=READ + 1)


def test_the_same_reranker_elsewhere_is_the_same(taught, home, opened, tmp_path):
    kind, _, trained, _, _, serving = taught
    shutil.copytree(home / kind, tmp_path / "moved")
    request = SearchRequest("camera")
    same(opened(tmp_path / "moved", trained.folder).search(request).hits, serving.search(request).hits)


def test_a_folder_that_does_not_say_which_takes_any_but_not_none(taught, home, opened, tmp_path):
    _, _, trained, _, _, _ = taught
    LearntRanking(trained.model.terms, depth=DEPTH).save(tmp_path / "learnt", {}, {})
    assert "learnt" in opened(home / "other", tmp_path / "learnt").search(SearchRequest("camera")).hits[0].parts
    with pytest.raises(FingerprintError, match=r"reads the score of a re-ranker \(any\), and this search has none"):
        opened(learnt=tmp_path / "learnt")


def test_a_score_that_is_no_number_teaches_nothing(home, opened):
    class Nowhere:
        def score(self, query, products):
            return np.full(len(products), np.nan, np.float32)

    judgments = [Judgment("mouse", "mouse", "1", 1.0)]
    with pytest.raises(InputError, match="the re-ranker gave query 'mouse' a score that is no number"):
        list(gather(opened(reranker=Nowhere()), judgments, DEPTH))


# --- what comes after ----------------------------------------------------------------------------------------


def test_explanations_know_its_share(taught):
    _, _, trained, _, _, serving = taught
    term = trained.model.terms["rerank"]
    for text in WORDS[:4]:
        request = SearchRequest(text, k=1000)
        hits = serving.search(request).hits
        for hit in (hits[0], hits[3], hits[DEPTH - 1]):
            found = explain(serving, request, hit.product_id)
            assert sum(item.contribution for item in found.contributions) == pytest.approx(hit.score, abs=1e-6)
            (learnt,) = (item for item in found.contributions if item.stage == "learnt")
            shares = dict(learnt.details)
            assert sum(shares.values()) == pytest.approx(learnt.score, abs=1e-4)
            known = reads_of(hits).get(hit.product_id)
            worth = 0.0 if known is None else term.weight * (known - term.centre)
            assert shares.get("rerank", 0.0) == pytest.approx(worth, abs=1e-4)
            assert found.words.model == "encoder"
        again = Again.of(serving, asked_of(serving, request), hits, hits[3], hits[2])
        assert again.then(again.read) == pytest.approx((hits[3].score, hits[2].score), abs=1e-4)
        assert not again.retitled  # another title would have another score
    absent = explain(serving, SearchRequest("usb cable", filter=None), real_products(200)[7].id)
    assert absent.words.model == "encoder"


def test_a_cut_off_sees_the_score_and_knows_its_ranking(taught, home, opened, tmp_path):
    _, _, trained, judgments, _, serving = taught
    text = "usb cable"
    scored = serving.ranked(SearchRequest(text))
    vector = serving.asked(SearchRequest(text))[1]
    head, features = serving.stages.cut_features(text, vector, scored)
    known = {item[0]: item[2]["rerank"].score for item in scored if "rerank" in item[2]}
    assert len(known) == READ
    wanted = [known.get(item[0], min(known.values())) for item in head]
    assert features[:, list(CUT_FEATURES).index("rerank")] == pytest.approx(wanted)
    calibrate(serving, judgments, CalibrationSettings(relevant_grade=3.0)).save(tmp_path / "calibration")

    def cutting(learnt):
        recipe = serving.recipe
        ranking = dataclasses.replace(
            recipe.ranking, calibration=str(tmp_path / "calibration"), cut=0.3, cut_guaranteed=False, learnt=str(learnt)
        )
        return serving.with_recipe(dataclasses.replace(recipe, ranking=ranking))

    found = cutting(trained.folder).search(SearchRequest(text))
    assert found.degraded == ()
    assert "relevance" in found.hits[0].parts
    with pytest.raises(FingerprintError, match="the calibration"):
        cutting("embedded")


def test_variety_weighs_what_the_fusion_gave_not_a_score_that_ordered_nothing(taught, home, opened):
    kind, _, _, _, _, serving = taught
    within, after = (engine.ranked(SearchRequest("usb cable"))[:READ] for engine in (serving, opened(home / kind)))
    fused = {
        key: sum(part.contribution for stage, part in parts.items() if stage in ("bm25", "dense:text"))
        for key, _, parts in within
    }
    assert steepness(within) == pytest.approx(fused)
    assert steepness(after) == {key: parts["rerank"].score for key, _, parts in after}
