"""A language model behind an OpenAI-compatible server: vLLM, Ollama, llama.cpp, a hosted one.

Many questions at once up to a limit; each with retries, back-off and its own time; all within one deadline. A budget is
charged before every attempt. Knows HTTP and nothing of where answers are kept.
"""

from __future__ import annotations

import random
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Condition
from typing import Any

import httpx

from aisle.errors import BudgetError, LlmError
from aisle.llm.question import Answer, Question
from aisle.llm.reply import error_code, excerpt, parse_reply
from aisle.llm.settings import LlmSettings, checked_endpoint, read_key
from aisle.llm.store import Store

Told = Callable[[int, Answer | LlmError], None]
"""``told(place of the question, answer or error)``, called as they come, from any thread."""

PATHS = {"chat": "/chat/completions", "completions": "/completions"}
MAX_BODY = 16 * 2**20
"""Bytes of an answer: a server that sends more is not read on."""
MAX_WAIT_S = 60.0
"""The longest back-off; a server that asks for a longer wait gets it, if the deadline allows."""
_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529})
_FOR_ALL = frozenset({"budget", "status 401", "status 403", "status 404", "quota"})
"""Failures that the next question would meet as well."""
_TEMPLATE_TOKENS, _MESSAGE_TOKENS = 64, 16
"""What a chat template may add to a prompt, at most."""


class Server:
    """A back end of `LlmClient`.

    Args:
        settings: Where it is and how it is asked.
        store: Where its cost is counted.

    Raises:
        RecipeError: The endpoint is no address, or the key is not in the environment.
    """

    def __init__(self, settings: LlmSettings, store: Store) -> None:
        self.settings, self._store = settings, store
        self._url = checked_endpoint(settings) + PATHS[settings.api]
        self._key = read_key(settings)
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        limits = httpx.Limits(max_connections=settings.concurrency, max_keepalive_connections=settings.concurrency)
        self._http = httpx.Client(headers=headers, limits=limits, trust_env=True, follow_redirects=False)
        self._end_http = weakref.finalize(self, self._http.close)  # a re-ranker is dropped, not closed
        self._changed = Condition()
        self._under_way = 0
        self._not_before = 0.0

    @property
    def identity(self) -> Mapping[str, Any]:
        """What an answer depends on beside the question; the key is no part of it."""
        names = ("model", "api", "logprobs", "top_logprobs", "temperature", "extra")
        return {"endpoint": self._url} | {name: getattr(self.settings, name) for name in names}

    def close(self) -> None:
        """Close the connections."""
        self._end_http()

    def ask(self, questions: Sequence[Question], until: float, told: Told) -> None:
        """Ask all, several at a time; every question is told an answer or why there is none.

        Args:
            questions: In any order.
            until: The deadline by ``time.monotonic``.
            told: Called once for each.
        """
        stop: list[LlmError] = []

        def one(place: int) -> None:
            if stop:
                told(place, stop[0])
                return
            try:
                found: Answer | LlmError = self._answer(questions[place], until, stop)
            except LlmError as error:
                found = error
                if error.kind in _FOR_ALL:
                    stop.append(error)
            told(place, found)

        pool = ThreadPoolExecutor(min(self.settings.concurrency, len(questions)), "llm")
        try:
            for done in [pool.submit(one, place) for place in range(len(questions))]:
                done.result()
        except BaseException:  # Ctrl-C: what is under way ends by itself, nothing new begins
            stop.append(LlmError("interrupted", "interrupted"))
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        pool.shutdown()

    # --- one question ------------------------------------------------------------------------------------

    def _answer(self, question: Question, until: float, stop: Sequence[LlmError]) -> Answer:
        settings = self.settings
        for attempt in range(settings.retries + 1):
            self._pause(until)
            if stop:  # another question has met what this one would
                raise stop[0]
            try:
                return self._attempt(question, until)
            except _AgainError as error:
                failed = error
            if attempt == settings.retries:
                break
            wait = min(MAX_WAIT_S, settings.backoff_s * 2**attempt) * random.uniform(0.5, 1.0)
            wait = max(wait, failed.wait_s)
            if time.monotonic() + wait >= until:
                raise LlmError(
                    f"{failed.error.received}; waiting {wait:.1f} s to ask again would pass the deadline",
                    failed.error.kind,
                    fix=failed.error.fix,
                )
            if failed.wait_s > 0:  # the server asks everyone to wait
                self._not_before = max(self._not_before, time.monotonic() + failed.wait_s)
            time.sleep(wait)
            self._store.add({"retries": 1})
        tried = f" ({settings.retries + 1} attempts)" if settings.retries else ""
        raise LlmError(f"{failed.error.received}{tried}", failed.error.kind, fix=failed.error.fix)

    def _pause(self, until: float) -> None:
        wait = self._not_before - time.monotonic()
        if wait > 0:
            if time.monotonic() + wait >= until:
                raise self._late()
            time.sleep(wait)

    def _attempt(self, question: Question, until: float) -> Answer:
        """One request, charged before and corrected after.

        Raises:
            _AgainError: It failed in a way that may pass.
            LlmError: It failed in a way that will not.
        """
        if time.monotonic() >= until:
            raise self._late()
        bound = question.size + _TEMPLATE_TOKENS + _MESSAGE_TOKENS * len(question.messages), question.max_tokens
        self._begin(bound, until)
        charged, bounded = bound, True  # who does not know what a request took is charged the most it can
        error: LlmError | None = None
        try:
            answer, counted = parse_reply(self._request(question, until), self.settings.api)
            if counted:
                charged, bounded = (answer.tokens_in, answer.tokens_out), False
            return _usable(answer, question)
        except _AgainError as failed:
            error = self._safe(failed.error)
            if failed.free:
                charged, bounded = (0, 0), False
            raise
        except LlmError as failed:
            error = self._safe(failed)
            if error.kind.startswith(("status", "quota")):
                charged, bounded = (0, 0), False
            if error.kind in ("not JSON", "wrong shape"):  # a proxy's page: the model may answer next time
                raise _AgainError(error) from None
            raise
        finally:
            self._end(bound, charged, error, bounded)

    def _begin(self, bound: tuple[int, int], until: float) -> None:
        """Charge a request, or wait for those under way to give back what they did not need.

        Raises:
            BudgetError: Nothing is under way, and one request more could exceed the budget.
        """
        settings = self.settings
        while True:
            with self._changed:
                if self._store.charge(settings.budget, *bound, settings.price.of(*bound)):
                    self._under_way += 1
                    break
                if not self._under_way:
                    raise BudgetError(self._spent_up(bound))
                self._changed.wait(max(0.0, min(1.0, until - time.monotonic())))
                if time.monotonic() >= until:
                    raise self._late()

    def _end(self, bound: tuple[int, int], spent: tuple[int, int], error: LlmError | None, bounded: bool) -> None:
        price = self.settings.price
        counts: dict[str, float] = {
            "tokens_in": spent[0] - bound[0],
            "tokens_out": spent[1] - bound[1],
            "money": price.of(*spent) - price.of(*bound),
            "bounded": int(bounded),
        }
        self._store.add(counts, [error.kind] if error is not None else ())
        with self._changed:
            self._under_way -= 1
            self._changed.notify_all()

    def _spent_up(self, bound: tuple[int, int]) -> str:
        budget, price = self.settings.budget, self.settings.price
        spent = self._store.spent(price.currency)
        parts = []
        if budget.requests:
            parts.append(f"{spent.requests:,} of {budget.requests:,} requests")
        if budget.tokens:
            parts.append(f"{spent.tokens_in + spent.tokens_out:,} of {budget.tokens:,} tokens")
        if budget.money:
            parts.append(f"{spent.money:.4f} of {budget.money:.4f} {price.currency}")
        return (
            f"the budget for language models is used up: {', '.join(parts)} are spent, and one request more may take "
            f"{sum(bound):,} tokens, {price.of(*bound):.4f} {price.currency}"
        )

    # --- one request -------------------------------------------------------------------------------------

    def _request(self, question: Question, until: float) -> bytes:
        settings = self.settings
        left = max(0.001, min(settings.timeout_s, until - time.monotonic()))
        end = time.monotonic() + left
        try:
            with self._http.stream("POST", self._url, json=self._body(question), timeout=left) as response:
                body = bytearray()
                for part in response.iter_bytes():  # the time-out is of one read: a slow drip would never end
                    body += part
                    if len(body) > MAX_BODY:
                        raise LlmError(f"the language model's server sent more than {MAX_BODY:,} bytes", "too long")
                    if time.monotonic() > end:
                        raise httpx.ReadTimeout("the answer came too slowly")
        except httpx.TimeoutException as error:
            kind = "connection" if isinstance(error, httpx.ConnectTimeout) else "timeout"
            free = isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout)
            what = f"the language model at {settings.endpoint} gave no answer within {left:.3g} s"
            raise _AgainError(
                LlmError(what, kind, fix="raise llm.timeout_s or deadline_s, or lower concurrency"), free=free
            ) from None
        except (httpx.TransportError, httpx.InvalidURL, httpx.DecodingError) as error:
            reason = str(error) or type(error).__name__
            raise _AgainError(
                LlmError(
                    f"the connection to the language model at {settings.endpoint} failed: {reason}",
                    "connection",
                    fix="check that the server runs and llm.endpoint is right",
                ),
                free=isinstance(error, httpx.ConnectError),
            ) from None
        if response.status_code == 200:
            return bytes(body)
        raise self._refused(response, bytes(body))

    def _body(self, question: Question) -> dict[str, Any]:
        settings = self.settings
        body: dict[str, Any] = {"model": settings.model}
        if settings.api == "chat":
            assert question.messages, "a chat has messages"
            body["messages"] = [{"role": message.role, "content": message.text} for message in question.messages]
        else:
            assert question.prompt, "a completion has a finished prompt"
            body["prompt"] = question.prompt
        body |= {settings.max_tokens_name: question.max_tokens, "temperature": settings.temperature}
        if question.choices and settings.logprobs:
            chat = {"logprobs": True, "top_logprobs": settings.top_logprobs}
            body |= chat if settings.api == "chat" else {"logprobs": settings.top_logprobs}
        return body | settings.extra

    def _refused(self, response: httpx.Response, body: bytes) -> LlmError | _AgainError:
        status = response.status_code
        what = f"the language model at {self.settings.endpoint} answered {status}: {excerpt(body)}"
        if error_code(body) == "insufficient_quota":
            return LlmError(what, "quota", fix="add credit at the provider")
        fixes = {
            400: "check llm.model and the settings; logprobs = false for a server that has none",
            401: f"check the key in the environment variable {self.settings.key_env!r}, named by llm.key_env",
            404: "check llm.endpoint (it ends in /v1 with most servers) and llm.model",
            429: "lower llm.concurrency, or raise llm.retries",
        }
        error = LlmError(what, f"status {status}", fix=fixes.get(status))
        if status in _AGAIN:
            return _AgainError(error, _retry_after(response.headers.get("retry-after", "")), free=True)
        return error

    def _late(self) -> LlmError:
        return LlmError(
            f"the deadline passed before the language model at {self.settings.endpoint} was asked",
            "deadline",
            fix="raise llm.deadline_s, or ask for fewer products",
        )

    def _safe(self, error: LlmError) -> LlmError:
        """Without the key, which a server may have put into its answer."""
        if self._key and self._key in error.received:
            error.received = error.received.replace(self._key, "***")
            error.args = (error.received,)
        return error


class _AgainError(Exception):
    """A failure that may pass, and whether the request surely cost nothing."""

    def __init__(self, error: LlmError, wait_s: float = 0.0, free: bool = False) -> None:
        super().__init__(error.received)
        self.error, self.wait_s, self.free = error, wait_s, free


def _usable(answer: Answer, question: Question) -> Answer:
    if not answer.text.strip() and not answer.choices:
        raise LlmError(
            "the language model gave an empty answer",
            "empty",
            fix="if it thinks first, switch that off in llm.extra, such as "
            "chat_template_kwargs = {enable_thinking = false}",
        )
    if question.whole and answer.truncated:
        raise LlmError(
            f"the language model's answer was cut at {question.max_tokens:,} tokens: {answer.text[-80:]!r}", "truncated"
        )
    return answer


def _retry_after(value: str) -> float:
    """Seconds that a Retry-After header asks for: a number or a date; 0 where it says nothing."""
    try:
        return max(0.0, min(float(value), 86_400.0))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0
