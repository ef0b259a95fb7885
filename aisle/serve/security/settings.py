"""The settings of security: `[security]` in aisle.toml as frozen dataclasses. The defaults are the safe ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from aisle.config import checked

SECURITY = "security"
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
_FORBID = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_FORBID)
class Limits:
    """How much one caller may ask for.

    Attributes:
        per_minute: Requests of one key in a minute, 0 for no limit; a key may have its own.
        burst: Of them at once; 0 for as many as in a minute.
        per_day: Requests of one key in a day of UTC, 0 for no limit.
        anonymous_per_minute: Requests of one address without a key, where they are allowed.
        failures_per_minute: Wrong keys from one address before it is asked to wait.
        body_bytes: Of a request.
        bulk_bytes: Of a request to one of ``bulk_paths``.
        bulk_paths: Where long bodies are streamed.
        body_s: How long a body may take; those of ``bulk_paths`` only between two pieces.
        idle_s: How long may pass between two pieces of a body.
        header_bytes: Of all headers together.
        url_bytes: Of path and query.
    """

    per_minute: int = Field(default=600, ge=0)
    burst: int = Field(default=0, ge=0)
    per_day: int = Field(default=0, ge=0)
    anonymous_per_minute: int = Field(default=60, ge=0)
    failures_per_minute: int = Field(default=20, ge=1)
    body_bytes: int = Field(default=1_048_576, ge=1)
    bulk_bytes: int = Field(default=10 * 2**30, ge=1)
    bulk_paths: tuple[str, ...] = ("/v1/products:bulk",)
    body_s: float = Field(default=30.0, gt=0)
    idle_s: float = Field(default=15.0, gt=0)
    header_bytes: int = Field(default=16_384, ge=1_024)
    url_bytes: int = Field(default=8_192, ge=256)


@dataclass(frozen=True, config=_FORBID)
class Oidc:
    """Tokens of an identity provider (JWT); ``issuer`` switches them on.

    Attributes:
        issuer: As the tokens' ``iss`` must say.
        audience: One of the tokens' ``aud``.
        jwks: URL (https, or http on this machine) or file of the provider's public keys.
        algorithms: That a token may be signed with; there is no shared secret and no "none".
        scopes_claim: Where a token says what it is for: a string of words or a list; dots step into tables.
        scopes: The provider's words for ours; a word that is one of ours needs no entry.
        leeway_s: How far clocks may differ.
        refresh_s: How long the provider's keys are kept.
    """

    issuer: str = ""
    audience: str = ""
    jwks: str = ""
    algorithms: tuple[Algorithm, ...] = ("RS256", "ES256")
    scopes_claim: str = "scope"
    scopes: Mapping[str, Literal["search", "write", "judge", "admin"]] = Field(default_factory=dict)
    leeway_s: float = Field(default=30.0, ge=0, le=300)
    refresh_s: float = Field(default=300.0, ge=10)


@dataclass(frozen=True, config=_FORBID)
class Cors:
    """Which other origins' pages may call the service from a browser; none unless named.

    Attributes:
        origins: Such as "https://shop.example"; "*" is refused where keys are asked for.
        max_age_s: How long a browser may keep the answer to its question.
    """

    origins: tuple[str, ...] = ()
    max_age_s: int = Field(default=600, ge=0)


@dataclass(frozen=True, config=_FORBID)
class Events:
    """What is kept of shoppers' events.

    Attributes:
        keep_days: Days of events kept; older ones are deleted.
        queue: Events that may wait for the disk in one worker.
    """

    keep_days: int = Field(default=90, ge=1, le=3_650)
    queue: int = Field(default=10_000, ge=1)


@dataclass(frozen=True, config=_FORBID)
class SecuritySettings:
    """Who may do what, and how much of it.

    Attributes:
        limits: Rates and sizes.
        oidc: Tokens of an identity provider.
        cors: Other origins.
        events: Retention.
        anonymous: What callers without a key may do although there are keys: nothing, or "search".
        hosts: Names under which the service may be asked for (the Host header); empty for any.
        session_hours: How long signing in to the page lasts.
        secure_cookies: Send the page's cookie over HTTPS only; switch it on behind TLS.
        images: Where the page's pictures may come from, as sources of a content security policy.
    """

    limits: Limits = Field(default_factory=Limits)
    oidc: Oidc = Field(default_factory=Oidc)
    cors: Cors = Field(default_factory=Cors)
    events: Events = Field(default_factory=Events)
    anonymous: tuple[Literal["search"], ...] = ()
    hosts: tuple[str, ...] = ()
    session_hours: float = Field(default=8.0, gt=0, le=720)
    secure_cookies: bool = False
    images: tuple[str, ...] = ("'self'", "data:", "https:", "http:")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], source: str = "settings") -> SecuritySettings:
        """Settings from plain data.

        Raises:
            RecipeError: A setting is unknown, of the wrong type or out of range.
        """
        return checked(_ADAPTER, dict(data), f"{source}: [{SECURITY}]", lambda _: _NAMES)


_ADAPTER = TypeAdapter(SecuritySettings)
_NAMES = ", ".join(field.name for field in dataclasses.fields(SecuritySettings))
