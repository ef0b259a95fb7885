"""Occlusion tells what the model does: every effect is asked of the encoder again, and removing what is named hurts."""

import numpy as np
import pytest

from aisle.catalogue.render import Renderer
from aisle.config import RenderSettings
from aisle.explain.near import NearWords
from aisle.explain.occlude import occlude
from aisle.explain.reading import EncoderReader, RerankerReader
from aisle.types import Product
from tests.explain.shop import PRODUCTS, TitleLength

MOUSE = PRODUCTS[0]


def reader_of(encoder, fields=("title", "brand", "category", "description"), max_tokens=96):
    return EncoderReader(encoder, Renderer(RenderSettings(fields, max_tokens), encoder.count_tokens))


def cosine(encoder, query, text):
    return float(encoder.encode([query], "query")[0] @ encoder.encode([text], "product")[0])


def test_effects_are_the_drops_of_the_cosine(encoder):
    reader = reader_of(encoder)
    assert " ".join(reader.fields(MOUSE).values()) == "Logi wireless mouse black Mice Optical, 2.4 GHz receiver"
    found = occlude(reader, "wireless mouse", MOUSE)
    whole = cosine(encoder, "wireless mouse", "Logi wireless mouse black Mice Optical, 2.4 GHz receiver")
    assert found.score == pytest.approx(whole, abs=1e-6)
    without = cosine(encoder, "wireless mouse", "Logi wireless black Mice Optical, 2.4 GHz receiver")
    effects = {effect.name: effect.effect for effect in found.product}
    assert effects["mouse"] == pytest.approx(whole - without, abs=1e-6)
    assert list(effects) == sorted(effects, key=lambda name: -effects[name])
    assert set(effects) == {"Logi", "wireless", "mouse", "black", "Mice", "Optical", "2.4", "GHz", "receiver"}
    asked = {effect.name: effect.effect for effect in found.query}
    alone = cosine(encoder, "wireless", "Logi wireless mouse black Mice Optical, 2.4 GHz receiver")
    assert asked == {"wireless": pytest.approx(asked["wireless"]), "mouse": pytest.approx(whole - alone, abs=1e-6)}
    fields = {effect.name: effect.effect for effect in found.fields}
    titleless = cosine(encoder, "wireless mouse", "Mice Optical, 2.4 GHz receiver")
    assert fields["title"] == pytest.approx(whole - titleless, abs=1e-6)
    assert next(iter(fields)) == "title"


def test_what_is_cut_off_does_not_move_up_in_place_of_a_word(encoder):
    product = Product("p", "red shoe", "one two three four five six seven")
    reader = reader_of(encoder, ("title", "description"), max_tokens=8)
    fields = reader.fields(product)
    assert fields["description"].split() == ["one", "two", "three", "four"]
    assert "five" not in {effect.name for effect in occlude(reader, "shoe", product).product}


def test_chinese_words_are_taken_out_as_words(encoder):
    found = occlude(reader_of(encoder), "无线鼠标", PRODUCTS[8])
    assert {effect.name for effect in found.query} == {"无线", "鼠标"}
    assert found.product[0].name in {"无线", "鼠标"}


def test_at_most_so_many_words_those_of_the_query_first(encoder):
    product = Product("p", "a b c d e f", "shoe")
    found = occlude(reader_of(encoder, ("title", "description")), "shoe", product, most=3)
    assert {effect.name for effect in found.product} == {"shoe", "a", "b"}
    assert found.unmeasured == 4


def test_a_reranker_is_asked_itself_and_fields_it_does_not_read_are_not_searched():
    found = occlude(RerankerReader(TitleLength(), MOUSE), "wireless mouse pad", MOUSE)
    assert (found.model, found.score) == ("reranker", 2.0)
    assert {effect.name: effect.effect for effect in found.query} == {"wireless": 1.0, "mouse": 1.0, "pad": 0.0}
    assert {effect.name: effect.effect for effect in found.product} == {
        "wireless": 1,
        "mouse": 1,
        "Logi": 0,
        "black": 0,
    }
    assert {effect.name for effect in found.fields if effect.effect} == {"title"}


@pytest.mark.parametrize("query", ["wireless mouse", "black keyboard", "headphones", "digital camera"])
def test_removing_what_is_named_costs_more_than_removing_as_much_at_random(encoder, query):
    reader = reader_of(encoder)
    lost, at_random = [], []
    draw = np.random.default_rng(0)
    for product in PRODUCTS[:8]:
        found = occlude(reader, query, product)
        names = [effect.name for effect in found.product]
        fields = reader.fields(product)

        def left(gone, fields=fields):
            from aisle.explain.cut import word_key
            from aisle.explain.occlude import without_words

            return (query, without_words(fields, [word_key(name) for name in gone]))

        sets = [names[:2], *(draw.choice(names, 2, replace=False) for _ in range(10))]
        scores = found.score - reader.scores([left(gone) for gone in sets])
        lost.append(scores[0])
        at_random.append(scores[1:].mean())
    assert np.mean(lost) > 2 * max(np.mean(at_random), 0.005)


def test_estimates_agree_with_occlusion_on_the_first_word_and_say_what_they_are(encoder):
    reader, near = reader_of(encoder), NearWords(encoder)
    query = encoder.encode(["wireless mouse"], "query")[0]
    fields = reader.fields(MOUSE)
    text = encoder.encode([" ".join(fields.values())], "product")[0]
    found = near.estimate("wireless mouse", query, fields, text)
    assert found.estimated
    assert found.score == pytest.approx(float(query @ text))
    measured = occlude(reader, "wireless mouse", MOUSE)
    assert found.product[0].name in {effect.name for effect in measured.product[:2]}
    word = encoder.encode(["mouse"], "product")[0]
    by_hand = float(word @ query - (word @ text) * (text @ query))
    assert {effect.name: effect.effect for effect in found.product}["mouse"] == pytest.approx(by_hand, abs=1e-6)


def test_estimates_remember_words(encoder):
    class Counting:
        fingerprint, dim, asked = encoder.fingerprint, encoder.dim, 0

        def encode(self, texts, kind):
            self.asked += len(texts)
            return encoder.encode(texts, kind)

        def count_tokens(self, text):
            return encoder.count_tokens(text)

    counting = Counting()
    near = NearWords(counting, size=3)
    vector = encoder.encode(["q"], "query")[0]
    near.estimate("mouse", vector, {"title": "Mouse pad"}, vector)
    assert counting.asked == 2
    near.estimate("pad", vector, {"title": "mouse"}, vector)
    assert counting.asked == 2
    near.estimate("pad", vector, {"title": "a b"}, vector)  # now one of the first is forgotten
    near.estimate("mouse", vector, {"title": "mouse"}, vector)
    assert counting.asked == 5
