"""What never stands in a log: keys, tokens, cookies, passwords in addresses, personal data, what a person viewed."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable

from aisle.privacy import mask

_SECRETS = (
    (re.compile(r"aisle_([0-9a-f]{12})_[A-Za-z0-9_-]{20,}"), r"aisle_\1_<secret>"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"), "<token>"),
    (
        re.compile(
            r"((?:proxy-)?authorization['\"]?\s*[:=,]\s*(?:b?['\"])?(?:bearer|basic|token)?\s*)[^\s'\",)]+", re.I
        ),
        r"\1<secret>",
    ),
    (re.compile(r"(\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}", re.I), r"\1<secret>"),
    (re.compile(r"((?:set-)?cookie['\"]?\s*[:=,]\s*(?:b?['\"])?)[^'\"\r\n)]+", re.I), r"\1<secret>"),
    (
        re.compile(
            r"((?:\b|_)(?:x-)?(?:api[-_]?key|access[-_]?token|refresh[-_]?token|id[-_]?token|csrf[-_]?token|client[-_]?secret"
            r"|password|passwd|secret|token)['\"]?\s*[:=]\s*(?:b?['\"])?)(?!<)[^\s'\"&,;)]{6,}",
            re.I,
        ),
        r"\1<secret>",
    ),
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s/:@]*:)[^\s/@]+@", re.I), r"\1<secret>@"),
    (re.compile(r"\b(?:sk|pk|rk)-[A-Za-z0-9_-]{16,}"), "<secret>"),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)", re.S), "<secret>"),
)
_VIEWED = re.compile(r"([?&](?:viewed|price_band)=)[^&#\s'\"]+", re.I)
"""In the address of a search."""


def redact(text: str, personal: bool = True) -> str:
    """A text without secrets and, if asked, without personal data."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return mask(_VIEWED.sub(r"\1<viewed>", text)) if personal else text


_PATHS = re.compile(r"(?<![\w.:/-])(?:/(?:[^\s/'\"]+/)*|(?:[^\s/'\":]+/){2,})([^\s/'\"]*)")
_QUOTED_PATHS = re.compile(r"(['\"])/(?:[^'\"/]*/)*([^'\"/]*)\1")


def public(text: str) -> str:
    """A text that strangers may read: without secrets, personal data, and where files are on this machine."""
    return _PATHS.sub(r"\1", _QUOTED_PATHS.sub(r"\1\2\1", redact(text)))


class SecretFilter(logging.Filter):
    """Rewrites each record before its handler sees it: the message with its arguments, and a traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always true: the record goes on, cleaned."""
        if getattr(record, "_aisle_clean", False):
            return True
        if record.name == "uvicorn.access" and isinstance(record.args, tuple):  # its formatter takes them one by one
            record.args = tuple(redact(part) if isinstance(part, str) else part for part in record.args)
            record._aisle_clean = True
            return True
        try:
            text = record.getMessage()
        except (TypeError, ValueError):  # arguments that do not fit the message
            text = f"{record.msg} {record.args}"
        record.msg, record.args = redact(text), None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = redact(record.exc_text)
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        record._aisle_clean = True
        return True


def install_log_filter(
    names: Iterable[str] = ("", "uvicorn", "uvicorn.access", "uvicorn.error", "aisle"),
) -> SecretFilter:
    """Put a filter on every handler of these loggers; call it once logging is set up.

    On handlers, not on loggers: a logger's filter does not see what its children pass up.
    """
    cleaner = SecretFilter()
    for name in names:
        for handler in logging.getLogger(name).handlers:
            if not any(isinstance(held, SecretFilter) for held in handler.filters):
                handler.addFilter(cleaner)
    return cleaner
