"""The writer's side of the socket: takes changes from any number of workers, answers when they are durable."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
from collections.abc import Awaitable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from aisle.serve.pool import Busy
from aisle.serve.writing.change import Outcome, WriterGone, change_from_dict
from aisle.serve.writing.frames import read_frame, write_frame
from aisle.serve.writing.queue import WriteQueue
from aisle.serve.writing.turn import Replaced

LOG = logging.getLogger("aisle.serve")


class WriteServer:
    """Answers workers on a Unix socket.

    Args:
        queue: Who writes.
        path: Of the socket; only this user may use it.
    """

    def __init__(self, queue: WriteQueue, path: Path) -> None:
        self.queue, self.path = queue, path
        self._server: asyncio.Server | None = None
        self._answering: set[asyncio.Task[None]] = set()
        self._connections: dict[asyncio.Task[Any], asyncio.StreamWriter] = {}

    async def start(self) -> None:
        """Listen; a socket that a killed writer left is taken over."""
        self.path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._serve, self.path)
        finally:
            os.umask(before)

    async def stop(self) -> None:
        """Take no more changes, and answer those that were taken."""
        if self._server is not None:
            self._server.close()
        self.path.unlink(missing_ok=True)
        if self._answering:
            await asyncio.wait(self._answering)
        for writer in self._connections.values():
            writer.close()
        if self._connections:
            await asyncio.wait(list(self._connections))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = writer
        try:
            while (message := await read_frame(reader)) is not None:
                # taken here and not in the task, so that a worker's changes keep their order
                answer = asyncio.ensure_future(self._answer(self._take(message), message["n"], writer))
                self._answering.add(answer)
                answer.add_done_callback(self._answering.discard)
        except (ConnectionError, KeyError) as error:
            LOG.warning("a worker's connection ended: %s", error)
        finally:
            del self._connections[task]
            writer.close()

    def _take(self, message: dict[str, Any]) -> dict[str, Any] | Awaitable[dict[str, Any]]:
        if not message["changes"]:  # only whether there is a writer, and whether it can write
            return self._trouble()
        try:
            return self._made(self.queue.put([change_from_dict(change) for change in message["changes"]]))
        except Busy as error:
            return {"busy": error.retry_after}
        except WriterGone as error:
            return {"failed": str(error)}

    async def _trouble(self) -> dict[str, Any]:
        return {"trouble": await self.queue.trouble()}

    async def _made(self, taken: Future[list[Outcome]]) -> dict[str, Any]:
        return {"outcomes": [list(dataclasses.astuple(one)) for one in await asyncio.wrap_future(taken)]}

    async def _answer(
        self, taken: dict[str, Any] | Awaitable[dict[str, Any]], number: int, writer: asyncio.StreamWriter
    ) -> None:
        if isinstance(taken, dict):
            answer = taken
        else:
            try:
                answer = await taken
            except Replaced:  # the worker asks the next writer, as if this one had died
                writer.close()
                return
            except Exception as error:
                answer = {"failed": f"{type(error).__name__}: {str(error)[:300]}"}
        try:
            await write_frame(writer, {"n": number, **answer})
        except (ConnectionError, RuntimeError):  # the worker is gone: its client gets no answer from it
            LOG.info("changes are written, and nobody waits for the answer any more")
