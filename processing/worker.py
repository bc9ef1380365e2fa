"""The RQ worker and the pool that keeps a few of them: warm, renewed, watched, and stopped without losing a photo."""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import psutil
from django.conf import settings
from django.db import close_old_connections, connection
from rq.job import Job
from rq.queue import Queue
from rq.serializers import JSONSerializer
from rq.worker import SimpleWorker

from processing import ledger, queue
from processing.errors import PhotoError

log = logging.getLogger(__name__)

STOP_GRACE = 20  # seconds that a stopping worker may go on with its photo
IDLE_GRACE = STOP_GRACE - 3  # without a photo it leaves sooner, also where RQ waits for a Redis that is away
ALIVE = 15  # seconds that Redis counts a worker after its last sign of life
HARD_EXIT = 75


class Keeper(threading.Thread):
    """Holds the running attempt's lease, and ends its own process when the attempt outlives the hard time limit.

    A thread, because neither RQ's alarm nor any exception interrupts C code.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True, name="keeper")
        self.claim: ledger.Claim | None = None
        self.busy_since: float | None = None
        self.renewed = 0.0
        self.stop_at = float("inf")
        self.sign_of_life: Callable[[], None] = lambda: None

    @property
    def asked_to_stop(self) -> bool:
        return self.stop_at < float("inf")

    @contextmanager
    def timing(self) -> Iterator[None]:
        """Whatever runs inside is ended at the hard limit."""
        self.busy_since = self.renewed = time.monotonic()
        try:
            yield
        finally:
            self.busy_since = None

    @contextmanager
    def holding(self, claim: ledger.Claim) -> Iterator[None]:
        self.claim = claim
        try:
            yield
        finally:
            self.claim = None

    def run(self) -> None:
        while True:
            time.sleep(0.5)
            try:
                self.look()
            except Exception:  # without this thread nobody renews: it goes on, whatever fails
                log.exception("the keeper could not look")
                connection.close()

    def look(self) -> None:
        now, claim = time.monotonic(), self.claim
        if self.busy_since and now - self.busy_since > settings.HARD_TIME_LIMIT:
            self.leave(HARD_EXIT, claim)
        if now > self.stop_at or (self.asked_to_stop and not self.busy_since and now > self.stop_at - IDLE_GRACE):
            self.leave(0, claim)
        if self.busy_since and now - self.renewed > settings.HEARTBEAT:
            self.renewed = now
            if claim:
                ledger.renew(claim)
            self.sign_of_life()

    def leave(self, code: int, claim: ledger.Claim | None) -> NoReturn:
        """End this process from beside its main thread; what it worked on is given back, or tried again later."""
        log.warning("upload %s: this worker ends itself with %s", claim and claim.upload_id, code)
        try:
            if claim and code:
                ledger.fail(claim, PhotoError("timeout", seconds=settings.HARD_TIME_LIMIT))
            elif claim:
                ledger.give_back(claim)
        finally:
            os._exit(code)


keeper = Keeper()


class WarmWorker(SimpleWorker):
    """Works in its own process without forking, so that model sessions stay warm."""

    max_connection_wait_time = 2

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """RQ would count a dead worker for eight minutes."""
        super().heartbeat(ALIVE, pipeline)

    def request_stop(self, signum: int, frame: Any) -> None:
        """Only set a flag: a worker that is interrupted while it takes a nudge may lose it."""
        self._stop_requested = True
        keeper.stop_at = min(keeper.stop_at, time.monotonic() + STOP_GRACE)

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[Job, Queue] | None:
        """Poll in slices of a second, so that the flag is seen."""
        while not self._stop_requested:
            found = super().dequeue_job_and_maintain_ttl(timeout and 1, max_idle_time=1)
            if found or timeout is None:
                return found
        return None

    def perform_job(self, job: Job, queue: Queue) -> bool:
        close_old_connections()
        try:
            with keeper.timing():
                return super().perform_job(job, queue)
        finally:
            close_old_connections()
            if psutil.Process().memory_info().rss > settings.WORKER_MEMORY:
                log.warning("worker over its memory limit: replaced")
                self._stop_requested = True


def work(name: str, *, burst: bool = False) -> None:
    """Work on one queue in this process until asked to stop, or until it is time for a fresh process."""
    if not keeper.is_alive():
        keeper.start()
    connection_ = queue.connection()
    worker = WarmWorker([Queue(name, connection=connection_, serializer=JSONSerializer)], connection=connection_,
                        serializer=JSONSerializer, log_job_description=False)  # fmt: skip
    worker.log_result_lifespan = False
    keeper.sign_of_life = worker.heartbeat
    worker.work(burst=burst, logging_level="WARNING", max_jobs=settings.PHOTOS_PER_WORKER)


class Pool:
    """A parent that keeps `size` workers at work: it forks them, replaces those that end, and takes them along."""

    def __init__(self, name: str, size: int) -> None:
        self.name, self.size = name, size
        self.children: dict[int, float] = {}  # process id → when it began
        self.told: set[int] = set()
        self.pause_until = 0.0
        self.stopping = False

    def run(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.stop)
        log.info("pool of %s: %s workers", self.name, self.size)
        while not self.stopping or self.children:
            if self.stopping:
                self.tell_children()
            elif time.monotonic() >= self.pause_until and len(self.children) < self.size:
                self.start()
            self.reap()
            time.sleep(0.1)

    def stop(self, signum: int, frame: Any) -> None:
        """Only set a flag: a child may be half made."""
        self.stopping = True

    def tell_children(self) -> None:
        for pid in self.children.keys() - self.told:
            os.kill(pid, signal.SIGTERM)
            self.told.add(pid)

    def start(self) -> None:
        connection.close()
        parent = os.getpid()
        pid = os.fork()
        if pid:
            self.children[pid] = time.monotonic()
            return
        code = 1
        try:
            self.child(parent)
            code = 0
        except BaseException:
            log.exception("worker ended by an error")
        finally:
            os._exit(code)

    def child(self, parent: int) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        die_with(parent)
        limit_memory()
        work(self.name)

    def reap(self) -> None:
        for pid in list(self.children):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                lived = time.monotonic() - self.children.pop(pid)
                if status:
                    log.warning("worker %s ended with %s after %.0f s", pid, os.waitstatus_to_exitcode(status), lived)
                if lived < 2:  # Redis may be away: do not spin
                    self.pause_until = time.monotonic() + 1


def die_with(parent: int) -> None:
    """Linux: be killed when the parent dies, in whatever way."""
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def limit_memory() -> None:
    """A wall behind the limit that is checked between photos; address space, so far above what is resident."""
    import resource

    wall = psutil.Process().memory_info().vms + 3 * settings.WORKER_MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (wall, wall))
