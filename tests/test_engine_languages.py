"""One search in several languages, through the engine: other names, corrections, scripts the encoder cannot read."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from aisle.cli.main import cli
from aisle.config import Recipe
from aisle.engine import WORDS_ONLY, SearchEngine
from aisle.errors import FingerprintError, RecipeError
from aisle.indexes.segment import product_tokens
from aisle.language.lexicon import Lexicon
from aisle.types import Product, SearchRequest
from tests.language.lexicons import small_lexicon

PRODUCTS = [
    Product("1", "小米手机 13 Pro", brand="小米", price=3999.0),
    Product("2", "Nokia cell phone 105", brand="Nokia", price=25.0),
    Product("3", "Sony headphones WH-1000XM4", brand="Sony", price=199.0),
    Product("4", "华为蓝牙耳机", brand="华为", price=299.0),
    Product("5", "Logitech wireless mouse", brand="Logitech", price=19.0),
    Product("6", "סמסונג אוזניות", price=10.0),
    Product("7", "行動電源 10000mAh", price=49.0),
    Product("8", "cell biology book", price=5.0),
]


class LatinOnly:
    """Vectors by a hash of the text; says that it reads Latin alone."""

    dim = 8
    fingerprint = "latin"
    scripts = frozenset({"Latin"})

    def __init__(self):
        self.queries = []

    def encode(self, texts, kind):
        if kind == "query":
            self.queries += texts
        rows = np.array([np.random.default_rng(sum(text.encode())).normal(size=self.dim) for text in texts], np.float32)
        rows = rows.reshape(len(texts), self.dim)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def count_tokens(self, text):
        return len(text.split())


NO_NAMES = Lexicon(Path("no such lexicon"))


class ReadsAll(LatinOnly):
    scripts = None


@pytest.fixture(scope="module")
def lexicon(tmp_path_factory):
    return small_lexicon(tmp_path_factory.mktemp("lexicon"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("languages") / "shop"
    SearchEngine.build(PRODUCTS, path, encoder=ReadsAll()).close()
    return path


def open_engine(folder, lexicon=None, toml="", encoder=None):
    recipe = Recipe.from_toml(toml) if toml else None
    return SearchEngine.open(folder, recipe, encoder=encoder or ReadsAll(), lexicon=lexicon)


def found(engine, text, mode="bm25", **changes):
    ranking = engine.search(SearchRequest(text, mode=mode, **changes))
    return [hit.product_id for hit in ranking.hits], ranking.rewrites


def test_chinese_finds_english_and_english_chinese(folder, lexicon):
    with open_engine(folder, lexicon) as engine:
        assert found(engine, "手机") == (["1", "2"], ("手机 also as cell phone",))
        assert found(engine, "cell phones")[0] == ["2", "8", "1"]
        assert found(engine, "耳机") == (["4", "3"], ("耳机 also as headphones",))
        assert found(engine, "auriculares") == (["3", "4"], ("auriculares also as 耳机, headphones",))
        assert found(engine, "行动电源")[0] == found(engine, "移动电源")[0] == ["7"]
        assert found(engine, "手机", mode="dense")[1] == ()


def test_without_other_names_words_are_words(folder, lexicon):
    with open_engine(folder, lexicon, "[search]\nexpansion_weight = 0.0") as engine:
        assert found(engine, "手机") == (["1"], ())
    with open_engine(folder, NO_NAMES) as engine:
        assert found(engine, "手机") == (["1"], ())


def test_a_name_of_two_words_needs_both(folder, lexicon):
    with open_engine(folder, lexicon) as engine:
        assert set(found(engine, "スマホ")[0]) == {"1", "2"}


def test_what_the_shopper_said_beats_what_else_it_is_called(tmp_path, lexicon):
    """As many products of either name, all of one length: by their own word first, whatever else the others say."""
    products = [Product(f"a{n}", f"alpha{n} mouse black") for n in range(20)]
    products += [Product(f"b{n}", f"beta{n} 鼠标 ratón") for n in range(20)]
    products += [Product(f"c{n}", f"gamma{n} 鼠标 鼠标", description="鼠标 ratón マウス 老鼠") for n in range(20)]
    SearchEngine.build(products, tmp_path / "shop", encoder=ReadsAll()).close()
    with open_engine(tmp_path / "shop", lexicon) as engine:
        ids, rewrites = found(engine, "mouse", k=60)
        assert rewrites[0].startswith("mouse also as 鼠标")
        assert {i[0] for i in ids[:20]} == {"a"}
        assert len(ids) == 60


def test_pieces_of_a_word_that_the_catalogue_lacks_count_as_one_word(tmp_path, lexicon):
    """移动电话 in a shop of 手机: power banks (移动, 动电) and desk phones (电话) have pieces of it by chance."""
    titles = {"a": "小米手机", "b": "华为手机", "c": "苹果手机", "d": "移动电源", "e": "家用座机电话", "f": "无线鼠标"}
    with open_engine(indexed(tmp_path / "shop", titles), lexicon) as engine:
        ids, rewrites = found(engine, "移动电话")
        assert rewrites == ("移动电话 also as 手机",)
        assert ids[:3] == ["a", "b", "c"]
        assert set(ids[3:]) == {"d", "e"}
        asked = scores(engine, "移动电话")
        weight = engine.recipe.index.field_weights["title"]
        assert asked["a"] == pytest.approx(weight * 3 * bm25("手机", "a", titles), rel=1e-3)
        pieces = bm25("移动", "d", titles) + bm25("动电", "d", titles)
        assert asked["d"] == pytest.approx(weight * pieces / 3, rel=1e-3)
        assert asked["e"] == pytest.approx(weight * bm25("电话", "e", titles) / 3, rel=1e-3)
        beside = scores(engine, "移动电话 无线鼠标")
        assert beside["f"] == scores(engine, "无线鼠标")["f"], "the query's other words count as ever"
        assert beside["d"] == asked["d"]
    with open_engine(indexed(tmp_path / "other", titles | {"g": "老人移动电话"}), lexicon) as engine:
        assert found(engine, "移动电话")[0][:2] == ["g", "d"], "what the catalogue has is as it was written"
        with open_engine(tmp_path / "other", lexicon, "[search]\nexpansion_weight = 0.0") as plain:
            assert scores(engine, "移动电话")["d"] == scores(plain, "移动电话")["d"]


def test_a_word_that_a_title_has_in_two_places_is_not_lacked(tmp_path, lexicon):
    """移动电话 as 电话 移动: the seam 动电 is nowhere."""
    titles = {"a": "小米手机", "b": "老人电话 移动版", "c": "移动电源"}
    with open_engine(indexed(tmp_path / "shop", titles), lexicon) as engine:
        assert found(engine, "移动电话")[1] == ("移动电话 also as 手机",)
        with open_engine(tmp_path / "shop", lexicon, "[search]\nexpansion_weight = 0.0") as plain:
            assert scores(engine, "移动电话")["b"] == scores(plain, "移动电话")["b"]


def test_what_a_query_says_beside_a_lacked_word_counts_as_ever(tmp_path, lexicon):
    titles = {"a": "小米手机", "b": "座机电话线 5米", "c": "移动电源"}
    with open_engine(indexed(tmp_path / "shop", titles), lexicon) as engine:
        alone, beside = scores(engine, "电话线"), scores(engine, "移动电话 电话线")
        assert found(engine, "移动电话 电话线")[1] == ("移动电话 also as 手机",)
        assert beside["b"] == alone["b"]
        assert beside["a"] == scores(engine, "移动电话")["a"]


def test_names_and_pieces_in_letters_are_words(tmp_path, lexicon):
    titles = {"a": "纯棉短袖 衬衫", "b": "camiseta roja", "c": "letter t", "d": "teléfono móvil nokia"}
    with open_engine(indexed(tmp_path / "shop", titles), lexicon) as engine:
        assert found(engine, "T恤")[1] == ("T恤 also as camiseta",)
        assert scores(engine, "T恤")["c"] == scores(engine, "t")["c"]
        assert scores(engine, "T恤")["b"] == scores(engine, "camiseta")["b"]
        assert found(engine, "移动电话")[1] == ("移动电话 also as teléfono móvil",)
        whole = scores(engine, "teléfono móvil")["d"]  # of two words, each of which counts half
        assert scores(engine, "移动电话")["d"] == pytest.approx(whole / 2, rel=1e-3)


def indexed(folder, titles):
    """A shop of titles by id, indexed."""
    products = [Product(product_id, title) for product_id, title in titles.items()]
    SearchEngine.build(products, folder, encoder=ReadsAll()).close()
    return folder


def bm25(token, product_id, titles):
    """By the book, over one field."""
    tokens = {name: product_tokens(title) for name, title in titles.items()}
    carriers = sum(token in found for found in tokens.values())
    mean = sum(map(len, tokens.values())) / len(tokens)
    count, length = tokens[product_id].count(token), len(tokens[product_id])
    idf = math.log(1 + (len(tokens) - carriers + 0.5) / (carriers + 0.5))
    return idf * count * 2.2 / (count + 1.2 * (0.25 + 0.75 * length / mean))


def scores(engine, text):
    return {hit.product_id: hit.score for hit in engine.search(SearchRequest(text, mode="bm25")).hits}


@pytest.mark.parametrize("text", ["手机", "mouse pro", "小米首机", "耳机 sony", "移动电话 sony", "手机壳 10000mah"])
def test_fields_add_up_to_the_score_with_other_names(folder, lexicon, text):
    with open_engine(folder, lexicon) as engine:
        understood = engine._understand(SearchRequest(text))
        request = SearchRequest(understood.text, mode="bm25", expansions=understood.expansions)
        got = dict(engine.index.search(request, {}, 10).lists["bm25"])
        table = engine.index.features([p.id for p in PRODUCTS], request, {}).to_pylist()
        weights = engine.recipe.index.field_weights
        total = {row["product_id"]: sum(w * row[f"bm25:{f}"] for f, w in weights.items()) for row in table}
        assert got
        assert {i: score for i, score in total.items() if score} == pytest.approx(got, abs=1e-3)


def test_corrections_reach_words_and_encoder_and_are_told(folder):
    encoder = ReadsAll()
    with open_engine(folder, NO_NAMES, encoder=encoder) as engine:
        ranking = engine.search(SearchRequest("小米首机"))
        best = next(hit for hit in ranking.hits if hit.product_id == "1")
        assert best.parts["bm25"].rank == 1  # this encoder's vectors mean nothing
        assert ranking.rewrites == ("首机 -> 手机 (same sound)",)
        assert found(engine, "xiaomishouji") == (["1"], ("xiaomishouji -> 小米手机 (pinyin)",))
        batch = engine.search_batch([SearchRequest("藍壓耳機"), SearchRequest("shouji")])
        assert [r.rewrites for r in batch] == [("蓝压 -> 蓝牙 (same sound)",), ("shouji -> 手机 (pinyin)",)]
        assert encoder.queries == ["小米手机", "蓝牙耳机", "手机"]
    with open_engine(folder, toml="[search]\npinyin = false") as engine:
        assert found(engine, "shouji") == ([], ())


@pytest.mark.parametrize("mode", ["dense", "hybrid"])
def test_a_script_that_the_encoder_cannot_read_is_searched_by_words(folder, mode):
    encoder = LatinOnly()
    encoder.fingerprint = ReadsAll.fingerprint
    with open_engine(folder, encoder=encoder) as engine:
        ranking = engine.search(SearchRequest("אוזניות", mode=mode))
        assert [hit.product_id for hit in ranking.hits] == ["6"]
        assert set(ranking.hits[0].parts) == {WORDS_ONLY}
        assert ranking.degraded == ("meaning: the encoder does not read Hebrew, so only words were searched",)
        assert next(engine.search_batch([SearchRequest("אוזניות", mode=mode)])).degraded == ranking.degraded
        assert encoder.queries == []
        assert engine.search(SearchRequest("sony אוזניות headphones", mode=mode)).degraded == ()
        assert engine.search(SearchRequest("365", mode=mode)).degraded == ()
        assert encoder.queries
    with open_engine(folder) as engine:
        assert engine.search(SearchRequest("אוזניות", mode=mode)).degraded == ()


def test_indexing_warns_once_if_the_encoder_cannot_read_most_products(tmp_path):
    hebrew = [Product(str(n), "אוזניות") for n in range(3)] + [Product("x", "headphones")]
    with pytest.warns(UserWarning, match=r"does not read the script of 3 of 4 products") as caught:
        SearchEngine.build(hebrew, tmp_path / "shop", encoder=LatinOnly()).close()
    assert len(caught) == 1
    SearchEngine.build(PRODUCTS, tmp_path / "mixed", encoder=ReadsAll()).close()


def test_synonyms_are_read_beside_the_recipe_and_kept_in_the_index(tmp_path):
    (tmp_path / "mine").mkdir()
    rules = tmp_path / "mine" / "rules.txt"
    rules.write_text("telefonino, cell phone\n", encoding="utf-8")
    recipe_file = tmp_path / "mine" / "recipe.toml"
    recipe_file.write_text('[search]\nsynonyms = "rules.txt"\n', encoding="utf-8")
    recipe = Recipe.load(recipe_file)
    SearchEngine.build(PRODUCTS, tmp_path / "first", recipe, encoder=ReadsAll()).close()
    rules.unlink()
    (tmp_path / "first").rename(tmp_path / "shop")
    assert 'synonyms = "synonyms.txt"' in (tmp_path / "shop" / "recipe.toml").read_text()
    with open_engine(tmp_path / "shop") as engine:
        assert found(engine, "telefonino") == (["2"], ("telefonino also as cell phone",))
    with pytest.raises(RecipeError, match=r"cannot read the synonyms(.|\n)*rules\.txt"):
        SearchEngine.build(PRODUCTS, tmp_path / "second", recipe, encoder=ReadsAll())
    assert not (tmp_path / "second").exists()
    SearchEngine.build(PRODUCTS, tmp_path / "shop", encoder=ReadsAll()).close()
    assert not (tmp_path / "shop" / "synonyms.txt").exists()
    with open_engine(tmp_path / "shop") as engine:
        assert found(engine, "telefonino") == ([], ())


def test_synonyms_of_a_recipe_at_search_time(folder, tmp_path):
    (tmp_path / "rules.txt").write_text("telefonino => cell phone\n", encoding="utf-8")
    (tmp_path / "r.toml").write_text('[search]\nsynonyms = "rules.txt"\nsynonym_weight = 1.0\n', encoding="utf-8")
    recipe = Recipe.load(tmp_path / "r.toml")
    assert Recipe.load(tmp_path / "r.toml", base=recipe).search.synonyms == str(tmp_path / "rules.txt")
    with SearchEngine.open(folder, recipe, encoder=ReadsAll()) as engine:
        assert found(engine, "telefonino") == (["2"], ("telefonino also as cell phone",))


def test_an_index_of_before_is_refused_with_the_cure(folder, tmp_path):
    with open_engine(folder) as engine:
        engine.save(tmp_path / "old")
    manifest = tmp_path / "old" / "manifest.json"
    data = json.loads(manifest.read_text())
    del data["fingerprint"]["segmenter"]
    manifest.write_text(json.dumps(data))
    with pytest.raises(FingerprintError, match=r"older Aisle, without segmenter(.|\n)*index the catalogue again"):
        open_engine(tmp_path / "old")
    with SearchEngine.build(PRODUCTS, tmp_path / "old", encoder=ReadsAll()) as engine:
        assert found(engine, "小米")[0] == ["1"]


def test_the_command_line_tells_what_it_understood(tmp_path):
    catalogue = tmp_path / "c.csv"
    catalogue.write_text("id,title\n1,小米手机 13\n2,华为蓝牙耳机\n", encoding="utf-8")
    runner = CliRunner()
    assert runner.invoke(cli, ["index", str(catalogue), "--out", str(tmp_path / "shop")]).exit_code == 0
    plain = runner.invoke(cli, ["search", str(tmp_path / "shop"), "小米首机", "--mode", "bm25"])
    assert "understood: 首机 -> 手机 (same sound)" in plain.output
    as_json = runner.invoke(cli, ["search", str(tmp_path / "shop"), "小米首机", "--mode", "bm25", "--json"])
    assert json.loads(as_json.output)["rewrites"] == ["首机 -> 手机 (same sound)"]


@pytest.mark.parametrize("asked", ["20000mAh", "20000 mah", "256GB", "25kg", "27 inch", "27寸"])
def test_a_number_is_found_with_its_unit_in_products_that_no_catalogue_cleaned(tmp_path, asked):
    titles = ("移动电源 20000mAh", "手机 256GB", "大米25kg装", "显示器 27英寸", "手套")
    products = [Product(str(number), title) for number, title in enumerate(titles)]
    with SearchEngine.build(products, tmp_path / "shop") as engine:
        (hit,) = engine.search(SearchRequest(asked, mode="bm25")).hits
    assert asked.casefold()[:2] in hit.product.title
    assert hit.product.title in titles  # kept as it was given
