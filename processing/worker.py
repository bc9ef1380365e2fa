"""The RQ worker: warm, renewed, watched, and stopped without losing a photo. (`pool` keeps a few of them.)"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NoReturn

import psutil
import redis
import structlog
from django.conf import settings
from django.db import close_old_connections, connection
from django.utils import timezone
from rq.job import Job
from rq.queue import Queue
from rq.registry import StartedJobRegistry
from rq.serializers import JSONSerializer
from rq.worker import SimpleWorker

from processing import crew, ledger, outage, queue
from processing.errors import ClaimLost, PhotoError
from processing.queue import Nudge

log = structlog.stdlib.get_logger(__name__)

STOP_GRACE = 20  # seconds that a stopping worker may go on with its photo
IDLE_GRACE = STOP_GRACE - 3  # without a photo it leaves sooner, also where RQ waits for a Redis that is away
HARD_EXIT, MEMORY_EXIT = 75, 76
NEVER = float("-inf")
KEPT_CONNECTION = {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}  # seconds; opening one takes longer than a query

Step = tuple[ledger.Claim, str, int, int]  # what is done, how many steps are done, of how many


def idle() -> None:
    pass


class Keeper(threading.Thread):
    """Holds the running attempt's lease, says what is done with the photo, and ends its own process when the attempt
    outlives the hard time limit.

    A thread, because neither RQ's alarm nor any exception interrupts C code; and so a quick step, which nobody could
    read, costs the photo nothing.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True, name="keeper")
        self.claim: ledger.Claim | None = None
        self.busy_since: float | None = None
        self.renewed = 0.0
        self.stop_at = float("inf")
        self.sign_of_life: Callable[[], None] = idle
        self.renew: Callable[[], None] = idle
        self.lock = threading.Lock()  # while `renew` runs
        self.sign: crew.Sign | None = None
        self.said, self.photos = NEVER, 0
        self.step: Step | None = None
        self.told: Step | None = None
        self.lost: ledger.Claim | None = None

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
        self.claim, self.said = claim, NEVER
        try:
            yield
        finally:
            self.claim = self.step = None
            self.photos += 1
            self.said = NEVER

    def at(self, claim: ledger.Claim, label: str, done: int, total: int) -> None:
        """What is done with the photo now. Raises ClaimLost where it was found that somebody else has it, so that the
        worker of a cancelled photo stops here."""
        if self.lost is claim:
            raise ClaimLost
        self.step = (claim, label, done, total)

    def tell_step(self) -> None:
        if (step := self.step) is None or step is self.told:
            return
        try:
            ledger.step(*step)
        except ClaimLost:
            self.lost = step[0]
        self.told = step

    @contextmanager
    def renewing(self, renew: Callable[[], None]) -> Iterator[None]:
        """While it lasts, `renew` is called at each heartbeat, and never after."""
        self.renew = renew
        try:
            yield
        finally:
            with self.lock:
                self.renew = idle

    def say(self) -> None:
        """Tell those who look at the queue how it stands with this worker."""
        self.said, claim = time.monotonic(), self.claim
        if self.sign:
            upload_id = claim.upload_id if claim else None
            crew.say(replace(self.sign, photos=self.photos, memory=memory(), upload_id=upload_id))

    def run(self) -> None:
        while True:
            try:
                self.look()
            except Exception as error:  # without this thread nobody renews: it goes on, whatever fails
                if not outage.told(error):
                    log.exception("keeper_could_not_look")
                connection.close()
            time.sleep(0.5)

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
            with self.lock:
                self.renew()
            self.sign_of_life()
        self.tell_step()
        if claim and not claim.row.exists():
            self.lost = claim
        if now - self.said > settings.HEARTBEAT:
            self.say()

    def leave(self, code: int, claim: ledger.Claim | None) -> NoReturn:
        """End this process from beside its main thread; what it worked on is given back, or tried again later."""
        log.warning("worker_ends_itself", status=code, **(claim.ids if claim else {}))
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
    is_too_large = False
    beaten_at = NEVER

    @property
    def connection_timeout(self) -> int:
        """RQ would wait for minutes for an answer that a cut cable keeps; the settings' own timeout stays."""
        return 1

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """RQ would count a dead worker for eight minutes, and no more one that was out of Redis' reach for a while. It
        says three times a photo that it lives: once a second will do."""
        if pipeline is None and time.monotonic() < self.beaten_at + 1:
            return
        if NEVER < self.beaten_at < time.monotonic() - crew.ALIVE and not self.connection.hexists(self.key, "birth"):
            self.connection.delete(self.key)
            self.register_birth()  # type: ignore[no-untyped-call]
        super().heartbeat(crew.ALIVE, pipeline)
        self.beaten_at = time.monotonic()

    def request_stop(self, signum: int, frame: Any) -> None:
        """Only set a flag: a worker that is interrupted while it takes a nudge may lose it."""
        self._stop_requested = True
        keeper.stop_at = min(keeper.stop_at, time.monotonic() + STOP_GRACE)

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[Job, Queue] | None:
        """Poll in slices of a second, so that the flag is seen."""
        while not self._stop_requested:
            try:
                found = super().dequeue_job_and_maintain_ttl(timeout and 1, max_idle_time=1)
            except redis.TimeoutError as error:  # where RQ would leave, and with it a warm model
                log.warning("redis_does_not_answer", error=str(error))
                time.sleep(1)
                continue
            if found or timeout is None:
                return found
        return None

    def execute_job(self, job: Job, queue: Queue) -> None:
        if isinstance(job, Nudge) and job.is_ours:
            super().execute_job(job, queue)
        else:
            log.error("no_nudge_of_ours", nudge=job.id)
            self.connection.delete(job.key)

    def handle_job_success(self, job: Job, queue: Queue, started_job_registry: StartedJobRegistry) -> None:
        """RQ asks ten times for what a nudge never has: others that depend on it, a result, a next time."""
        with self.connection.pipeline() as pipe:
            self.increment_successful_job_count(pipeline=pipe)
            self.cleanup_execution(job, pipeline=pipe)
            pipe.delete(job.key)
            pipe.execute()

    def perform_job(self, job: Job, queue: Queue) -> bool:
        close_old_connections()
        try:
            with keeper.timing():
                return super().perform_job(job, queue)
        finally:
            close_old_connections()
            if memory() > settings.WORKER_MEMORY:
                log.warning("worker_over_its_memory_limit")
                self._stop_requested = self.is_too_large = True


def memory() -> int:
    """Resident bytes of this process."""
    return int(psutil.Process().memory_info().rss)


def work(name: str, number: int = 1, *, burst: bool = False) -> int:
    """Work on one queue in this process until asked to stop, or until it is time for a fresh process. Whoever makes
    photos takes those for the spare workers too, where there are no others.

    `number` is its own among the workers of the queue. Gives the exit code: whether it grew too large.
    """
    keeper.sign = crew.Sign(
        crew.name(name, number), name, crew.HOST, os.getpid(),
        since=timezone.now(), photos=0, memory=0, upload_id=None,
    )  # fmt: skip
    if not keeper.is_alive():
        keeper.start()
    names = [name, queue.SOON] if name == queue.PHOTOS else [name]
    worker = WarmWorker(
        [queue.rq(each) for each in names], connection=queue.connection(), serializer=JSONSerializer,
        job_class=Nudge, log_job_description=False,
    )  # fmt: skip
    worker.log_result_lifespan = False
    keeper.sign_of_life = worker.heartbeat
    worker.work(burst=burst, logging_level="WARNING", max_jobs=settings.PHOTOS_PER_WORKER)
    keeper.sign = None  # where the process goes on, it is no worker any more
    crew.gone(name, os.getpid())
    return MEMORY_EXIT if worker.is_too_large else 0
