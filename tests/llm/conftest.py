import pytest

from tests.llm.server import Judge, LlmServer


@pytest.fixture(scope="session")
def judge():
    return Judge()


@pytest.fixture
def server(judge):
    judge.bias, judge.spoken, judge.orders = 0.0, False, None
    with LlmServer(judge) as running:
        yield running
