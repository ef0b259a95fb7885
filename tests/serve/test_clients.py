"""The official clients of Cohere, Jina and OpenAI, and Jina's requests in full, against the running server."""

import cohere
import httpx
import numpy as np
import openai
import pytest
from jina_cli import api as jina

TEXTS = ["HP LaserJet toner cartridge, black", "wireless mouse", "无线鼠标"]


@pytest.fixture
def client(address):
    with openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.mark.parametrize("form", ["float", "base64"])
def test_openai_embeddings(client, encoder, form):
    answer = client.embeddings.create(model="aisle", input=TEXTS, encoding_format=form)
    found = [one.embedding for one in answer.data]
    if form == "base64":
        import base64

        found = [np.frombuffer(base64.b64decode(one), np.float32) if isinstance(one, str) else one for one in found]
    np.testing.assert_array_equal(np.array(found, np.float32), encoder.encode(TEXTS, "product"))
    assert [one.index for one in answer.data] == [0, 1, 2]
    assert answer.usage.total_tokens == sum(map(encoder.count_tokens, TEXTS))


def test_openai_embeddings_by_default_and_of_one_text(client, encoder):
    (one,) = client.embeddings.create(model="aisle", input=TEXTS[1]).data
    np.testing.assert_array_equal(np.array(one.embedding, np.float32), encoder.encode([TEXTS[1]], "product")[0])


def test_openai_errors_are_openais_own(client):
    with pytest.raises(openai.NotFoundError, match="no model 'gpt'"):
        client.embeddings.create(model="gpt", input="x")
    with pytest.raises(openai.BadRequestError, match="dimensions is 7"):
        client.embeddings.create(model="aisle", input="x", dimensions=7)
    with pytest.raises(openai.UnprocessableEntityError, match="input"):
        client.embeddings.create(model="aisle", input=[[1, 2, 3]])
    assert [model.id for model in client.models.list()] == ["aisle", "rerank-v3.5"]


def expected(encoder, query):
    cosines = encoder.encode(TEXTS, "product") @ encoder.encode([query], "query")[0]
    return sorted(range(len(TEXTS)), key=lambda at: -cosines[at]), 1 / (1 + np.exp(-cosines))


@pytest.mark.parametrize("version", [1, 2])
def test_cohere_rerank(address, encoder, version):
    order, scores = expected(encoder, "mouse without a cable")
    kind = cohere.Client if version == 1 else cohere.ClientV2
    with httpx.Client() as sending:
        client = kind("none", base_url=address, httpx_client=sending)
        answer = client.rerank(model="rerank-v3.5", query="mouse without a cable", documents=TEXTS, top_n=2)
    assert [one.index for one in answer.results] == order[:2]
    for one in answer.results:
        assert one.relevance_score == pytest.approx(scores[one.index], abs=1e-6)


def test_cohere_rerank_gives_documents_back(address):
    documents = [{"text": "wireless mouse"}, {"title": "toner", "text": "black toner"}]
    with httpx.Client() as sending:
        client = cohere.Client("none", base_url=address, httpx_client=sending)
        answer = client.rerank(
            model="aisle", query="toner", documents=documents, return_documents=True, rank_fields=["text"]
        )
    assert answer.results[0].document.text == "black toner"


def test_jinas_own_client(address, encoder, monkeypatch):
    monkeypatch.setattr(jina, "API_BASE", address)  # it takes no other address
    order, scores = expected(encoder, "mouse without a cable")
    answer = jina.rerank("mouse without a cable", TEXTS, api_key="none", model="rerank-v3.5", top_n=2)
    assert [one["index"] for one in answer] == order[:2]
    assert [one["relevance_score"] for one in answer] == pytest.approx([scores[at] for at in order[:2]], abs=1e-6)


def test_jina_rerank(address, encoder):
    order, _ = expected(encoder, "鼠标")
    asked = {"model": "aisle", "query": "鼠标", "documents": TEXTS, "return_documents": True}
    answer = httpx.post(f"{address}/v1/rerank", json=asked).json()
    assert answer["model"] == "aisle"
    assert answer["usage"]["total_tokens"] > 0
    assert [one["index"] for one in answer["results"]] == order
    assert [one["document"]["text"] for one in answer["results"]] == [TEXTS[at] for at in order]


@pytest.mark.parametrize("documents", [[], [""], ["x"] * 1_001])
def test_rerank_refuses_what_it_cannot_read(address, documents):
    response = httpx.post(f"{address}/v1/rerank", json={"model": "aisle", "query": "x", "documents": documents})
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "invalid_request"
