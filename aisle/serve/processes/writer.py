"""The writer: the one process that changes an index. Holds the lock, takes changes from all workers on a socket."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable

from aisle.build import check_made_with, index_identity
from aisle.catalogue.render import Renderer
from aisle.encoders.load import load_encoder
from aisle.serve.processes.plan import SOCKET, Plan
from aisle.serve.service_log import install_log
from aisle.serve.writing.open import open_queue
from aisle.serve.writing.queue import WriteQueue
from aisle.serve.writing.server import WriteServer

LOG = logging.getLogger("aisle.serve")
LOOK_S = 0.2
NICENESS = 5
"""Searches go first where both want the processor."""


def run_writer(plan: Plan, ready: Callable[[], None]) -> int:
    """Take changes until told to end (SIGTERM), then make what was taken.

    Args:
        plan: What to do.
        ready: Called once changes are taken.

    Returns:
        The exit code.

    Raises:
        FingerprintError: The index was made by another encoder or renderer.
        IndexLockedError: Another process is writing to this index.
    """
    install_log("writer", plan.config.settings.log_format)
    os.nice(NICENESS)
    while True:
        home = plan.home()
        recipe = plan.recipe(home)
        encoder = load_encoder(recipe.encoder)
        check_made_with(home, encoder, Renderer(recipe.render, encoder.count_tokens))
        made = index_identity(home)
        queue = open_queue(home, recipe, encoder, plan.config.settings, name=plan.folder, lock=True)
        if not asyncio.run(_serve(plan, queue, made, ready)):
            return 0
        LOG.info("another index stands in %s: changes are made to that one", plan.folder)


async def _serve(plan: Plan, queue: WriteQueue, made: int | None, ready: Callable[[], None]) -> bool:
    """Take changes; gives back whether another index took the place of this one."""
    server = WriteServer(queue, plan.sockets / SOCKET)
    await server.start()
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.set)
    ready()
    replaced = False
    while not end.is_set():
        try:
            await asyncio.wait_for(end.wait(), LOOK_S)
        except TimeoutError:
            if index_identity(plan.folder) != made:
                replaced = True
                break
    await server.stop()
    await queue.close()
    return replaced
