"""Queries made from products: shape, templates, grades, round trip, files; on real rows of both samples."""

import csv
import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from aisle.cli.main import cli
from aisle.engine import SearchEngine
from aisle.errors import ArtifactError, JudgmentError, RecipeError
from aisle.improve.synthesis.files import COLUMNS, write_synthetic
from aisle.improve.synthesis.for_training import _not_held_out, pairs_for_training
from aisle.improve.synthesis.grading import Grader
from aisle.improve.synthesis.parts import Names
from aisle.improve.synthesis.shape import PACKAGED, WORDS, QueryShape, learn_shape
from aisle.improve.synthesis.synthesise import Synthesiser, SynthesisSettings
from aisle.improve.synthesis.templates import Made, Templates
from aisle.improve.synthesis.titles import TitleStatistics, words_in
from aisle.judgments import query_key, read_queries
from aisle.judgments.pairs import PairSet, Scale, TextPair, read_pairs
from aisle.query.learn import learn
from aisle.rerankers.head import HEAD_FILE, TaskHead
from aisle.training.relevance.data import shares
from aisle.training.relevance.recipe import load_recipe
from aisle.types import Product

ROOT = Path(__file__).parents[2]
SHAPE = QueryShape(
    {((WORDS, 2),): 0.5, (("brand", 1), (WORDS, 1)): 0.3, (("colour", 1), (WORDS, 1)): 0.2}, (0.0,) * 7, 0.9, 0
)


def row(number, title, brand, colour="", category="Shoes"):
    attributes = {"colour": colour} if colour else {}
    return Product(str(number), title, brand=brand, category=(category,), attributes=attributes)


SHOES = [
    row(1, "Nike Runner running shoes", "Nike", "Red"),
    row(2, "Nike Pegasus running shoes", "Nike", "Blue"),
    row(3, "Adidas Boston running shoes", "Adidas", "Red"),
    row(4, "Adidas Wooden coat rack", "Adidas", "Blue", "Racks"),
    row(5, "Puma Tall wine rack", "Puma", "Red", "Racks"),
    row(6, "Puma running shoes", "Puma"),
    row(7, "Nike golf shoes", "Nike", "Blue"),
]


def icecat(count):
    with gzip.open(ROOT / "samples/icecat/products.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(next(file)) for _ in range(count)]
    return [Product(r["id"], r["title"], brand=r.get("supplier", "")) for r in rows if r.get("title")]


def grader(products):
    titles = [words_in(product.title) for product in products]
    return Grader(products, titles, Names(learn(products)), TitleStatistics.of(titles))


def part(products, place, kind):
    return next(part for part in Names(learn(products)).of(products[place]) if part.kind == kind)


# --- titles and shape --------------------------------------------------------------------------------------


def test_a_word_knows_where_in_a_title_it_stands():
    words = words_in("Cuisinart Coffee Maker, 12 Cups - Black")
    assert [word.key for word in words] == ["cuisinart", "coffee", "maker", "12", "cups", "black"]
    assert [word.key for word in words if word.ends] == ["maker", "cups", "black"]
    assert [word.key for word in words if word.begins] == ["cuisinart", "12", "black"]


def test_statistics_count_as_by_hand():
    found = TitleStatistics.of([words_in("red shoes, red"), words_in("shoes rack")])
    assert (found.titles, found.carriers["shoes"], found.occurrences["red"], found.ends["red"]) == (2, 2, 2, 1)
    assert found.beside["red", "shoes"] == 1
    assert ("shoes", "red") not in found.beside  # a comma is between them
    assert found.features("red")[2] == pytest.approx((1 + 0.5) / (2 + 2))


def test_a_shape_tells_what_queries_name_and_which_words_they_like():
    queries = [f"{brand} {things}" for brand in ("nike", "adidas", "puma") for things in ("golf set", "coat set")]
    queries += [f"shoes {number}x" for number in range(14)]
    found = learn_shape(queries, SHOES * 3, learn(SHOES * 3))
    assert sum(found.templates.values()) == pytest.approx(1.0)
    assert found.templates[("brand", 1), (WORDS, 2)] == pytest.approx(6 / 20)
    statistics = TitleStatistics.of(words_in(product.title) for product in SHOES)
    assert found.liking(statistics, "shoes") > 2 * found.liking(statistics, "pegasus")


def test_a_shape_comes_back_from_its_file(tmp_path):
    shape = QueryShape.load()
    shape.save(tmp_path / "shape.json")
    assert QueryShape.load(tmp_path / "shape.json") == shape
    assert shape.queries == 89
    text = PACKAGED.read_text(encoding="utf-8")
    assert not any(word in text for word in ("headphones", "lenovo"))  # the queries' words stay behind
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(ArtifactError, match="cannot read the shape"):
        QueryShape.load(tmp_path / "bad.json")


def test_few_queries_teach_no_shape():
    with pytest.raises(JudgmentError, match="1 queries to learn their shape from"):
        learn_shape(["nike shoes"], SHOES, learn(SHOES))


# --- templates ---------------------------------------------------------------------------------------------


def test_queries_name_what_their_product_is():
    made = list(Templates(SHOES, Names(learn(SHOES)), SHAPE).make(60, 0))
    assert len(made) > 8
    for one in made:
        product = SHOES[one.place]
        about = f"{product.title} {product.brand} {product.attributes} {product.category}".casefold()
        assert all(word.key in about for word in words_in(one.text)), (one, product)
    assert {one.template for one in made} >= {"words(2)", "brand words(1)", "colour words(1)"}
    keys = [query_key(one.text) for one in made]
    assert len(keys) == len(set(keys))


def test_the_same_seed_makes_the_same_queries_and_forbidden_ones_never_come():
    templates = Templates(SHOES, Names(learn(SHOES)), SHAPE)
    first = [one.text for one in templates.make(20, 1)]
    assert first == [one.text for one in templates.make(20, 1)]
    assert first != [one.text for one in templates.make(20, 2)]
    forbidden = ["Shoes RUNNING", "rack wine"]
    again = [one.text for one in templates.make(60, 1, forbidden)]
    assert "running shoes" in first
    assert not {"running shoes", "wine rack"} & set(again)


def test_words_that_one_title_alone_has_are_not_asked_for():
    made = Templates(SHOES, Names(learn(SHOES)), SHAPE).make(60, 0)
    assert not any("pegasus" in one.words or "boston" in one.words for one in made)


# --- grades ------------------------------------------------------------------------------------------------


def test_grades_follow_what_a_product_lacks():
    made = Made("nike running shoes", 0, "", (part(SHOES, 0, "brand"),), ("running", "shoes"))
    grades = {product.id: grader(SHOES).grade(made, place) for place, product in enumerate(SHOES)}
    told = {key: (found.grade, found.how) for key, found in grades.items() if found}
    assert told["1"] == (3.0, "own")
    assert told["2"] == (3.0, "meets")
    assert told["3"] == (1.0, "changed:brand")  # the kind that is asked for, of another brand: lowered, not 0
    assert told["5"] == (0.0, "unrelated")
    assert grades["3"].effect == "lowers"
    assert grades["2"].effect == "keeps"


def test_another_colour_costs_less_than_another_brand_and_silence_is_no_verdict():
    made = Made("red running shoes", 0, "", (part(SHOES, 0, "colour"),), ("running", "shoes"))
    found = [grader(SHOES).grade(made, place) for place in range(len(SHOES))]
    assert (found[1].grade, found[1].how) == (2.0, "changed:colour")
    assert found[2].grade == 3.0
    assert found[5] is None  # its colour is unknown


# --- the whole ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop") / "index"
    with SearchEngine.build(icecat(250), folder) as engine:
        yield engine, folder


def test_pairs_of_a_real_catalogue(shop, tmp_path):
    engine, _ = shop
    maker = Synthesiser(engine)
    settings = SynthesisSettings(queries=80)
    found = maker.by_templates(settings)
    counts = found.counts
    dropped = sum(count for name, count in counts.items() if name.startswith("dropped"))
    assert counts["queries made"] == 80 == counts["queries kept"] + dropped
    assert counts["queries kept"] > 20
    own = [pair for pair in found.pairs if pair.how == "own"]
    assert len(own) == counts["queries kept"]
    assert all(pair.product.id == pair.source for pair in own)
    from aisle.types import SearchRequest

    for pair in own[:10]:  # the round trip, asked again
        hits = engine.search(SearchRequest(pair.query, k=settings.top)).hits
        assert pair.source in [hit.product_id for hit in hits]
    assert maker.by_templates(settings).pairs == found.pairs
    rows = write_synthetic(tmp_path / "pairs.csv", found.pairs)
    read = read_pairs(tmp_path / "pairs.csv", need_grades=True)
    assert len(read) == rows
    assert (read.scale.low, read.scale.high) == (0.0, 3.0)
    with (tmp_path / "pairs.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert tuple(table[0]) == COLUMNS
    assert all(line["source"] and line["how"] and line["effect"] for line in table)


def test_what_cannot_find_its_product_is_dropped(shop):
    engine, _ = shop
    strict = Synthesiser(engine).by_templates(SynthesisSettings(queries=60, top=1)).counts
    loose = Synthesiser(engine).by_templates(SynthesisSettings(queries=60, top=40)).counts
    name = "dropped: does not find its product"
    assert strict[name] > loose.get(name, 0)


def test_settings_that_make_nothing_are_refused():
    with pytest.raises(RecipeError, match="queries is 0"):
        SynthesisSettings(queries=0)
    with pytest.raises(RecipeError, match="chance is -1"):
        SynthesisSettings(chance=-1)


def test_a_chinese_catalogue(tmp_path):
    with (ROOT / "samples/phones/test.csv").open(encoding="utf-8") as file:
        lines = {line["id"]: line["title"] for line in csv.DictReader(file)}
    colours, sizes = ("黑色", "白色"), ("64GB", "128GB")
    titles = [f"{title} {colour} {size}" for title in lines.values() for colour in colours for size in sizes]
    products = [Product(f"p{number}", title) for number, title in enumerate(titles)]
    with SearchEngine.build(products, tmp_path / "index") as engine:
        found = Synthesiser(engine).by_templates(SynthesisSettings(queries=40, top=20))
    texts = {pair.query for pair in found.pairs}
    assert len(texts) > 5
    assert any("手机" in text for text in texts)
    assert not any("手 机" in text for text in texts)  # no blanks between Chinese words


def test_the_command(shop, tmp_path):
    _, folder = shop
    held = tmp_path / "held.txt"
    queries = [text for _, text in read_queries(ROOT / "samples/icecat/ratings.csv")]
    held.write_text("\n".join(queries))
    out = tmp_path / "pairs.csv"
    like = ROOT / "samples/icecat/ratings.csv"
    asked = ["synthesise", str(folder), "--out", str(out), "--queries", "40", "--like", str(like)]
    done = CliRunner().invoke(cli, [*asked, "--held-out", str(held), "--json"], catch_exceptions=False)
    told = json.loads(done.stdout)
    pairs = read_pairs(out, need_grades=True)
    assert told["counts"]["pairs"] == len(pairs) > 0
    assert not {query_key(pair.query) for pair in pairs} & {query_key(text) for text in queries}
    plain = CliRunner().invoke(cli, asked, catch_exceptions=False)
    assert "queries kept" in plain.output
    assert "aisle train --pairs" in plain.output


# --- what a head makes of them -----------------------------------------------------------------------------


def test_a_head_begins_at_what_further_pairs_say_of_the_wording(shop, tmp_path):
    from aisle.training.relevance.build import train

    engine, _ = shop
    write_synthetic(tmp_path / "more.csv", Synthesiser(engine).by_templates(SynthesisSettings(queries=80)).pairs)
    more = read_pairs(tmp_path / "more.csv", need_grades=True)
    judged = read_pairs(ROOT / "samples/phones/test.csv", need_grades=True)
    told: list[str] = []
    recipe = load_recipe(None, ["model=head"])
    alone = train(judged, [], recipe, tmp_path / "alone")
    both = train(judged, [more], recipe, tmp_path / "both", note=told.append)
    one, other = (trained.candidate.training["weights"]["wording"] for trained in (alone, both))
    assert other > one + 0.04  # half of what is told, moved by the judged pairs
    assert any("weighing the wording by" in line for line in told)


def test_a_training_makes_its_own_pairs_without_the_queries_that_judge_it(shop, tmp_path):
    engine, folder = shop
    ours = Synthesiser(engine).by_templates(SynthesisSettings(queries=20)).pairs[0].query
    judged = PairSet(tuple(TextPair("q", ours.upper(), str(n), "t", grade=n) for n in range(3)), None, "shop")
    made, table = pairs_for_training(engine, judged, load_recipe(None, []))
    assert query_key(ours) not in {query_key(pair.query) for pair in made}
    assert (made.scale.low, made.scale.high, made.source) == (0, 3, "synthetic.csv")

    path, out = tmp_path / "pairs.csv", tmp_path / "model"
    path.write_text("query,title,relevance\nusb hub,Lamp,0\nusb hub,Hub,1\nusb hub,USB hub,2\n", encoding="utf-8")
    given = ["train", "--pairs", str(path), "--synthesise", str(folder), "--out", str(out), "--json"]
    found = CliRunner().invoke(cli, given, catch_exceptions=False)
    assert "weighing the wording by" in found.stderr
    rows = list(csv.DictReader((out / "synthetic.csv").read_text(encoding="utf-8").splitlines()))
    assert tuple(rows[0]) == COLUMNS
    assert (out / "synthetic.csv").read_text(encoding="utf-8").splitlines()[0] == table.splitlines()[0]
    metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["data"][1]["file"] == "synthetic.csv"
    assert metrics["data"][1]["pairs"] == len(rows)
    assert TaskHead.load(out / HEAD_FILE).wording != 0


def test_the_shape_is_learned_from_no_query_that_is_held_out():
    items = tuple(TextPair(f"q{n}", f"thing {n}", str(k), "t", grade=k) for n in range(40) for k in range(30))
    pairs = PairSet(items, Scale(0, 29), "shop")
    recipe = load_recipe(None, ["judged_by=share"])
    learnt = _not_held_out(pairs, recipe)
    divided = shares(pairs, recipe.validation, recipe.held_out, recipe.seed)
    assert set(learnt) == {pair.query for pair in divided.train} != set()
    assert not set(learnt) & {pair.query for pair in (*divided.held_out, *divided.validation)}
    assert _not_held_out(pairs, load_recipe(None, [])) == []  # each is held out in its turn
    assert _not_held_out(pairs, load_recipe("head", ["judged_by=share"])) == []


def test_the_first_ranking_of_a_head_is_what_others_taught():
    from aisle.training.head import HeadSettings, fit_head

    chance = np.random.default_rng(0)
    q, t = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in chance.normal(size=(2, 12, 8)))
    words, none = chance.random(12), np.zeros((0, 8))
    found = fit_head(none, none, np.zeros(0), [], HeadSettings(scale=(0, 1, 2), wording=0.7), 0)
    assert found.score(q, t, words) == pytest.approx((q * t).sum(1) + 0.7 * words, abs=1e-6)
    held = HeadSettings(wording=0.7, correction_spread=1e-6)  # what pairs may change of it is next to nothing
    found = fit_head(q, t, np.arange(12) % 3, [str(n // 2) for n in range(12)], held, 0, words)
    assert found.wording == pytest.approx(0.7, abs=1e-4)
