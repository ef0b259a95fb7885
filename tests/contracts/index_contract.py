"""What every index back end must do, whatever it is built on. Subclass `IndexContract` and give it the fixtures.

`matches` (a plain evaluation over products) and numpy are the second opinion; nothing here looks inside a back end.
"""

import random
import threading
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from aisle.config import IndexSettings
from aisle.errors import AisleError, FilterError, RequestError
from aisle.filters import field_values, matches, parse_filter, parse_sort, value_key
from aisle.language.normalise import fold_identifier
from aisle.types import And, Compare, Offer, Product, Record, SearchRequest

from .rows import CHINESE, DIM, random_filter, real_products, records, vectors

PRODUCTS = list(real_products())


def found(index, text, stage="bm25", depth=20, **changes):
    mode = "dense" if stage.startswith("dense") else "bm25"
    return index.search(SearchRequest(text, mode=mode, **changes), {}, depth).lists[stage]


def found_ids(index, text, **changes):
    return [product_id for product_id, _ in found(index, text, **changes)]


def titled(*titles):
    return records([Product(str(place), title) for place, title in enumerate(titles)])


class IndexContract:
    """The contract. Beside the fixtures here, the module of a subclass gives ``filled``: an index that holds
    ``records(PRODUCTS)``, half of them written after it was optimised. It is shared, so no test writes to it."""

    @pytest.fixture
    def make(self, tmp_path):
        """A function that makes an empty index with vectors ``{"text": DIM}`` from settings."""
        raise NotImplementedError

    @pytest.fixture
    def reader_of(self):
        """A function that opens what an index wrote for reading, as another process would."""
        raise NotImplementedError

    # --- filters ---

    def test_every_filter_agrees_with_its_definition(self, filled):
        rng = random.Random(1)
        sizes = []
        for _ in range(300):
            filter = random_filter(PRODUCTS, rng)
            want = sorted(product.id for product in PRODUCTS if matches(filter, product))
            got = filled.search(SearchRequest("", filter=filter), {}, len(PRODUCTS))
            assert sorted(i for i, _ in got.lists["browse"]) == want, filter
            assert got.total == filled.count(filter) == len(want), filter
            sizes.append(len(want))
        assert sum(0 < size < len(PRODUCTS) for size in sizes) > 150, "the filters split nothing: the test is idle"

    def test_filtered_vector_search_finds_all_that_an_exact_scan_finds(self, filled):
        rng = random.Random(2)
        stored = vectors(len(PRODUCTS))
        for query in vectors(60, seed=5):
            filter = random_filter(PRODUCTS, rng)
            scores = stored @ query
            passing = [i for i, product in enumerate(PRODUCTS) if matches(filter, product)]
            want = sorted(passing, key=lambda i: (-scores[i], PRODUCTS[i].id))[:10]
            request = SearchRequest("x", filter=filter, mode="dense")
            got = filled.search(request, {"text": query}, 10).lists["dense:text"]
            assert [i for i, _ in got] == [PRODUCTS[i].id for i in want], filter
            assert [score for _, score in got] == pytest.approx([float(scores[i]) for i in want], abs=1e-5)

    def test_filtered_words_are_the_unfiltered_ones_that_pass(self, filled, make):
        whole = make()
        whole.upsert(records(PRODUCTS))
        whole.optimize()
        rng = random.Random(3)
        text = "black notebook cable usb"
        everything = found(whole, text, depth=len(PRODUCTS))
        by_id = {product.id: product for product in PRODUCTS}
        for _ in range(40):
            filter = random_filter(PRODUCTS, rng)
            want = [(i, score) for i, score in everything if matches(filter, by_id[i])][:10]
            some = set(found_ids(filled, text, filter=filter, depth=len(PRODUCTS)))
            assert some == {i for i, _ in everything if matches(filter, by_id[i])}, filter
            got = found(whole, text, filter=filter, depth=10)
            assert [i for i, _ in got] == [i for i, _ in want], filter
            assert [s for _, s in got] == pytest.approx([s for _, s in want], rel=1e-3)

    def test_text_in_a_filter_is_never_code(self, make):
        names = ["it's", 'a "b"', "x' OR '1'='1", "back\\slash", "100%", "a]b", "tab\there", "'; DROP TABLE products"]
        index = make()
        index.upsert(
            [
                Record(Product(name, name, brand=name, attributes={name: name, "n": 1.0}), "h", {"text": vector})
                for name, vector in zip(names, vectors(len(names)), strict=True)
            ]
        )
        for name in names:
            for field in ("id", "title", "brand", f"attributes.{name}"):
                assert index.search(SearchRequest("", filter=Compare(field, "=", name)), {}, 9).total == 1, (
                    field,
                    name,
                )
            assert index.count(Compare(f"attributes.{name}", ">", 1.0)) == 0

    def test_an_unknown_attribute_is_an_error_that_names_close_ones(self, filled):
        for attempt in (
            lambda: filled.count(Compare("product_color", "=", "Black")),
            lambda: filled.search(SearchRequest("x", filter=Compare("product_color", "=", "Black")), {}, 5),
            lambda: filled.search(SearchRequest("", sort=parse_sort("product_color")), {}, 5),
            lambda: filled.facets(["product_color"]),
        ):
            with pytest.raises(FilterError, match=r"product_color.*\n.*product_colour"):
                attempt()

    # --- writing ---

    def test_a_write_is_there_at_once_and_gives_back_what_was_written(self, make):
        index = make()
        batch = records(PRODUCTS[:50])
        index.upsert(batch)
        ids = [record.product.id for record in batch]
        assert index.get([*ids, "nobody"]) == (*PRODUCTS[:50], None)
        assert index.get([ids[3], ids[3]]) == (PRODUCTS[3], PRODUCTS[3])
        stored = index.stored([*ids, "nobody"])
        assert sorted(stored) == sorted(ids)
        for record in batch:
            assert stored[record.product.id].product == record.product
            assert stored[record.product.id].text_hash == record.text_hash
            assert np.array_equal(stored[record.product.id].vectors["text"], record.vectors["text"])
        assert sorted(index.ids()) == sorted(ids)

    @pytest.mark.parametrize("optimised", [False, True])
    def test_an_upsert_replaces_everywhere(self, make, optimised):
        index = make()
        index.upsert(records(PRODUCTS[:30]))
        if optimised:
            index.optimize()
        old = PRODUCTS[7]
        new = Product(old.id, "Zanzibar teapot", price=1.25, identifiers=("TEA-99",), attributes={"spout": "long"})
        vector = vectors(1, seed=9)[0]
        index.upsert([Record(new, "new", {"text": vector})])
        assert index.get([old.id]) == (new,)
        assert index.count() == len(set(index.ids())) == 30
        assert found_ids(index, "zanzibar") == [old.id]
        assert old.id not in found_ids(index, old.title, depth=30)
        assert index.count(Compare("price", "=", 1.25)) == index.count(Compare("spout", "=", "long")) == 1
        assert index.lookup(["tea99"]) == {"tea99": (old.id,)}
        assert old.id not in index.lookup([fold_identifier(old.identifiers[0])]).values()
        nearest = index.search(SearchRequest("x", mode="dense"), {"text": vector}, 5).lists["dense:text"]
        assert nearest[0] == (old.id, pytest.approx(1.0, abs=1e-5))
        assert len({i for i, _ in nearest}) == 5

    def test_of_equal_ids_in_a_batch_the_last_counts(self, make):
        index = make()
        index.upsert(records([Product("1", "first"), Product("1", "second")]))
        assert index.count() == 1
        assert index.get(["1"])[0].title == "second"
        index.upsert([])
        assert index.count() == 1

    @pytest.mark.parametrize("optimised", [False, True])
    def test_deleted_is_gone_at_once(self, make, optimised):
        index = make()
        index.upsert(records(PRODUCTS[:30]))
        if optimised:
            index.optimize()
        gone = PRODUCTS[4]
        assert index.delete([gone.id, gone.id, "nobody"]) == 1
        assert index.delete([gone.id]) == index.delete([]) == 0
        assert index.get([gone.id]) == (None,)
        assert index.count() == 29
        assert gone.id not in index.ids()
        assert gone.id not in found_ids(index, gone.title, depth=30)
        dense = index.search(SearchRequest("x", mode="dense"), {"text": vectors(30)[4]}, 30).lists["dense:text"]
        assert len(dense) == 29
        assert gone.id not in [i for i, _ in dense]
        assert not any(gone.id in ids for ids in index.lookup([fold_identifier(gone.id)]).values())

    def test_batches_or_one_by_one_make_no_difference(self, make):
        whole, pieces = make(), make()
        batch = records(PRODUCTS[:40])
        whole.upsert(batch)
        for record in batch:
            pieces.upsert([record])
        whole.optimize()
        pieces.optimize()
        for text in ("black cable", "notebook", "hp printer"):
            assert list(found(whole, text)) == [(i, pytest.approx(s, rel=1e-3)) for i, s in found(pieces, text)]

    def test_a_change_of_price_keeps_hash_and_vector(self, make):
        index = make()
        (record,) = records(PRODUCTS[:1])
        index.upsert([record])
        stored = index.stored([record.product.id])[record.product.id]
        index.upsert([replace(stored, product=replace(stored.product, price=2.0, stock=9))])
        again = index.stored([record.product.id])[record.product.id]
        assert again.text_hash == record.text_hash
        assert np.array_equal(again.vectors["text"], record.vectors["text"])
        assert again.product == replace(record.product, price=2.0, stock=9)

    def test_every_kind_of_value_comes_back_exactly(self, make):
        product = Product(
            "日本/1 '\"\\",
            "Größe  ½ 😀\n",
            category=("A > B", "C"),
            attributes={"空": "", "ß": ("a", "A"), "n": -0.1, "big": 1e300, "yes": True, "no": False, "": "unnamed"},
            price=0.1 + 0.2,
            stock=2**40,
            images=("x",),
            offers=(Offer("o", 1.0, "EUR", 3, False, {"size": "XL"}),),
        )
        index = make()
        index.upsert(records([product]))
        assert index.get([product.id]) == (product,)

    def test_an_empty_index_answers(self, make):
        index = make()
        query = vectors(1)[0]
        got = index.search(SearchRequest("camera"), {"text": query}, 10)
        assert {stage: len(found) for stage, found in got.lists.items()} == {"bm25": 0, "dense:text": 0}
        assert got.total == index.count() == index.delete(["1"]) == 0
        assert not index.search(SearchRequest(""), {}, 10).lists["browse"]
        assert index.get(["1"]) == (None,)
        assert index.lookup(["a"]) == index.stored(["1"]) == {}
        assert list(index.ids()) == []
        assert index.facets(["brand", "category"]).fields == {"brand": (), "category": ()}
        index.optimize()
        assert index.count(Compare("colour", "=", "red")) == 0
        index.upsert(records(PRODUCTS[:1]))
        with pytest.raises(FilterError, match="colour"):
            index.count(Compare("colour", "=", "red"))

    # --- words ---

    def test_chinese_words_are_found_inside_titles(self, make):
        index = make()
        index.upsert(titled(*CHINESE))
        for _ in range(2):
            got = found(index, "手机")
            assert {i for i, _ in got[:4]} == {"0", "1", "2", "3"}
            assert len(got) == 4
            assert [*got] == sorted(got, key=lambda hit: (-hit[1], hit[0]))
            assert found_ids(index, "小米") == ["0"]
            assert found_ids(index, "电饭煲") == ["4"]
            index.optimize()

    def test_a_typo_finds_what_was_meant(self, make):
        index = make()
        index.upsert(titled("wireless keyboard", "wireless mouse", "house plant", "gaming monitor", "iPhone 14 case"))
        for _ in range(2):
            assert found_ids(index, "keybord") == ["0"]
            assert found_ids(index, "wirless") == ["0", "1"]
            assert found_ids(index, "monitr gaming") == ["3"]
            assert found_ids(index, "keybaord") == ["0"], "two letters swapped are one mistake"
            assert found_ids(index, "gireless") == ["0", "1"], "the first letter may be wrong"
            index.optimize()

    def test_a_word_that_exists_is_not_blurred(self, make):
        index = make()
        index.upsert(titled("mouse", "house", "a mouse in a house", "louse comb"))
        assert found_ids(index, "mouse") == ["0", "2"]
        assert set(found_ids(index, "rouse")) == {"0", "1", "2", "3"}

    def test_short_words_and_words_with_digits_are_never_changed(self, make):
        index = make()
        index.upsert(titled("LC51C ink", "cat food", "model 12345"))
        assert found_ids(index, "LC51Y") == found_ids(index, "bat") == found_ids(index, "12346") == []
        strict = make(IndexSettings(fuzziness=0))
        strict.upsert(titled("wireless keyboard"))
        assert found_ids(strict, "keybord") == []

    def test_fields_weigh_what_the_settings_say(self, make):
        products = [Product("1", "lamp", description="blue things"), Product("2", "blue things", description="lamp")]
        for weights, first in (({"title": 3.0, "description": 1.0}, "1"), ({"title": 1.0, "description": 3.0}, "2")):
            index = make(IndexSettings(field_weights=weights))
            index.upsert(records(products))
            assert found_ids(index, "lamp")[0] == first
        index = make(IndexSettings(field_weights={"title": 0.0, "description": 1.0}))
        index.upsert(records(products))
        assert found_ids(index, "lamp") == ["2"]

    def test_every_text_field_is_searched(self, make):
        product = Product(
            "1", "titleword", "descriptionword", "brandword", ("categoryword",),
            {"a": "valueword", "b": ("tupleword",)}, identifiers=("ID77X",),
        )  # fmt: skip
        index = make()
        index.upsert(records([product, *PRODUCTS[:5]]))
        for word in ("title", "description", "brand", "category", "value", "tuple"):
            assert found_ids(index, f"{word}word")[0] == "1", word
        assert found_ids(index, "id77x") == ["1"]
        assert found_ids(index, "TÏTLEWORD") == ["1"], "case and accents do not matter"

    @pytest.mark.parametrize(
        "text",
        ["😀", "!!!", '"', "'", "*", "AND", "title:(x", "a AND NOT b", "~2", "\\", "{}", "\0", "+-", "x" * 10_000],
    )
    def test_no_text_is_an_operator_or_an_error(self, filled, text):
        assert all(isinstance(i, str) and score > 0 for i, score in found(filled, text))

    def test_operators_in_a_query_are_words(self, make):
        index = make()
        index.upsert(titled("salt and pepper", "salt", "not pepper"))
        assert set(found_ids(index, "salt AND pepper")) == {"0", "1", "2"}
        assert set(found_ids(index, "salt -pepper")) == {"0", "1", "2"}
        assert found_ids(index, "sal*") == []

    def test_long_queries_are_cut(self, make):
        index = make(IndexSettings(max_query_terms=3))
        index.upsert(titled("alpha", "beta", "gamma", "delta"))
        assert set(found_ids(index, "alpha alpha alpha beta gamma delta")) == {"0", "1", "2"}

    def test_equal_scores_are_cut_by_id(self, make):
        index = make()
        index.upsert(records([Product(f"{n:03}", "same title") for n in random.Random(0).sample(range(300), 300)]))
        for _ in range(2):
            assert found_ids(index, "title", depth=7) == [f"{n:03}" for n in range(7)]
            index.optimize()

    # --- depth, browse, sort ---

    def test_depth_is_a_limit_not_an_error(self, filled):
        query = vectors(1)[0]
        for depth in (0, 1, 7, 1_000_000):
            got = filled.search(SearchRequest("cable"), {"text": query}, depth)
            assert len(got.lists["dense:text"]) == min(depth, len(PRODUCTS))
            assert len(got.lists["bm25"]) <= depth
            assert len(filled.search(SearchRequest(" "), {}, depth).lists["browse"]) == min(depth, len(PRODUCTS))
            assert got.total == len(PRODUCTS)

    def test_the_mode_decides_the_stages(self, filled):
        query = {"text": vectors(1)[0]}
        stages = {mode: set(filled.search(SearchRequest("x", mode=mode), query, 5).lists) for mode in ("bm25", "dense")}
        assert stages == {"bm25": {"bm25"}, "dense": {"dense:text"}}
        assert set(filled.search(SearchRequest("x"), query, 5).lists) == {"bm25", "dense:text"}
        assert set(filled.search(SearchRequest("x"), {}, 5).lists) == {"bm25"}

    def test_a_vector_that_does_not_fit_is_refused(self, filled):
        with pytest.raises(RequestError, match=r"image.*\n.*text"):
            filled.search(SearchRequest("x"), {"image": vectors(1)[0]}, 5)
        with pytest.raises(RequestError, match=rf"shape \(3,\).*\n.*{DIM}"):
            filled.search(SearchRequest("x"), {"text": np.ones(3, np.float32)}, 5)

    @pytest.mark.parametrize(
        "order",
        ["id", "id:desc", "price", "price:desc", "rating:desc,price", "stock,rating:desc", "brand:desc,title", "title",
         "available", "category,price:desc", "currency", "family:desc", "weight", "weight:desc",
         "country_of_origin:desc,price", "compatible_memory_cards", "compatible_memory_cards:desc",
         "energy_star_certified", "price,price:desc"],
    )  # fmt: skip
    def test_browsing_sorts_with_missing_values_last(self, filled, order):
        sorts = parse_sort(order)
        want = sorted(PRODUCTS, key=lambda product: product.id)
        for sort in reversed(sorts):
            key = {p.id: sort_key(p, sort) for p in PRODUCTS}
            there = [p for p in want if key[p.id] is not None]
            want = sorted(there, key=lambda p: key[p.id], reverse=sort.descending) + [
                p for p in want if key[p.id] is None
            ]
        got = filled.search(SearchRequest("", sort=sorts), {}, len(PRODUCTS)).lists["browse"]
        assert [i for i, _ in got] == [product.id for product in want]
        assert [s for _, s in got] == sorted((s for _, s in got), reverse=True)
        assert len({s for _, s in got}) == len(got)
        some = filled.search(SearchRequest("", sort=sorts, filter=Compare("price", "<", 50.0)), {}, 9)
        cheap = [p.id for p in want if matches(Compare("price", "<", 50.0), p)]
        assert [i for i, _ in some.lists["browse"]] == cheap[:9]
        assert some.total == len(cheap)

    # --- identifiers ---

    def test_identifiers_are_looked_up_folded_and_exact(self, filled):
        for product in PRODUCTS[:40]:
            keys = [fold_identifier(text) for text in (product.id, *product.identifiers)]
            want = {
                key: tuple(sorted(p.id for p in PRODUCTS if key in map(fold_identifier, (p.id, *p.identifiers))))
                for key in keys
                if key
            }
            assert filled.lookup([*keys, "nosuchkey"]) == want
        key, ids = next(iter(want.items()))
        assert filled.lookup([key[:-1] + "zz"]) == filled.lookup([]) == filled.lookup([""]) == {}
        assert filled.lookup([key], Compare("id", "!=", ids[0])) in ({}, {key: ids[1:]})

    def test_lookup_is_limited_per_key(self, make):
        index = make()
        index.upsert(records([Product(str(n), "x", identifiers=("SET-1", f"N{n}")) for n in range(9)]))
        assert index.lookup(["set1", "n8"], limit=3) == {"set1": ("0", "1", "2"), "n8": ("8",)}

    # --- facets ---

    @pytest.mark.parametrize(
        "field", ["brand", "currency", "available", "rating", "family", "product_colour", "weight", "bluetooth",
                  "compatible_memory_cards", "title"]
    )  # fmt: skip
    @pytest.mark.parametrize("filter", [None, "price<50", "rating>2 AND NOT EXISTS stock"])
    def test_facets_count_what_a_plain_count_does(self, filled, field, filter):
        filter = parse_filter(filter) if filter else None
        want = Counter()
        kept = None if field == "rating" and filter is not None and "rating" in str(filter) else filter
        if field == "rating" and kept is not filter:
            kept = parse_filter("NOT EXISTS stock")
        for product in PRODUCTS:
            if kept is None or matches(kept, product):
                want.update({value_key(value) for value in field_values(product, field)})
        got = filled.facets([field], filter, limit=1_000).fields[field]
        assert {value_key(value.value): value.count for value in got} == want
        assert list(got) == sorted(got, key=lambda value: (-value.count, value.value))
        assert filled.facets([field], filter, limit=2).fields[field] == got[:2]

    def test_the_category_facet_counts_subtrees(self, filled):
        want = Counter(" > ".join(p.category[:depth]) for p in PRODUCTS for depth in range(1, len(p.category) + 1))
        got = filled.facets(["category"], limit=1_000).fields["category"]
        assert {value.value: value.count for value in got} == want
        assert got[0].value == "Electronics"

    def test_facets_allow_for_further_choices(self, filled):
        brand, price = parse_filter("brand = HP"), parse_filter("price < 60")
        both = filled.facets(["brand", "currency"], And((brand, price)), limit=1_000)
        assert both.fields["brand"] == filled.facets(["brand"], price, limit=1_000).fields["brand"]
        assert len(both.fields["brand"]) > 1
        kept = [p for p in PRODUCTS if matches(And((brand, price)), p)]
        want = Counter(field_values(p, "currency")[0] for p in kept if field_values(p, "currency"))
        assert {value.value: value.count for value in both.fields["currency"]} == want
        under = parse_filter('category UNDER "Electronics"')
        assert filled.facets(["category"], under) == filled.facets(["category"])
        mixed = parse_filter("brand = HP OR price < 60")
        assert sum(v.count for v in filled.facets(["brand"], mixed).fields["brand"]) < sum(map(bool, PRODUCTS))

    def test_spellings_of_a_value_are_one(self, make):
        index = make()
        index.upsert(records([Product(str(n), "x", brand=brand) for n, brand in enumerate(["HP", "hp", "HP", "Dell"])]))
        got = index.facets(["brand"]).fields["brand"]
        assert [(value.value, value.count) for value in got] == [("HP", 3), ("Dell", 1)]

    # --- features ---

    @pytest.mark.parametrize("text", ["hp notebook black", "usb cabel", "😀", "notebok"])
    def test_features_add_up_to_the_scores_of_search(self, filled, text):
        query = vectors(1, seed=3)[0]
        got = filled.search(SearchRequest(text), {"text": query}, 50)
        words, dense = dict(got.lists["bm25"]), dict(got.lists["dense:text"])
        ids = [*words, *dense, "nobody", PRODUCTS[0].id]
        table = filled.features(ids, SearchRequest(text), {"text": query})
        assert table["product_id"].to_pylist() == ids
        weights = IndexSettings().field_weights
        assert set(table.column_names) == {"product_id", "dense:text", *(f"bm25:{field}" for field in weights)}
        rows = dict(zip(ids, table.to_pylist(), strict=True))
        for product_id, score in words.items():
            total = sum(weight * rows[product_id][f"bm25:{field}"] for field, weight in weights.items())
            assert total == pytest.approx(score, abs=1e-3)
        for product_id, score in dense.items():
            assert rows[product_id]["dense:text"] == pytest.approx(score, abs=1e-5)
        assert all(value is None for name, value in rows["nobody"].items() if name != "product_id")
        assert filled.features([], SearchRequest(text), {"text": query}).num_rows == 0

    # --- more than one reader and writer ---

    def test_a_reader_sees_every_finished_write(self, make, reader_of):
        index = make()
        index.upsert(titled("first lamp"))
        reader = reader_of(index)
        assert found_ids(reader, "lamp") == ["0"]
        index.upsert([Record(Product("9", "second lamp"), "h", {"text": vectors(1)[0]})])
        assert set(found_ids(reader, "lamp")) == {"0", "9"}
        index.delete(["0"])
        assert found_ids(reader, "lamp") == ["9"]
        index.optimize()
        assert found_ids(reader, "lamp") == ["9"]
        reader.close()

    def test_optimising_in_the_background_stops_no_reads(self, make):
        index = make()
        for start in range(0, 300, 50):
            index.upsert(records(PRODUCTS[start : start + 50], seed=start))
        before = found(index, "black notebook cable")
        failures, reads, done = [], [], threading.Event()

        def read():
            while not done.is_set():
                try:
                    got = found(index, "black notebook cable")
                    assert [i for i, _ in got] == [i for i, _ in before]
                    assert index.count() == 300
                    reads.append(1)
                except BaseException as error:
                    failures.append(error)
                    return

        readers = [threading.Thread(target=read) for _ in range(2)]
        for reader in readers:
            reader.start()
        for _ in range(3):
            index.optimize(wait=False)
            index.optimize(wait=True)
        done.set()
        for reader in readers:
            reader.join()
        assert not failures
        assert reads
        index.upsert(records(PRODUCTS[300:310]))
        assert index.count() == 310

    def test_closing_twice_is_fine_and_background_work_is_finished(self, make, reader_of):
        index = make()
        index.upsert(records(PRODUCTS[:20]))
        index.optimize(wait=False)
        index.close()
        index.close()
        assert reader_of(index).count() == 20

    def test_errors_are_at_most_three_lines(self, filled):
        with pytest.raises(AisleError, match="zzz") as caught:
            filled.count(Compare("zzz\n\nzzz", "=", "x"))
        assert len(str(caught.value).splitlines()) <= 3


def sort_key(product, sort):
    """As the protocol says: numbers before text, text without case, of several values the one that comes first."""
    keys = [
        (1, 0.0, value_key(value)) if isinstance(value, str) else (0, float(value), "")
        for value in field_values(product, sort.field)
        if sort.field != "id"
    ]
    if sort.field == "id":
        return (1, 0.0, product.id)
    return (max(keys) if sort.descending else min(keys)) if keys else None
