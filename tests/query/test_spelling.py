import itertools
import string

from aisle.query.facts import CatalogueFacts, Term
from aisle.query.spelling import corrected

NAMES = {"panasonic": 5, "lenovo": 3, "lexmark": 2, "black": 9, "sonys": 1}


def facts(words=()):
    terms = {key: (Term("colour" if key == "black" else "brand", key, {}, n, 0.9),) for key, n in NAMES.items()}
    return CatalogueFacts(terms=terms, words=frozenset(words))


def one_edit_away(word):
    """Norvig's list of everything one insertion, deletion, replacement or swap away."""
    splits = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    letters = string.ascii_lowercase
    return {
        *(a + b[1:] for a, b in splits if b),
        *(a + b[1] + b[0] + b[2:] for a, b in splits if len(b) > 1),
        *(a + c + b[1:] for (a, b), c in itertools.product(splits, letters) if b),
        *(a + c + b for (a, b), c in itertools.product(splits, letters)),
    } - {word}


def test_exactly_what_is_one_edit_away_is_corrected():
    known = facts()
    for name in NAMES:
        near = one_edit_away(name)
        for written in sorted(near)[::7]:
            if len(written) >= 5 and written not in NAMES:
                assert corrected(written, known) == name
        for written in sorted(near)[::97]:
            for twice in sorted(one_edit_away(written) - near - {name})[::29]:
                if len(twice) >= 5 and not any(twice in one_edit_away(other) for other in NAMES):
                    assert corrected(twice, known) is None, twice


def test_short_known_and_other_words_stay():
    assert corrected("blak", facts()) is None
    assert corrected("blank", facts(words=["blank"])) is None
    assert corrected("black", facts()) is None
    assert corrected("black5", facts()) is None


def test_of_two_near_ones_the_one_with_more_products():
    terms = {key: (Term("brand", key, {}, n, 0.9),) for key, n in (("marla", 2), ("marle", 7))}
    assert corrected("marlx", CatalogueFacts(terms=terms)) == "marle"
