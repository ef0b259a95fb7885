"""Signing in to the page with a key: a signed cookie, and tokens that a form must send back.

The cookie holds the key's id, an end and a random number, signed with a secret of this service. What the key may do is
looked up with every request, so a revoked key ends its sessions.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aisle.serve.security.files import SharedJson, secret_of

_MAX_COOKIE = 512


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who signed in, or (``key_id`` "") a browser that only has to send its forms' token back."""

    key_id: str
    nonce: str
    expires: float
    """Unix time, seconds."""


class Sessions:
    """Makes and reads the cookies and form tokens of one service.

    Args:
        state: Folder of the secret and of the sessions that were signed out before their end.
        hours: How long a session lasts.
        secure: Send the cookie over HTTPS only.
    """

    def __init__(self, state: Path, hours: float, secure: bool) -> None:
        self._secret = secret_of(state / "session.key")
        self._ended = SharedJson(state / "signed-out.json")
        self._seconds = hours * 3600
        self.secure = secure
        self.cookie_name = "__Host-aisle" if secure else "aisle"

    def begin(self, key_id: str = "", now: float | None = None) -> Session:
        """A new session of a key, or of a visitor; a new random number each time, so nothing known before is of use."""
        return Session(key_id, secrets.token_urlsafe(16), (time.time() if now is None else now) + self._seconds)

    def cookie(self, session: Session, now: float | None = None) -> str:
        """The ``Set-Cookie`` header of a session: not readable by scripts, not sent from other sites."""
        data = json.dumps([session.key_id, session.nonce, int(session.expires)], separators=(",", ":")).encode()
        value = f"{_encode(data)}.{_encode(self._sign(b'session', data))}"
        age = max(0, int(session.expires - (time.time() if now is None else now)))
        return self._set_cookie(value, age)

    def read(self, value: str, now: float | None = None) -> Session | None:
        """The session of a cookie's value, None where it is not ours, over or signed out."""
        if len(value) > _MAX_COOKIE or value.count(".") != 1:
            return None
        try:
            data, signature = (_decode(part) for part in value.split("."))
        except (ValueError, binascii.Error):
            return None
        if not hmac.compare_digest(signature, self._sign(b"session", data)):
            return None
        key_id, nonce, expires = json.loads(data)
        if expires <= (time.time() if now is None else now) or nonce in self._ended.read():
            return None
        return Session(key_id, nonce, expires)

    def end(self, session: Session, now: float | None = None) -> str:
        """Sign out, in every worker; returns the ``Set-Cookie`` header that removes the cookie."""
        time_now = time.time() if now is None else now

        def edit(ended: dict[str, Any]) -> None:
            for nonce in [nonce for nonce, expires in ended.items() if expires <= time_now]:
                del ended[nonce]
            ended[session.nonce] = session.expires

        self._ended.change(edit)
        return self._set_cookie("", 0)

    def form_token(self, session: Session) -> str:
        """What every form of this session must send back (``csrf_token``, or the header ``X-CSRF-Token``)."""
        return _encode(self._sign(b"form", session.nonce.encode()))

    def check_form_token(self, session: Session, token: str) -> bool:
        """Whether a form's token is that of its session."""
        return hmac.compare_digest(self.form_token(session).encode(), token.encode("utf-8", "replace"))

    def _sign(self, purpose: bytes, data: bytes) -> bytes:
        return hmac.digest(self._secret, purpose + b"\0" + data, hashlib.sha256)

    def _set_cookie(self, value: str, age: int) -> str:
        secure = "; Secure" if self.secure else ""
        return f"{self.cookie_name}={value}; Max-Age={age}; Path=/; HttpOnly; SameSite=Strict{secure}"


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
