"""Messages between workers and the writer: a length in four bytes, then JSON. Knows nothing of what they say."""

from __future__ import annotations

import asyncio
import json
import struct
from typing import Any

_LENGTH = struct.Struct("!I")
MAX_BYTES = 256 * 1_048_576
"""Nothing longer is read: it is no message."""


async def read_frame(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    """The next message; None at the end.

    Raises:
        ConnectionError: The bytes are no message, or end within one.
    """
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        if length > MAX_BYTES:
            raise ConnectionError(f"a message of {length:,} bytes")
        found = json.loads(await reader.readexactly(length))
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise ConnectionError("the other side ended within a message") from None
        return None
    except ValueError as error:
        raise ConnectionError(f"not a message: {error}") from None
    if not isinstance(found, dict):
        raise ConnectionError("not a message: no object")
    return found


async def write_frame(writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
    """Send a message."""
    data = json.dumps(message, ensure_ascii=True, allow_nan=False).encode()
    writer.write(_LENGTH.pack(len(data)) + data)
    await writer.drain()
