"""Work in the pool on behalf of a request: given up when the client leaves, 429 when too much waits."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from collections.abc import Callable, Coroutine, Hashable, Sequence
from typing import Any, TypeVar

from fastapi import Request

from aisle.serve.facts import facts_of
from aisle.serve.faults import CLIENT_LEFT, Fault, busy
from aisle.serve.parts import Parts
from aisle.serve.pool import Busy, Closed, Done, Group
from aisle.serve.redact import public
from aisle.serve.writing.change import Change, Outcome, WriterGone

R = TypeVar("R")
A = TypeVar("A")
LOG = logging.getLogger("aisle.serve")
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})
"""What a disk says that takes no more."""
_AGAIN = "make the change again: making it twice does no harm"


async def run_group(request: Request, shop: Parts, group: Group[R, A], asked: R, key: Hashable | None = None) -> A:
    """Have the pool answer, see `aisle.serve.pool.Pool.run`; notes what waiting took.

    Raises:
        Fault: Too much is waiting, the service is ending, the client left, or the disk has no room for what it sent.
    """
    try:
        done: Done[A] = await unless_gone(request, shop.pool.run(group, asked, key))
    except Busy as error:
        raise busy(error.retry_after) from None
    except Closed:
        raise ending() from None
    except OSError as error:
        if error.errno not in _FULL:
            raise
        LOG.error("not written, request %s: %s", facts_of(request).request_id, error)
        raise _not_written(os.strerror(error.errno)) from None
    facts = facts_of(request)
    facts.queue_ms, facts.shared = done.waited_ms, done.shared
    return done.answer


async def run(request: Request, shop: Parts, work: Callable[[], A], key: Hashable | None = None) -> A:
    """Have the pool call a function; see `run_group`."""
    return await run_group(request, shop, _CALLS, work, key)


def _call(works: Sequence[Callable[[], Any]]) -> Sequence[Any]:
    return [work() for work in works]


_CALLS: Group[Callable[[], Any], Any] = Group(_call)


async def unless_gone(request: Request, work: Coroutine[Any, Any, A]) -> A:
    """Wait for work, and stop it when the client hangs up. The request's body must have been read.

    Raises:
        Fault: The client left.
    """
    task = asyncio.ensure_future(work)
    watch = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Fault(CLIENT_LEFT, "client_left", "the client left")
        return task.result()
    finally:
        for one in (task, watch):
            if not one.done():
                one.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def write(shop: Parts, changes: Sequence[Change]) -> list[Outcome]:
    """Have changes made durable; goes on even if the client leaves.

    Raises:
        Fault: Too many are waiting, or there is no writer.
    """
    try:
        return await shop.writer.apply(changes)
    except Busy as error:
        raise busy(error.retry_after) from None
    except WriterGone as error:
        raise _not_written(public(str(error))) from None


def _not_written(why: str) -> Fault:
    return Fault(503, "not_written", f"not acknowledged: {why}", fix=_AGAIN, headers={"Retry-After": "2"})


async def note(
    request: Request, shop: Parts, action: str, target: str, after: object = None, *, before: object = None
) -> None:
    """Put a change that was made into the audit log, before it is acknowledged.

    Args:
        request: Who asked for it.
        shop: Whose log.
        action: Such as "product.put".
        target: What was changed.
        after: What is there now, or its `Hash`.
        before: What was there, or its `Hash`.

    Raises:
        Fault: The log cannot be written, so nobody is told that the change was made.
    """
    if shop.audit is None:
        return
    facts = facts_of(request)
    principal = getattr(request.state, "principal", None)
    facts.principal = principal.id if principal is not None else ""
    try:
        await asyncio.to_thread(shop.audit.write, facts.principal, action, target, facts.request_id, before, after)
    except OSError as error:
        raise Fault(503, "not_noted", f"the audit log cannot be written: {error.strerror}", fix=_AGAIN) from None


def ending() -> Fault:
    """The service is being stopped."""
    return Fault(503, "ending", "the service is ending", fix="ask again", headers={"Retry-After": "2"})
