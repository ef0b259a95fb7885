"""The service's own log on standard error: what its processes tell of themselves, as text or as JSON lines.

The log of requests is another one, `aisle.serve.request_log`. Nothing gets here with a secret or personal data in it:
`aisle.serve.redact` cleans every record before it is written.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import sys
import threading

from aisle.serve.redact import install_log_filter, redact
from aisle.serve.settings import LogFormat

LOG = logging.getLogger("aisle.serve")
AT_ONCE = 1 << 20
"""Bytes that are written by one call, so that lines of several processes do not mix."""
QUIET = {"httpx": logging.WARNING, "httpcore": logging.WARNING, "opentelemetry.trace": logging.ERROR}
"""The first two tell of each request with its address, which can be a secret where it is a webhook's; the third of each
header of a client that it cannot read."""


class JsonLines(logging.Formatter):
    """Each record as one JSON object in one line.

    Args:
        process: What the process is, such as "worker".
    """

    def __init__(self, process: str) -> None:
        super().__init__()
        self.process = process

    def format(self, record: logging.LogRecord) -> str:
        """A record as JSON without the line's end."""
        told: dict[str, object] = {
            "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "process": self.process,
            "pid": record.process,
        }
        more = vars(record)  # what ``extra`` gave
        if "request_id" in more:
            told["request_id"] = redact(str(more["request_id"]))
        if "address" in more:  # the service's own; in a message it would be masked
            told["address"] = more["address"]
        exception = record.exc_text or (self.formatException(record.exc_info) if record.exc_info else "")
        if exception:
            told["exception"] = exception
        if record.stack_info:
            told["stack"] = record.stack_info
        return json.dumps(told, ensure_ascii=False)


def install_log(process: str, form: LogFormat) -> None:
    """Have this process write its log; nothing where whoever runs it within another program has set one up.

    Warnings of Python and what ends a thread are told, too.

    Args:
        process: What it is, such as "worker".
        form: Text, or JSON lines.
    """
    if logging.getLogger().handlers:
        return
    stream = os.fdopen(sys.stderr.fileno(), "w", AT_ONCE, encoding="utf-8", errors="backslashreplace", closefd=False)
    handler = logging.StreamHandler(stream)
    plain = logging.Formatter(f"%(levelname)s {process} {os.getpid()}: %(message)s")
    handler.setFormatter(JsonLines(process) if form == "json" else plain)
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    install_log_filter()
    for name, level in QUIET.items():
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(True)
    threading.excepthook = _ended


def _ended(what: threading.ExceptHookArgs) -> None:
    """Tell of a thread that an error ended."""
    if what.exc_type is SystemExit or what.exc_value is None:
        return
    name = what.thread.name if what.thread is not None else "a thread"
    LOG.error("%s was ended by an error", name, exc_info=what.exc_value)
