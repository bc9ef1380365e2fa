"""The RQ worker and the pool that keeps a few of them: warm, renewed, watched, and stopped without losing a photo."""

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import psutil
from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection
from django.utils import timezone
from rq.job import Job
from rq.queue import Queue
from rq.serializers import JSONSerializer
from rq.worker import SimpleWorker

from processing import crew, ledger, queue
from processing.errors import PhotoError

log = logging.getLogger(__name__)

STOP_GRACE = 20  # seconds that a stopping worker may go on with its photo
IDLE_GRACE = STOP_GRACE - 3  # without a photo it leaves sooner, also where RQ waits for a Redis that is away
LOOK = 2  # seconds between two looks at how many workers are wanted
HARD_EXIT, MEMORY_EXIT = 75, 76


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
        self.sign: crew.Sign | None = None
        self.said, self.photos = 0.0, 0

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
        self.say()
        try:
            yield
        finally:
            self.claim = None
            self.photos += 1
            self.say()

    def say(self) -> None:
        """Tell those who look at the queue how it stands with this worker."""
        self.said, claim = time.monotonic(), self.claim
        if self.sign:
            upload_id = claim.upload_id if claim else None
            crew.say(replace(self.sign, photos=self.photos, memory=memory(), upload_id=upload_id))

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
        if now - self.said > settings.HEARTBEAT:
            self.say()

    def leave(self, code: int, claim: ledger.Claim | None) -> NoReturn:
        """End this process from beside its main thread; what it worked on is given back, or tried again later."""
        log.warning("upload %s: this worker ends itself with %s", claim and claim.upload_id, code)
        try:
            if claim and code:
                ledger.fail(claim, PhotoError("timeout", seconds=settings.HARD_TIME_LIMIT))
            elif claim:
                ledger.give_back(claim)
            if self.sign:
                crew.leave(self.sign)
        finally:
            os._exit(code)


keeper = Keeper()


class WarmWorker(SimpleWorker):
    """Works in its own process without forking, so that model sessions stay warm."""

    max_connection_wait_time = 2
    is_too_large = False

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """RQ would count a dead worker for eight minutes."""
        super().heartbeat(crew.ALIVE, pipeline)

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
            if memory() > settings.WORKER_MEMORY:
                log.warning("worker over its memory limit: replaced")
                self._stop_requested = self.is_too_large = True


def memory() -> int:
    """Resident bytes of this process."""
    return int(psutil.Process().memory_info().rss)


def work(name: str, number: int = 1, *, burst: bool = False) -> int:
    """Work on one queue in this process until asked to stop, or until it is time for a fresh process.

    `number` is its own among the workers of the queue. Gives the exit code: whether it grew too large.
    """
    keeper.sign = crew.Sign(
        crew.name(name, number), name, socket.gethostname(), os.getpid(),
        since=timezone.now(), photos=0, memory=0, upload_id=None,
    )  # fmt: skip
    if not keeper.is_alive():
        keeper.start()
    connection_ = queue.connection()
    worker = WarmWorker([Queue(name, connection=connection_, serializer=JSONSerializer)], connection=connection_,
                        serializer=JSONSerializer, log_job_description=False)  # fmt: skip
    worker.log_result_lifespan = False
    keeper.sign_of_life = worker.heartbeat
    try:
        worker.work(burst=burst, logging_level="WARNING", max_jobs=settings.PHOTOS_PER_WORKER)
    finally:
        crew.leave(keeper.sign)
    return MEMORY_EXIT if worker.is_too_large else 0


@dataclass
class Child:
    """A worker, as its pool knows it."""

    number: int
    threads: int
    began: float
    is_asked_to_stop: bool = False


class Pool:
    """A parent that keeps as many workers at work as are wanted: it forks them, replaces those that end, asks those that
    are too many to stop, and takes all along."""

    def __init__(self, name: str) -> None:
        self.name, self.size = name, crew.usual(name)
        self.children: dict[int, Child] = {}  # by process id
        self.look_at = self.pause_until = 0.0
        self.stopping = False

    @property
    def threads(self) -> int:
        """Of each worker: workers x threads never exceed the cores."""
        return max(1, settings.CORES // self.size) if self.name == queue.PHOTOS else 1

    def run(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.stop)
        while not self.stopping or self.children:
            if self.stopping:
                self.ask_to_stop(self.children)
            else:
                self.adapt()
            self.reap()
            time.sleep(0.1)

    def adapt(self) -> None:
        """Be as many as are wanted. One too many finishes its photo, or gives it back, and only then is replaced."""
        if time.monotonic() >= self.look_at:
            self.look()
        self.ask_to_stop(self.surplus())
        at_work = sum(child.threads for child in self.children.values())
        if time.monotonic() >= self.pause_until and at_work + self.threads <= self.size * self.threads:
            self.start()

    def look(self) -> None:
        """How many are wanted? As many as before, while the database is away."""
        self.look_at = time.monotonic() + LOOK
        try:
            size = crew.wanted(self.name)
        except DatabaseError as error:
            log.warning("pool of %s: it is not known how many workers are wanted: %s", self.name, error)
            connection.close()
            return
        if size != self.size:
            log.info("pool of %s: %s workers from now on", self.name, size)
        self.size = size

    def surplus(self) -> list[int]:
        """Those that have another number of threads than they should, and then the last ones."""
        staying = {pid: child for pid, child in self.children.items() if not child.is_asked_to_stop}
        odd = [pid for pid, child in staying.items() if child.threads != self.threads]
        return odd or sorted(staying, key=lambda pid: staying[pid].number)[self.size :]

    def stop(self, signum: int, frame: Any) -> None:
        """Only set a flag: a child may be half made."""
        self.stopping = True

    def ask_to_stop(self, pids: Iterable[int]) -> None:
        for pid in pids:
            if not self.children[pid].is_asked_to_stop:
                os.kill(pid, signal.SIGTERM)
                self.children[pid].is_asked_to_stop = True

    def start(self) -> None:
        connection.close()
        taken = {child.number for child in self.children.values() if not child.is_asked_to_stop}
        child = Child(min(set(range(1, self.size + 1)) - taken), self.threads, time.monotonic())
        parent = os.getpid()
        pid = os.fork()
        if pid:
            self.children[pid] = child
            return
        code = 1
        try:
            code = self.be(child, parent)
        except BaseException:
            log.exception("worker ended by an error")
        finally:
            os._exit(code)

    def be(self, child: Child, parent: int) -> int:
        """In the child, all its life. Gives the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        die_with(parent)
        limit_memory()
        if self.name == queue.PHOTOS:
            use_threads(child.threads)
        return work(self.name, child.number)

    def reap(self) -> None:
        for pid in list(self.children):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self.bury(pid, self.children.pop(pid), os.waitstatus_to_exitcode(status))

    def bury(self, pid: int, child: Child, code: int) -> None:
        lived = time.monotonic() - child.began
        if code and not child.is_asked_to_stop:
            log.warning("worker %s ended with %s after %.0f s", pid, code, lived)
            crew.lost(crew.Loss(crew.name(self.name, child.number), timezone.now(), why(code)))
        if lived < 2:  # Redis may be away: do not spin
            self.pause_until = time.monotonic() + 1


def why(code: int) -> str:
    """Why a worker ended, as its exit code says; below zero it is a signal."""
    if code == HARD_EXIT:
        return f"One piece of work took longer than {settings.HARD_TIME_LIMIT} s"
    if code == MEMORY_EXIT:
        return f"It took more than {settings.WORKER_MEMORY // settings.MB:,} MB of memory"
    if code == -signal.SIGKILL:
        return "It was killed (SIGKILL), as a machine does that is short of memory"
    return f"It was ended by {signal.Signals(-code).name}" if code < 0 else f"It ended by an error (exit code {code})"


def use_threads(count: int) -> None:
    from processing.pipeline import run  # the models stay out of the io workers

    run.use_threads(count)


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
