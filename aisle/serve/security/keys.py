"""API keys: random, shown once, kept as hashes in one file that every worker reads and the command line changes.

A key is ``aisle_ID_SECRET``: the id finds its entry, the secret is 32 random bytes. Its SHA-256 is kept, not a slow
hash such as Argon2: those make guessing a person's password dear, while 256 random bits cannot be guessed at any
speed, and a slow hash would let anyone keep our processors busy with made-up keys.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from aisle.errors import AccessError, ArtifactError
from aisle.serve.security.files import SharedJson

SCOPES = ("search", "write", "judge", "admin")
"""What a key may be for; admin is for everything."""

KEY = re.compile(r"aisle_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,100}")
_NOBODY = hashlib.sha256(secrets.token_bytes(32)).hexdigest()


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is kept of a key; times are ISO 8601 in UTC, "" for none."""

    id: str
    name: str
    scopes: tuple[str, ...]
    sha256: str
    created: str
    expires: str = ""
    revoked: str = ""
    per_minute: int = 0
    """Requests a minute, 0 for the service's setting."""
    per_day: int = 0

    def state(self, now: dt.datetime) -> str:
        """``active``, ``expired`` or ``revoked``."""
        if self.revoked:
            return "revoked"
        return "expired" if self.expires and dt.datetime.fromisoformat(self.expires) <= now else "active"


class KeyStore:
    """The keys in a file of their owner alone; changes of another process count from the next question on."""

    def __init__(self, path: Path) -> None:
        self._file = SharedJson(path)
        self._source: dict[str, Any] | None = None
        self._keys: dict[str, ApiKey] = {}

    def all(self) -> tuple[ApiKey, ...]:
        """Every key, also expired and revoked ones, oldest first."""
        return tuple(self._current().values())

    def get(self, key_id: str) -> ApiKey | None:
        """The key of an id."""
        return self._current().get(key_id)

    def create(
        self,
        name: str,
        scopes: Sequence[str],
        expires: dt.datetime | None = None,
        per_minute: int = 0,
        per_day: int = 0,
    ) -> tuple[ApiKey, str]:
        """A new key: what is kept of it, and its text, which nothing keeps.

        Raises:
            AccessError: The name is empty or has control characters, a scope is unknown or there is none, it expires
                in the past, or a limit is negative.
        """
        now = dt.datetime.now(dt.UTC)
        if not _NAME.fullmatch(name) or not name.strip():
            raise AccessError(
                f"the name of a key is {name[:100]!r}", allowed="1 to 100 characters, no control characters"
            )
        unknown = [scope for scope in scopes if scope not in SCOPES]
        if unknown or not scopes:
            raise AccessError(
                f"unknown scope {unknown[0]!r}" if unknown else "a key without scopes", allowed=", ".join(SCOPES)
            )
        if expires is not None and expires <= now:
            raise AccessError(f"the key would have expired at {_iso(expires)}", allowed="a time to come")
        if per_minute < 0 or per_day < 0:
            raise AccessError(f"limits of {per_minute} a minute and {per_day} a day", allowed="0 or more")
        key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        text = f"aisle_{key_id}_{secret}"
        key = ApiKey(
            key_id,
            name,
            tuple(scope for scope in SCOPES if scope in scopes),
            hashlib.sha256(text.encode()).hexdigest(),
            _iso(now),
            _iso(expires) if expires else "",
            per_minute=per_minute,
            per_day=per_day,
        )
        self._file.change(lambda held: held.setdefault("keys", []).append(asdict(key)))
        return key, text

    def revoke(self, which: str) -> tuple[ApiKey, ...]:
        """End a key, or all active keys of a name; it stays in the list.

        Raises:
            AccessError: No active key has this id or name.
        """
        now = dt.datetime.now(dt.UTC)
        ended: list[str] = []

        def edit(held: dict[str, Any]) -> None:
            for entry in held.get("keys", []):
                if which in (entry["id"], entry["name"]) and not entry["revoked"]:
                    entry["revoked"] = _iso(now)
                    ended.append(entry["id"])

        self._file.change(edit)
        if not ended:
            raise AccessError(f"no active key has the id or name {which!r}", fix="see `aisle keys list`")
        return tuple(key for key in self.all() if key.id in ended)

    def verify(self, text: str, now: dt.datetime | None = None) -> ApiKey:
        """The key that a client showed.

        Raises:
            AccessError: It is unknown, expired or revoked.
        """
        form = KEY.fullmatch(text)
        key = self.get(form[1]) if form else None
        shown = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
        right = hmac.compare_digest(shown, key.sha256 if key else _NOBODY)  # the same time for an unknown id
        if key is None or not right:
            raise AccessError("the API key is unknown", fix="see that it is whole, or ask for a new one")
        state = key.state(now or dt.datetime.now(dt.UTC))
        if state != "active":
            raise AccessError(f"the API key {key.id} is {state}", fix="ask for a new one")
        return key

    def _current(self) -> dict[str, ApiKey]:
        held = self._file.read()
        if held is not self._source:
            try:
                keys = [ApiKey(**{**entry, "scopes": tuple(entry["scopes"])}) for entry in held.get("keys", [])]
            except (TypeError, KeyError) as error:
                raise ArtifactError(
                    f"{str(self._file.path)!r} is no file of keys: {error}", fix="restore it from a backup"
                ) from None
            self._keys, self._source = {key.id: key for key in keys}, held
        return self._keys


def _iso(time: dt.datetime) -> str:
    return time.astimezone(dt.UTC).isoformat(timespec="seconds")
