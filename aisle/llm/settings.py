"""Which language model is asked, how, and what it may cost: names and numbers only."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from aisle.errors import RecipeError

LOCAL = "local"
_STRICT = ConfigDict(extra="forbid")
_Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True, config=_STRICT)
class PriceSettings:
    """What the provider charges, as you declare it."""

    input_per_million: _Amount = 0.0
    output_per_million: _Amount = 0.0
    per_request: _Amount = 0.0
    currency: str = "USD"

    def of(self, tokens_in: int, tokens_out: int, requests: int = 1) -> float:
        """Money for so many tokens and requests."""
        tokens = tokens_in * self.input_per_million + tokens_out * self.output_per_million
        return tokens / 1_000_000 + requests * self.per_request


@dataclass(frozen=True, config=_STRICT)
class BudgetSettings:
    """What may be spent in all through one store, over all runs and processes; 0 is no limit."""

    requests: int = Field(default=0, ge=0)
    tokens: int = Field(default=0, ge=0)
    money: _Amount = 0.0


@dataclass(frozen=True, config=_STRICT)
class LlmSettings:
    """A language model.

    Attributes:
        model: Its name at the server; with ``endpoint = "local"`` a folder or a name of the Hugging Face hub.
        endpoint: Where the server's API begins, such as ``http://localhost:8000/v1``; or "local", through transformers.
        api: "chat" for conversations; "completions" for finished prompts, with the template of a model in them.
        key_env: Name of the environment variable that holds the API key; "" sends none.
        logprobs: Whether to ask for the probabilities of first tokens.
        top_logprobs: So many of them.
        temperature: 0 for the likeliest answer.
        max_tokens_name: What the server calls the limit of the answer's length.
        extra: Further fields of every request, such as ``chat_template_kwargs = {enable_thinking = false}``.
        timeout_s: One attempt, in all.
        deadline_s: One call with all its attempts; 0 for none.
        retries: Attempts after the first.
        backoff_s: The wait before the first retry at most; it doubles from one to the next.
        concurrency: Requests under way at the same time.
        store: File in which answers and what was spent are kept; "" keeps them in memory.
        price: Per token and request.
        budget: What may be spent.
        adapter: Folder of a LoRA adapter, for a local model.
        device: Of a local model: "auto" takes a GPU where there is one.
        dtype: Of a local model: "auto" is float32 on a CPU, bfloat16 on a GPU.
        batch_tokens: Of a local model: tokens in a batch, padding and all.
        max_length: Of a local model: a longer prompt is an error. None is cut, since what matters may be at its end.
    """

    model: str = Field(min_length=1)
    endpoint: str = Field(min_length=1)
    api: Literal["chat", "completions"] = "chat"
    key_env: str = ""
    logprobs: bool = True
    top_logprobs: int = Field(default=20, ge=1, le=100)
    temperature: float = Field(default=0.0, ge=0, le=2)
    max_tokens_name: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    extra: dict[str, Any] = Field(default_factory=dict)
    timeout_s: float = Field(default=30.0, gt=0, allow_inf_nan=False)
    deadline_s: _Amount = 60.0
    retries: int = Field(default=4, ge=0, le=100)
    backoff_s: float = Field(default=0.5, gt=0, allow_inf_nan=False)
    concurrency: int = Field(default=8, ge=1, le=1024)
    store: str = ""
    price: PriceSettings = Field(default_factory=PriceSettings)
    budget: BudgetSettings = Field(default_factory=BudgetSettings)
    adapter: str = ""
    device: str = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    batch_tokens: int = Field(default=8_192, ge=1)
    max_length: int = Field(default=4_096, ge=16)

    @property
    def local(self) -> bool:
        """Whether the model runs in this process."""
        return self.endpoint == LOCAL

    def beside(self, folder: Path) -> LlmSettings:
        """With the files that are named found in a folder; a model's name that is no folder there stays a name."""
        model = self.model
        if self.local and (folder / Path(model).expanduser()).is_dir():
            model = str(folder / Path(model).expanduser())
        store, adapter = (str(folder / Path(name).expanduser()) if name else "" for name in (self.store, self.adapter))
        return replace(self, model=model, store=store, adapter=adapter)


_OURS = ("model", "messages", "prompt", "max_tokens", "max_completion_tokens", "temperature", "logprobs",
         "top_logprobs", "n", "best_of", "stream")  # fmt: skip
"""Fields of a request that ``extra`` may not set: the budget and the reading of answers hang on them."""


def checked_endpoint(settings: LlmSettings) -> str:
    """Where requests go.

    Raises:
        RecipeError: It is no such address, or has a password in it; or ``extra`` sets what has a setting of its own.
    """
    taken = next((name for name in settings.extra if name in _OURS), None)
    if taken is not None:
        raise RecipeError(
            f"llm.extra sets {taken!r}", allowed="fields that have no setting of their own", fix="see docs/llm.md"
        )
    url = settings.endpoint.rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise RecipeError(
            f"llm.endpoint {url[:80]!r} is no address", allowed=f"such as http://localhost:8000/v1, or {LOCAL!r}"
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise RecipeError(
            f"llm.endpoint of the host {parts.hostname!r} has a name, a password or a query in it",
            allowed="an address alone",
            fix="put the key into an environment variable and its name into key_env",
        )
    return url


def read_key(settings: LlmSettings) -> str:
    """The API key, "" where none is named. It goes into no file, log or error.

    Raises:
        RecipeError: The variable is not set.
    """
    if not settings.key_env:
        return ""
    key = os.environ.get(settings.key_env, "").strip()
    if not key:
        raise RecipeError(
            f"the environment variable {settings.key_env[:60]!r}, named by llm.key_env, is not set",
            fix=f"set it to the key of {settings.endpoint}, or leave key_env out if the server wants none",
        )
    if not key.isascii() or not key.isprintable():
        raise RecipeError(f"the environment variable {settings.key_env!r} holds characters that no key has")
    return key
