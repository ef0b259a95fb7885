"""A worker's side of the socket: changes go to the writer, and again to the next one when it dies before it answers.

Every change can be made twice without harm: it says what is to be, not what is to be added.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aisle.serve.pool import Busy
from aisle.serve.writing.change import GONE, Change, Outcome, WriterGone, change_to_dict
from aisle.serve.writing.frames import read_frame, write_frame

RECONNECT_S = 0.1
ALIVE_S = 2.0
"""A writer answers that it is there within this time, also while it writes."""


class WriteClient:
    """Asks the writer on a Unix socket; meets `aisle.serve.writing.change.Writer`.

    Args:
        path: Of the socket.
        patience_s: How long to wait for a writer that is not there.
        limit: Changes of this worker that may wait.
    """

    def __init__(self, path: Path, patience_s: float, limit: int) -> None:
        self.path, self.patience_s, self.limit = path, patience_s, limit
        self._numbers = itertools.count()
        self._open: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._stream: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._connecting = asyncio.Lock()
        self._waiting = 0

    @property
    def waiting(self) -> int:
        """Changes that were sent and are not durable yet."""
        return self._waiting

    async def apply(self, changes: Sequence[Change]) -> list[Outcome]:
        """As `aisle.serve.writing.change.Writer`."""
        if self._waiting and self._waiting + len(changes) > self.limit:
            raise Busy(2)
        message = {"changes": [change_to_dict(change) for change in changes]}
        until = time.monotonic() + self.patience_s
        self._waiting += len(changes)
        try:
            while True:
                try:
                    answer = await self._ask(message, until)
                    break
                except ConnectionError as error:
                    if time.monotonic() >= until:
                        raise WriterGone(f"no writer for {self.patience_s:g} s: {error}") from None
                    await asyncio.sleep(RECONNECT_S)
        finally:
            self._waiting -= len(changes)
        if "busy" in answer:
            raise Busy(int(answer["busy"]))
        if "failed" in answer:
            raise WriterGone(str(answer["failed"]))
        return [Outcome(*one) for one in answer["outcomes"]]

    async def trouble(self) -> str:
        """As `aisle.serve.writing.change.Writer`."""
        try:
            answer = await asyncio.wait_for(self._ask({"changes": []}, time.monotonic()), ALIVE_S)
        except (WriterGone, ConnectionError, TimeoutError):
            return GONE
        return str(answer["trouble"])

    async def close(self) -> None:
        """Wait for what was sent, and hang up."""
        if self._open:
            await asyncio.wait(list(self._open.values()), timeout=self.patience_s)
        if self._reading is not None:
            self._reading.cancel()
        if self._stream is not None:
            self._stream.close()

    async def _ask(self, message: dict[str, Any], until: float) -> dict[str, Any]:
        stream = await self._connected(until)
        number = next(self._numbers)
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._open[number] = future
        try:
            await write_frame(stream, {"n": number, **message})
            return await future
        finally:
            self._open.pop(number, None)

    async def _connected(self, until: float) -> asyncio.StreamWriter:
        async with self._connecting:
            while self._stream is None or self._stream.is_closing():
                try:
                    reader, self._stream = await asyncio.open_unix_connection(self.path)
                except (OSError, ConnectionError) as error:
                    if time.monotonic() >= until:
                        raise WriterGone(f"no writer for {self.patience_s:g} s: {error}") from None
                    await asyncio.sleep(RECONNECT_S)
                else:
                    self._reading = asyncio.ensure_future(self._read(reader, self._stream))
            return self._stream

    async def _read(self, reader: asyncio.StreamReader, stream: asyncio.StreamWriter) -> None:
        try:
            while (answer := await read_frame(reader)) is not None:
                future = self._open.get(int(answer["n"]))
                if future is not None and not future.done():
                    future.set_result(answer)
        except (ConnectionError, OSError):
            pass
        finally:
            stream.close()
            for future in self._open.values():
                if not future.done():
                    future.set_exception(ConnectionError("the writer hung up"))
