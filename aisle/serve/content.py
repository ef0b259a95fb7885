"""The hash of what something is, for the audit log: contents are compared without being kept."""

from __future__ import annotations

import hashlib
import json


class Hash(str):
    """A hash that stands for its content; "" stands for nothing."""

    __slots__ = ()


def content_hash(value: object) -> Hash:
    """SHA-256 of a JSON-like value whatever the order of its keys, "" of None; a hash is its own."""
    if isinstance(value, Hash):
        return value
    if value is None:
        return Hash("")
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return Hash(hashlib.sha256(text.encode("utf-8", "replace")).hexdigest())
