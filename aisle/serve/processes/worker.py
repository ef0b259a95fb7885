"""A worker: one process that answers, over an index that others read too, with the writer at the end of a socket."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
from collections.abc import Callable

from aisle.serve.app import Outside, create_app
from aisle.serve.experiment.shadow import SOCKET as SHADOW
from aisle.serve.processes.plan import SOCKET, Plan
from aisle.serve.processes.sharing import Connections, Counts, SharedSocket
from aisle.serve.service_log import install_log
from aisle.serve.writing.client import WriteClient

BACKLOG = 1_024
"""Connections that the system keeps until a worker has time."""
GC_THRESHOLDS = 50_000, 20, 20
"""A search makes some thousand objects and no cycles: looking for those after every 700 takes a tenth of its time."""
SWITCH_S = 0.001
"""Python lets a thread run this long before another may; of the usual 5 ms a request would wait several times."""


def run_worker(plan: Plan, listening: socket.socket, counts: Counts, ready: Callable[[], None]) -> None:
    """Answer on a socket until told to end (SIGTERM), then finish what was begun.

    Args:
        plan: What to do.
        listening: Shared with the other workers: whoever has fewest connections takes the next one.
        counts: Of everybody's connections.
        ready: Called once requests are answered.
    """
    import uvicorn
    from threadpoolctl import threadpool_limits

    threadpool_limits(1, user_api="blas")  # requests are what runs side by side; more threads only wait for each other
    install_log("worker", plan.config.settings.log_format)
    settings = plan.config.settings
    with plan.open() as engine:
        client = WriteClient(plan.sockets / SOCKET, settings.grace_s, settings.write_queue)
        outside = Outside(
            client,
            plan.security(),
            plan.open,
            plan.config.tables,
            folder=plan.folder,
            candidate=plan.candidate(engine),
            shadow=plan.sockets / SHADOW,
            processes=plan.sockets,
        )
        app = create_app(engine, settings, outside)
        sys.setswitchinterval(SWITCH_S)
        gc.collect()
        gc.freeze()  # what lives as long as the worker is not looked through again
        gc.set_threshold(*GC_THRESHOLDS)
        config = uvicorn.Config(
            app,
            lifespan="on",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            # one connection each time a worker looks: more would pile up in the first that does
            backlog=1,
            timeout_graceful_shutdown=int(settings.grace_s) or 1,
        )
        server = uvicorn.Server(config)
        server.server_state.connections = Connections(counts)
        shared = SharedSocket(listening, counts)

        async def serve() -> None:
            serving = asyncio.ensure_future(server.serve([shared]))
            while not server.started and not serving.done():
                await asyncio.sleep(0.01)
            if server.started:
                shared.listen(BACKLOG)  # uvicorn has told the system the backlog of above
                ready()
            await serving

        try:
            asyncio.run(serve())
        finally:
            if outside.security is not None:
                outside.security.close()
