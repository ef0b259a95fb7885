"""Starts the writer and the workers, starts again what dies, and ends them in the order in which nothing is lost.

Of its own and not uvicorn's, which knows workers only: here the workers end first, since their last changes need the
writer, and a writer that dies comes back while the workers go on searching.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from aisle.config import Recipe
from aisle.errors import AisleError, RequestError, first_line
from aisle.serve.experiment.settings import candidate_recipe
from aisle.serve.processes.plan import Plan
from aisle.serve.processes.state import keep_troubles
from aisle.serve.settings import Config

LOG = logging.getLogger("aisle.serve")
METRICS = "PROMETHEUS_MULTIPROC_DIR"
"""Where processes share their numbers: prometheus_client's own name."""
BACKLOG = 1_024
"""Connections that the system keeps until a worker has time."""
START_S = 600.0
"""A process that is not ready by then is started again."""
SOON_S = 5.0
"""Processes that die sooner than this after their start are started again later and later."""
MOST_PAUSE_S = 10.0


class Supervisor:
    """The processes of one service.

    Args:
        folder: Of the index.
        config: Of the service.
        model: Re-ranker instead of the recipe's.
        started: Called once with the address, when the first requests can come.

    Raises:
        AccessError: Others could come in, and nothing would ask them for a key.
        RequestError: The address cannot be listened on.
    """

    def __init__(self, folder: Path, config: Config, model: str | None, started: Callable[[str], None]) -> None:
        self.config, self.started = config, started
        settings = config.settings
        self._own = Path(tempfile.mkdtemp(prefix="aisle-"))  # short: a socket's path may have 107 bytes
        self.plan = Plan(folder.absolute(), config, model, self._own)
        try:
            tried = self.plan.experiment()
            if tried.recipe:
                candidate_recipe(tried, Recipe())
            if "monitor" in config.tables:
                from aisle.serve.alarms import check_monitoring

                check_monitoring(config.tables["monitor"])
            security = self.plan.security()
            from aisle.serve.security import check_bind

            check_bind(settings.host, security.protected)
            security.close()
            self.listening = _listen(settings.host, settings.port)
        except BaseException:
            shutil.rmtree(self._own, ignore_errors=True)
            raise
        host, port = self.listening.getsockname()[:2]
        self.address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        (self._own / "metrics").mkdir()
        self._end = threading.Event()

    def run(self) -> int:
        """Serve until told to end by SIGTERM or SIGINT; the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._end.set())
        os.environ[METRICS] = str(self._own / "metrics")  # for the children alone: nothing here counts
        count = self.config.settings.processes
        shadow = _Child("shadow", _shadow, (self.plan,), needed=False)
        beside = [shadow] if self.plan.experiment().shadows else []
        writer = _Child("writer", _writer, (self.plan,))
        counts = multiprocessing.get_context("spawn").RawArray("q", 2 * count)
        workers = [_Child(f"worker {n + 1}", _worker, (self.plan, self.listening, counts, n)) for n in range(count)]
        try:
            return self._watch(writer, workers, beside)
        finally:
            self._stop([*beside, *workers])
            self._stop([writer])
            self.listening.close()
            shutil.rmtree(self._own, ignore_errors=True)

    def _watch(self, writer: _Child, workers: list[_Child], beside: list[_Child]) -> int:
        children = [writer, *workers, *beside]
        told, troubles = False, {"": ""}
        while not self._end.is_set():
            for child in children:
                child.look()
                if child.refused is not None:  # it would say the same again
                    why = child.refused
                    raise AisleError(f"{child.name} cannot start: {why.received}", allowed=why.allowed, fix=why.fix)
            if not told and all(child.ready for child in children if child.needed):
                told = True
                self.started(self.address)
            if troubles != (now := {child.name: child.trouble for child in children if child.trouble}):
                troubles = now if self._keep(now) else troubles
            self._end.wait(0.05 if not told else 0.2)
        return 0

    def _keep(self, troubles: dict[str, str]) -> bool:
        """Tell the workers what is wrong; gives back whether that could be written."""
        try:
            keep_troubles(self._own, troubles)
        except OSError:  # a full disk; they are told once there is room
            return False
        return True

    def _stop(self, children: list[_Child]) -> None:
        for child in children:
            child.tell_to_end()
        until = time.monotonic() + self.config.settings.grace_s + 5
        for child in children:
            child.join(max(0.0, until - time.monotonic()))


@dataclass
class _Child:
    """A process that is started again when it dies.

    Attributes:
        needed: Whether the service is refused where this one cannot start for the first time.
        ready: Whether it does its work.
        refused: Why the service cannot start.
        trouble: What is wrong with it, for `/health/ready`.
    """

    name: str
    target: Callable[..., None]
    arguments: tuple[Any, ...]
    needed: bool = True
    process: multiprocessing.process.BaseProcess | None = None
    pipe: Connection | None = None
    ready: bool = False
    refused: AisleError | None = None
    born: float = 0.0
    pause: float = 0.0
    due: float = 0.0
    was_ready: bool = False
    trouble: str = ""
    _why: AisleError | None = None

    def look(self) -> None:
        """Start it if it is not there and due, take what it says, see whether it died."""
        if self.process is None:
            if time.monotonic() >= self.due:
                self._start()
            return
        alive = self.process.is_alive()  # before it is heard: what it said last is not missed
        while self.pipe is not None and wait([self.pipe], 0):
            self._hear()
        if not alive:
            self._died()
        elif not self.ready and time.monotonic() - self.born > START_S:
            self.trouble = f"is not ready after {START_S:g} s, and is started again"
            LOG.error("%s (process %s) %s", self.name, self.process.pid, self.trouble)
            self.process.kill()
            self.born = time.monotonic()  # its end is waited for

    def _start(self) -> None:
        ours, theirs = multiprocessing.Pipe(duplex=False)
        context = multiprocessing.get_context("spawn")
        given = [replace(one, again=self.was_ready) if isinstance(one, Plan) else one for one in self.arguments]
        self.process = context.Process(target=self.target, args=(*given, theirs), name=self.name)
        self.process.start()
        theirs.close()
        self.pipe, self.ready, self.born, self._why = ours, False, time.monotonic(), None

    def _hear(self) -> None:
        assert self.pipe is not None
        try:
            said = self.pipe.recv()
        except (EOFError, OSError):
            self.pipe.close()
            self.pipe = None
            return
        if said != "ready":
            self._why = said
            self.refused = said if self.needed and not self.was_ready else None
            return
        if self.trouble:
            LOG.info("%s (process %s) is ready", self.name, self.process.pid if self.process is not None else None)
        self.ready, self.was_ready, self.trouble = True, True, ""

    def _died(self) -> None:
        assert self.process is not None
        code, pid = self.process.exitcode, self.process.pid
        if pid is not None:
            _forget_metrics(pid)
        early = not self.ready or time.monotonic() - self.born < SOON_S
        self.pause = min(MOST_PAUSE_S, max(0.25, 2 * self.pause)) if early else 0.0
        self.due = time.monotonic() + self.pause
        if self._why is not None and self.refused is None:
            why = "; ".join(str(self._why).splitlines())
            self.trouble = f"{'ended' if self.ready else 'cannot start'}, and is tried again: {why}"
            LOG.error("%s (process %s) %s", self.name, pid, self.trouble)
        elif self.refused is None:
            self.trouble = self.trouble or f"ended with {code}, and is started again"
            LOG.warning("%s (process %s) ended with %s; it is started again", self.name, pid, code)
        self.process, self.ready = None, False

    def tell_to_end(self) -> None:
        """Ask it to end."""
        if self.process is not None and self.process.is_alive():
            self.process.terminate()

    def join(self, seconds: float) -> None:
        """Wait for its end; kill it if it takes longer."""
        if self.process is None:
            return
        self.process.join(seconds)
        if self.process.is_alive():
            LOG.error("%s (process %s) did not end and is killed", self.name, self.process.pid)
            self.process.kill()
            self.process.join()


def _worker(plan: Plan, listening: socket.socket, counts: Any, place: int, pipe: Connection) -> None:
    def run() -> int:
        from aisle.serve.processes.sharing import Counts
        from aisle.serve.processes.worker import run_worker

        run_worker(plan, listening, Counts(counts, place), lambda: pipe.send("ready"))
        return 0

    _guarded(pipe, run)


def _writer(plan: Plan, pipe: Connection) -> None:
    def run() -> int:
        from aisle.serve.processes.writer import run_writer

        return run_writer(plan, lambda: pipe.send("ready"))

    _guarded(pipe, run)


def _shadow(plan: Plan, pipe: Connection) -> None:
    def run() -> int:
        from aisle.serve.processes.shadow import run_shadow

        return run_shadow(plan, lambda: pipe.send("ready"))

    _guarded(pipe, run)


def _guarded(pipe: Connection, run: Callable[[], int]) -> None:
    """Run a process; a deliberate error before it was ready is told, since it would come again."""
    threading.Thread(target=_end_with_parent, name="aisle-parent", daemon=True).start()
    try:
        code = run()
    except AisleError as error:
        pipe.send(AisleError(error.received, allowed=error.allowed, fix=error.fix))
        code = 1
    except KeyboardInterrupt:
        code = 0
    except Exception as error:  # damaged files raise what LanceDB raises
        LOG.debug("%s ended", multiprocessing.current_process().name, exc_info=error)
        reason = f"{type(error).__name__}: {first_line(error)[:300]}"
        fix = "if files are damaged, index again or promote another index or model"
        pipe.send(AisleError(f"the index or a model cannot be read: {reason}", fix=fix))
        code = 1
    sys.exit(code)


def _end_with_parent() -> None:
    """End like by SIGTERM when the supervisor is gone: nobody would ever end this process then."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)


def _forget_metrics(pid: int) -> None:
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(pid, os.environ[METRICS])  # type: ignore[no-untyped-call]


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP, so that asyncio sends at once (TCP_NODELAY); else an answer's body waits 40 ms for the client's ACK.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        fix = "choose another --port or --host"
        raise RequestError(f"cannot listen on {host}:{port}: {error.strerror or error}", fix=fix) from None
    return listening
