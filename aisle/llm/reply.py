"""From the body of a server's answer to an `Answer`. Knows the OpenAI protocol as its servers speak it, no network.

Chat gives ``choices[0].message.content`` and ``logprobs.content[0].top_logprobs``; completions give ``text`` and either
lists of maps, one map a token, or the chat's shape (llama.cpp). Whatever else is there is not looked at.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Literal

from aisle.errors import LlmError
from aisle.llm.question import Answer, merged

Body = dict[str, Any]
_SHOWN = 160


def parse_reply(body: bytes, api: Literal["chat", "completions"]) -> tuple[Answer, bool]:
    """The answer, and whether the server said how many tokens it took.

    Raises:
        LlmError: The body is not JSON ("not JSON") or not of the protocol ("wrong shape").
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        shown = excerpt(body)
        what = "a web page" if shown.lstrip()[:1] == "<" else "no JSON" if shown.strip() else "an empty body"
        raise LlmError(
            f"the language model's server sent {what}: {shown!r}",
            "not JSON",
            fix="check llm.endpoint: it ends in /v1 with most servers",
        ) from None
    try:
        if "choices" not in data and "error" in data:
            raise LlmError(f"the language model's server says: {told(data)}", "wrong shape")
        first = data["choices"][0]
        text = first["message"]["content"] if api == "chat" else first["text"]
        if text is None:
            text = ""
        if not isinstance(text, str):
            raise TypeError(f"the answer is {type(text).__name__}")
        candidates = _candidates(first.get("logprobs"))
        usage = data.get("usage") or {}
        tokens = [usage.get("prompt_tokens"), usage.get("completion_tokens")]
        counted = all(isinstance(count, int) and not isinstance(count, bool) and count >= 0 for count in tokens)
        tokens_in, tokens_out = (tokens[0], tokens[1]) if counted else (0, 0)
        truncated = first.get("finish_reason") == "length"
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise LlmError(
            f"the language model's server sent JSON of another shape ({type(error).__name__}: {error}): "
            f"{excerpt(body)!r}",
            "wrong shape",
            fix=f"check that it speaks the OpenAI protocol for {api}",
        ) from None
    return Answer(text, candidates, tokens_in or 0, tokens_out or 0, truncated), counted


def _candidates(given: Any) -> Mapping[str, float]:
    """The first token's candidates: chat's shape, or that of completions; empty where there are none."""
    if not given:
        return {}
    if given.get("content"):
        first = given["content"][0]
        pairs = [(item["token"], item["logprob"]) for item in first.get("top_logprobs") or [first]]
    elif given.get("top_logprobs"):
        pairs = list((given["top_logprobs"][0] or {}).items())
    else:
        return {}
    for token, value in pairs:
        if not isinstance(token, str) or isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError("a candidate is no token with a number")
    kept = [(token, float(value)) for token, value in pairs if math.isfinite(value)]  # -inf: it cannot come
    return merged(kept)


def told(data: Any) -> str:
    """What an error body says, in one line."""
    found = data.get("error") if isinstance(data, dict) else data
    if isinstance(found, dict):
        found = found.get("message") or found.get("code") or found
    if not found and isinstance(data, dict):
        found = data.get("message") or data.get("detail") or data
    return " ".join(str(found).split())[:_SHOWN]


def error_code(body: bytes) -> str:
    """The code of an error body, "" where it has none."""
    try:
        found = json.loads(body)["error"]
        return str(found.get("code") or found.get("type") or "")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ""


def excerpt(body: bytes) -> str:
    """The beginning of a body for people."""
    text = body[:2_000].decode("utf-8", "replace")
    try:
        return told(json.loads(text))
    except (ValueError, RecursionError):
        return " ".join(text.split())[:_SHOWN]
