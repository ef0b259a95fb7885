"""Tokens of an identity provider (JWT by OpenID Connect or OAuth 2.0), checked against its public keys.

Only signatures with public keys are accepted, and of those only the algorithms that the settings name: neither "none"
nor a shared secret can be asked for by a token. Nothing that a token says of where keys are (``jku``, ``x5u``, ``jwk``)
is read.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from aisle.errors import AccessError, ArtifactError, OptionalDependencyError, RecipeError, first_line
from aisle.serve.security.bind import is_loopback
from aisle.serve.security.keys import SCOPES
from aisle.serve.security.settings import Oidc

LOG = logging.getLogger("aisle.serve")
_MAX_TOKEN = 8_192
_MAX_KEYS_BYTES = 262_144
_TIMEOUT_S = 5.0
_SOONEST_S = 10.0
"""An unknown key id makes us ask the provider again (it may have a new key), but not more often than this."""


class TokenVerifier:
    """Checks tokens of one issuer for one audience.

    Args:
        settings: Whose tokens, and how they are read.

    Raises:
        RecipeError: Audience or keys are missing, or the keys' address is not safe.
        OptionalDependencyError: PyJWT is not installed.
    """

    def __init__(self, settings: Oidc) -> None:
        if not settings.audience or not settings.jwks:
            raise RecipeError(
                "[security.oidc] has an issuer but no " + ("audience" if not settings.audience else "jwks"),
                allowed="issuer, audience and jwks together",
            )
        self.settings = settings
        self.keys = ProviderKeys(settings.jwks, settings.refresh_s)

    def verify(self, token: str) -> tuple[str, tuple[str, ...]]:
        """Who a token is of, and our scopes that it gives; may ask the provider for its keys (blocking).

        Raises:
            AccessError: It is not a token of this issuer for this audience, is over or not yet valid, is signed with
                another key or algorithm.
            ArtifactError: The provider's keys cannot be had.
        """
        jwt = _jwt()
        if len(token) > _MAX_TOKEN:
            raise AccessError(f"a token of {len(token):,} characters", allowed=f"at most {_MAX_TOKEN:,}")
        try:
            header = jwt.get_unverified_header(token)
            algorithm = header.get("alg")
            if algorithm not in self.settings.algorithms:
                raise AccessError(
                    f"the token is signed with {str(algorithm)[:20]!r}", allowed=", ".join(self.settings.algorithms)
                )
            key = self.keys.find(header.get("kid"), algorithm)
            claims = jwt.decode(
                token,
                key,
                algorithms=list(self.settings.algorithms),
                audience=self.settings.audience,
                issuer=self.settings.issuer,
                leeway=self.settings.leeway_s,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.PyJWTError as error:
            raise AccessError(f"the token is refused: {first_line(error)}", fix="sign in again for a new one") from None
        return str(claims["sub"]), self._scopes(claims)

    def _scopes(self, claims: Mapping[str, Any]) -> tuple[str, ...]:
        value: Any = claims
        for step in self.settings.scopes_claim.split("."):
            value = value.get(step) if isinstance(value, dict) else None
        words = value.split() if isinstance(value, str) else value if isinstance(value, list) else []
        ours = {self.settings.scopes.get(word, word) for word in words if isinstance(word, str)}
        return tuple(scope for scope in SCOPES if scope in ours)


class ProviderKeys:
    """An identity provider's public keys (a JWK set), from a URL kept for a while, or from a file.

    Args:
        source: URL or path.
        refresh_s: How long keys are kept.

    Raises:
        RecipeError: The URL is neither https nor on this machine.
    """

    def __init__(self, source: str, refresh_s: float) -> None:
        parts = urlsplit(source)
        self._url = parts.scheme in ("http", "https")
        if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            raise RecipeError(
                f"the keys' address {source!r} is not encrypted", allowed="https, or http on this machine"
            )
        self.source = source
        self._refresh_s = refresh_s
        self._keys: list[dict[str, Any]] = []
        self._asked = -1e9
        self._lock = threading.Lock()

    def find(self, kid: object, algorithm: str) -> Any:
        """The public key of an id that fits an algorithm.

        Raises:
            AccessError: There is none, also after asking the provider anew.
            ArtifactError: The provider's keys cannot be had.
        """
        if self._old() and self._lock.acquire(blocking=not self._keys):  # one asks, the others use what they have
            try:
                if self._old():
                    self._load()
            finally:
                self._lock.release()
        found = self._fitting(kid, algorithm)
        if not found:
            with self._lock:
                if time.monotonic() - self._asked > _SOONEST_S:
                    self._load()
            found = self._fitting(kid, algorithm)
        if len(found) != 1:
            raise AccessError(
                f"the identity provider has {len(found)} keys {str(kid)[:40]!r} for {algorithm}", allowed="exactly one"
            )
        jwt = _jwt()
        try:
            return jwt.PyJWK(found[0], algorithm)
        except jwt.PyJWTError as error:
            raise AccessError(f"the provider's key cannot be used: {first_line(error)}") from None

    def _old(self) -> bool:
        return not self._keys or time.monotonic() - self._asked > self._refresh_s

    def _fitting(self, kid: object, algorithm: str) -> list[dict[str, Any]]:
        kind = {"R": "RSA", "P": "RSA"}.get(algorithm[0]) or ("OKP" if algorithm == "EdDSA" else "EC")
        return [
            key
            for key in self._keys
            if key.get("kty") == kind
            and key.get("use", "sig") == "sig"
            and key.get("alg", algorithm) == algorithm
            and (kid is None or key.get("kid") == kid)
        ]

    def _load(self) -> None:
        """Ask for the keys; if that fails, those from before are used on."""
        if not self._keys and time.monotonic() - self._asked < _SOONEST_S:
            raise ArtifactError("the identity provider's keys could not be read just now", fix="ask again in 10 s")
        self._asked = time.monotonic()
        try:
            held = json.loads(self._fetch() if self._url else Path(self.source).read_bytes())
            keys = [key for key in held["keys"] if isinstance(key, dict)]
            if not keys:
                raise ValueError("no keys in it")
        except (OSError, ValueError, KeyError, TypeError, httpx.HTTPError) as error:
            LOG.warning("the identity provider's keys cannot be read from %s: %s", self.source, first_line(error))
            if self._keys:
                return
            raise ArtifactError(
                "the identity provider's keys cannot be read", fix="see the log, and [security.oidc] jwks"
            ) from None
        self._keys = keys

    def _fetch(self) -> bytes:
        content = b""
        with httpx.stream("GET", self.source, timeout=_TIMEOUT_S, follow_redirects=False) as response:
            response.raise_for_status()
            for piece in response.iter_bytes():
                content += piece
                if len(content) > _MAX_KEYS_BYTES:
                    raise ValueError(f"more than {_MAX_KEYS_BYTES:,} bytes")
        return content


def _jwt() -> Any:
    try:
        import cryptography  # noqa: F401  PyJWT needs it for public keys
        import jwt
    except ImportError:
        raise OptionalDependencyError("pyjwt[crypto]", "oidc", "checking an identity provider's tokens") from None
    return jwt
