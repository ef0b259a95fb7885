"""Short ways to ask, for the tests."""

from aisle.llm import LlmSettings, Message, Question, open_llm

SYSTEM = "Is it relevant? Answer yes or no."


def question(query="usb hub", title="Xerox USB HUB Kit", **more):
    text = f"<query>{query}</query>\n<product>\ntitle: {title}\n</product>"
    return Question((Message("system", SYSTEM), Message("user", text)), choices=True, **more)


def settings(server, **changes):
    given = {"model": "judge", "endpoint": server.url, "backoff_s": 0.01, "timeout_s": 5.0} | changes
    return LlmSettings(**given)


def client(server, **changes):
    return open_llm(settings(server, **changes))
