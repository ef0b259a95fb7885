"""The student is a plain BERT once its rows are added up, with words beside it; no vector depends on the batch."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

from aisle.training.bilingual.vocabulary import Vocabulary

torch = pytest.importorskip("torch")

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("default")]

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
KEPT = [*range(4), *range(5, 30, 2), *range(30, 40)]
WORDS = Vocabulary(
    ("[UNK]", "保", "壳", "手", "护", "机", "红", "色", "保护壳", "手机", "手机壳", "红色"),
    (-20.0, *(-6.0 for _ in range(7)), *(-8.0 for _ in range(4))),
)
OFFSET = len(KEPT)


def bert_folder(folder: Path) -> Path:
    """A BERT of two layers with random weights."""
    from transformers import BertConfig, BertModel

    torch.manual_seed(1)
    config = BertConfig(vocab_size=40, max_position_embeddings=64, initializer_range=0.2, **SIZES)
    BertModel(config).save_pretrained(folder)
    return folder


def new_student(folder: Path):
    """A student of that BERT whose rows are random."""
    from aisle.training.bilingual.model import Student

    first = np.random.default_rng(2).normal(0, 0.2, (len(WORDS.words), 32)).astype(np.float32)
    return Student(folder, WORDS, first, KEPT).eval(), first


def some_texts(count: int, longest: int) -> list[list[int]]:
    """Ids of both languages between [CLS] and [SEP], which are 2 and 3, from no token on; 0 is padding."""
    chance = random.Random(3)
    lengths = [0, longest - 2, *(chance.randint(1, longest - 2) for _ in range(count - 2))]
    return [[2, *(chance.randrange(4, OFFSET + len(WORDS.words)) for _ in range(length)), 3] for length in lengths]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return bert_folder(tmp_path_factory.mktemp("bert"))


@pytest.fixture
def student(folder):
    made, _ = new_student(folder)
    with torch.no_grad():  # as after training: neither part of a row is what it began as
        made.words.weight += 0.3 * torch.randn_like(made.words.weight)
        made.characters.weight += 0.3 * torch.randn_like(made.characters.weight)
    return made


def test_rows_begin_as_they_were_given(folder):
    made, first = new_student(folder)
    np.testing.assert_allclose(made.rows(), first, atol=1e-6)
    assert made.offset == OFFSET
    assert made.characters.weight.abs().max() > 0.01, "the characters carry a share of them"


def test_a_row_is_its_own_part_and_the_mean_of_its_characters(student):
    characters = sorted("保壳手护机红色")
    own, shared, rows = student.words.weight, student.characters.weight, student.rows()
    for number, word in enumerate(WORDS.words[1:], 1):
        expected = own[number] + sum(shared[characters.index(c)] for c in word) / len(word)
        np.testing.assert_allclose(rows[number], expected.detach(), atol=1e-6)
    np.testing.assert_array_equal(rows[0], own[0].detach())


def test_added_up_it_is_a_plain_bert(student):
    from transformers import BertConfig, BertModel

    from aisle.training.bilingual.finish import weights

    exported = weights(student)
    total = OFFSET + len(WORDS.words)
    assert exported["embeddings.word_embeddings.weight"].shape == (total, 32)
    assert {array.dtype for array in exported.values()} == {np.dtype(np.float32)}
    plain = BertModel(BertConfig(vocab_size=total, max_position_embeddings=64, **SIZES), add_pooling_layer=False).eval()
    plain.load_state_dict({name: torch.from_numpy(array) for name, array in exported.items()})
    texts = some_texts(30, 40)
    with torch.no_grad():
        ours = student(texts)[:, :32].numpy()
        for text, vector in zip(texts, ours, strict=True):
            mean = plain(input_ids=torch.tensor([text])).last_hidden_state[0].mean(0)
            np.testing.assert_allclose(vector, (mean / mean.norm()).numpy(), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-6)
    assert np.abs(ours @ ours.T - 1).max() > 0.1, "the texts differ"


def test_the_words_stand_beside_the_meaning(folder, student):
    from aisle.training.bilingual.finish import weights

    made, first = new_student(folder)
    table = weights(student)["embeddings.word_embeddings.weight"]
    centre = np.concatenate([made.english.weight.numpy(), first]).mean(0)  # of the rows before any training
    rarity = [*(1 for _ in KEPT), *(min(max(-score, 4), 14) / 9 for score in WORDS.scores)]
    texts = [*some_texts(30, 20), [2, OFFSET + 9, 3], [2, 5, 6, 3]]
    with torch.no_grad():
        parts = student(texts).numpy()
    for text, words in zip(texts, parts[:, 32:], strict=True):
        total, chinese = np.zeros(32), 0
        for number in text[1:-1]:
            row = table[number] - centre
            total += rarity[number] * row / np.linalg.norm(row)
            chinese += number >= OFFSET
        length = np.sqrt(0.5) * chinese / max(1, len(text) - 2)
        expected = length * total / np.linalg.norm(total) if length else np.zeros(32)
        np.testing.assert_allclose(words, expected, atol=1e-5)
    assert np.linalg.norm(parts[-2, 32:]) == pytest.approx(np.sqrt(0.5)), "all Chinese"
    assert not parts[-1, 32:].any(), "no Chinese"


def test_both_parts_join_into_one_vector(student):
    with torch.no_grad():
        parts = student([[2, OFFSET + 9, 5, 3], [2, 5, 6, 3]])
        joined = student.joined(parts).numpy()
    meaning, words = parts[:, :32].numpy(), parts[:, 32:].numpy()
    both = meaning[0] + words[0]
    np.testing.assert_allclose(joined[0], both / np.linalg.norm(both), atol=1e-6)
    np.testing.assert_allclose(joined[1], meaning[1], atol=1e-6)


def test_the_graph_gives_both_parts_joined(student, tmp_path):
    import onnxruntime

    from aisle.encoders.export import write_encoder
    from aisle.encoders.graph import BertShape
    from aisle.training.bilingual.finish import weights, words_part

    shape = BertShape(hidden=32, heads=2, layers=2, epsilon=1e-12, max_tokens=64)
    part = words_part(student, json.dumps({"model": {"vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3}}}))
    write_encoder(weights(student), shape, {}, tmp_path, {}, part)
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    texts = [*some_texts(30, 20), [2, 3], [2, OFFSET + 9, 3], [2, 5, 6, 3]]
    found = np.concatenate([session.run(None, {"input_ids": np.array([text])})[0] for text in texts])
    with torch.no_grad():
        expected = student.joined(student(texts)).numpy()
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    cosine = (found * expected).sum(1)
    assert cosine.min() > 0.99
    assert (expected[1:] * expected[:-1]).sum(1).mean() < 0.95, "the texts differ"


def test_the_english_rows_are_those_kept_of_the_source(folder, student):
    from safetensors.numpy import load_file

    from aisle.training.bilingual.finish import weights

    source = load_file(folder / "model.safetensors")["embeddings.word_embeddings.weight"]
    np.testing.assert_array_equal(weights(student)["embeddings.word_embeddings.weight"][:OFFSET], source[KEPT])


@pytest.mark.parametrize("budget", [1, 50, 100_000])
def test_by_length_is_one_by_one(student, budget):
    texts = some_texts(20, 60)
    with torch.no_grad():
        alone = torch.cat([student([text]) for text in texts])
        torch.testing.assert_close(student.by_length(texts, budget), alone, atol=1e-5, rtol=0)


def test_batches_stay_within_the_budget(student, monkeypatch):
    seen = []
    forward = student.forward
    monkeypatch.setattr(student, "forward", lambda texts: seen.append([*map(len, texts)]) or forward(texts))
    texts = some_texts(40, 60)
    with torch.no_grad():
        student.by_length(texts, 100)
    assert sorted(length for batch in seen for length in batch) == sorted(map(len, texts))
    assert all(max(batch) * len(batch) <= 100 or len(batch) == 1 for batch in seen)


def test_padding_does_not_matter(student):
    texts = some_texts(20, 60)
    with torch.no_grad():
        together = student(texts)
        for text, vector in zip(texts, together, strict=True):
            torch.testing.assert_close(student([text])[0], vector, atol=1e-5, rtol=0)


def test_what_is_learnt_of_a_word_helps_those_with_its_characters(student):
    before = student.rows()
    case, shared, other = (WORDS.words.index(word) for word in ("手机壳", "保护壳", "红色"))
    student([[2, OFFSET + case, 5, 3]]).sum().backward()
    assert student.words.weight.grad[case].abs().sum() > 0
    assert student.words.weight.grad.abs().sum(1).nonzero().flatten().tolist() == [case]
    with torch.no_grad():
        for weight in (student.words.weight, student.characters.weight):
            weight -= weight.grad
    moved = np.abs(student.rows() - before).max(1)
    assert moved[case] > moved[shared] > 0
    assert moved[other] == 0
    assert student.english.weight.grad is None, "English rows stay"
