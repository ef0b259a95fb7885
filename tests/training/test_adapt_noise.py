"""What is taken from texts: shares as asked, ends untouched, the same every time; which texts are learnt from."""

from __future__ import annotations

import numpy as np
import pytest

from aisle.errors import CatalogueError, RecipeError
from aisle.training.adapt.lesson import FEWEST, MASK, UNKNOWN, fingerprint, lesson, special_tokens
from aisle.training.adapt.noise import chance, deleted, masked
from aisle.training.adapt.recipe import AdaptRecipe, load_adapt_recipe

FIRST, LAST, HIDE = 2, 3, 4
OTHERS = range(100, 200)
TEXT = [FIRST, *range(10, 50), LAST]
ROUNDS = 2_000


def near(count: int, share: float, of: int) -> bool:
    """Within five standard deviations of what independent draws give."""
    return abs(count - share * of) < 5 * (of * share * (1 - share)) ** 0.5


@pytest.mark.parametrize("share", [0.2, 0.6, 0.9])
def test_so_many_tokens_are_deleted_each_as_often_as_any_other(share):
    gone = np.zeros(50, int)
    for number in range(ROUNDS):
        left = deleted(TEXT, share, chance(1, 0, number))
        assert (left[0], left[-1]) == (FIRST, LAST)
        assert left[1:-1] == sorted(left[1:-1]), "what is left keeps its order"
        gone[list(set(TEXT[1:-1]) - set(left))] += 1
    assert near(int(gone.sum()), share, 40 * ROUNDS)
    assert all(near(int(count), share, ROUNDS) for count in gone[10:])


def test_one_token_is_left_at_least_and_any_may_be():
    left = [deleted([FIRST, 10, 11, 12, LAST], 0.99, chance(1, 0, number)) for number in range(300)]
    assert {len(text) for text in left} >= {3}
    assert {text[1] for text in left if len(text) == 3} == {10, 11, 12}


def test_tokens_are_hidden_as_bert_hides_them():
    counts = dict.fromkeys(("chosen", "mask", "other", "same"), 0)
    where = np.zeros(len(TEXT), int)
    for number in range(ROUNDS):
        found = masked(TEXT, 0.15, HIDE, OTHERS, chance(1, 0, number))
        assert len(found.ids) == len(TEXT)
        untouched = set(range(len(TEXT))) - set(found.places)
        assert all(found.ids[place] == TEXT[place] for place in untouched)
        where[found.places] += 1
        for place in found.places:
            token = found.ids[place]
            counts["chosen"] += 1
            counts["mask" if token == HIDE else "other" if token in OTHERS else "same"] += 1
            assert token in (HIDE, TEXT[place], *OTHERS)
    assert where[0] == where[-1] == 0, "special tokens are never to be named"
    assert near(counts["chosen"], 0.15, 40 * ROUNDS)
    assert all(near(int(count), 0.15, ROUNDS) for count in where[1:-1])
    for kind, share in (("mask", 0.8), ("other", 0.1), ("same", 0.1)):
        assert near(counts[kind], share, counts["chosen"])


@pytest.mark.train
@pytest.mark.filterwarnings("default")
def test_tokens_are_hidden_as_often_as_transformers_hides_them(tmp_path):
    torch = pytest.importorskip("torch")
    from transformers import BertTokenizerFast, DataCollatorForLanguageModeling

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{number}" for number in range(195))]
    (tmp_path / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    collate = DataCollatorForLanguageModeling(BertTokenizerFast(str(tmp_path / "vocab.txt")), mlm_probability=0.15)
    torch.manual_seed(0)
    theirs = collate([{"input_ids": TEXT} for _ in range(ROUNDS)])
    chosen = theirs["labels"] != -100
    shown = theirs["input_ids"][chosen]
    ours = [masked(TEXT, 0.15, HIDE, OTHERS, chance(1, 0, number)) for number in range(ROUNDS)]
    tokens = [found.ids[place] for found in ours for place in found.places]
    assert abs(len(tokens) / int(chosen.sum()) - 1) < 0.05
    assert abs(np.mean(np.array(tokens) == HIDE) - float((shown == HIDE).float().mean())) < 0.02
    kept = [found.ids[place] == TEXT[place] for found in ours for place in found.places]
    assert abs(np.mean(kept) - float((shown == theirs["labels"][chosen]).float().mean())) < 0.02


def test_noise_depends_on_seed_pass_and_text_alone():
    def draw(*which: int) -> list[int]:
        return deleted(TEXT, 0.6, chance(*which))

    assert draw(1, 2, 3) == draw(1, 2, 3)
    assert len({tuple(draw(*which)) for which in ((1, 2, 3), (2, 2, 3), (1, 3, 3), (1, 2, 4))}) == 4


def texts(count: int) -> list[list[int]]:
    return [[FIRST, 10 + number, 1, 11 + number, LAST] for number in range(count)]


def test_texts_are_divided_once_and_what_is_unknown_is_never_named():
    given = [*texts(100), [FIRST, 500, LAST], [FIRST, LAST]]
    found = lesson(given, {MASK: HIDE, UNKNOWN: 1}, AdaptRecipe(held_out=0.1))
    assert (len(found.texts), len(found.apart)) == (90, 10)
    assert sorted([*found.texts, *found.apart]) == texts(100), "a text of one token tells nothing"
    assert found.words == list(range(10, 111))
    assert found.mask == HIDE
    again = lesson(given, {MASK: HIDE, UNKNOWN: 1}, AdaptRecipe(held_out=0.1))
    assert again == found
    few = lesson(given, {}, AdaptRecipe(most=40))
    assert len(few.texts) + len(few.apart) == 40
    assert few.mask == -1


def test_texts_that_the_encoder_does_not_read_are_refused():
    """Unknown throughout, or but for one token: nothing to name."""
    unread = [[FIRST, 1, 1, 1, LAST]] * 40 + [[FIRST, 1, 10, 1, LAST]] * 40
    with pytest.raises(
        CatalogueError, match="a catalogue with 0 distinct texts of two tokens or more that the encoder"
    ):
        lesson(unread, {MASK: HIDE, UNKNOWN: 1}, AdaptRecipe(method="mlm"))
    with pytest.raises(RecipeError, match="most=5"):
        lesson(texts(100), {}, AdaptRecipe(most=5))


def test_too_few_texts_and_a_tokenizer_without_a_mask_are_refused():
    with pytest.raises(CatalogueError, match=f"{FEWEST - 1} distinct texts of two tokens or more") as error:
        lesson(texts(FEWEST - 1), {}, AdaptRecipe())
    assert f"{FEWEST} or more" in str(error.value)
    with pytest.raises(RecipeError, match=r"no \[MASK\]"):
        lesson(texts(FEWEST), {UNKNOWN: 1}, AdaptRecipe(method="mlm"))
    assert lesson(texts(FEWEST), {UNKNOWN: 1}, AdaptRecipe()).texts


def test_the_packaged_encoder_can_hide_tokens():
    from aisle.encoders.embedded import FOLDER
    from aisle.encoders.onnx import OnnxEncoder

    found = special_tokens(FOLDER)
    assert set(found) == {MASK, UNKNOWN}
    assert OnnxEncoder(FOLDER).tokenizer(64).ids(["[MASK]"])[0][1] == found[MASK]


def test_a_fingerprint_tells_texts_and_their_order():
    assert fingerprint(["a", "b"]) == fingerprint(["a", "b"])
    assert len({fingerprint(given) for given in (["a", "b"], ["b", "a"], ["ab"], ["a"], [])}) == 5


def test_a_recipe_round_trips_and_refuses_what_is_out_of_range(tmp_path):
    recipe = load_adapt_recipe(None, ["method=mlm", "fit.rate=1e-4", "masked=0.3", "fit.mixture=0.5"])
    assert AdaptRecipe.from_dict(recipe.to_dict()) == recipe
    (tmp_path / "recipe.toml").write_text("deleted = 0.4\n[fit]\nepochs = 3\n", encoding="utf-8")
    read = load_adapt_recipe(tmp_path / "recipe.toml", ["fit.epochs=2"])
    assert (read.deleted, read.fit.epochs) == (0.4, 2)
    for wrong in ("method=gpl", "deleted=1", "masked=0", "fit.mixture=0", "fit.seed=-1", "held_out=0.6", "fit.batch=0"):
        with pytest.raises(RecipeError, match=wrong.split("=")[0].replace(".", r"\.")):
            load_adapt_recipe(None, [wrong])
    with pytest.raises(RecipeError, match="cannot read the recipe"):
        load_adapt_recipe(tmp_path / "none.toml")
