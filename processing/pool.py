"""The pool that keeps as many workers at work as are wanted, without losing a photo of one that is too many."""

import logging
import os
import signal
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import psutil
import redis
from django.conf import settings
from django.db import Error as DatabaseTrouble
from django.db import connection
from django.utils import timezone

from processing import accelerator, crew, queue, scratch
from processing.worker import HARD_EXIT, KEPT_CONNECTION, MEMORY_EXIT, work

log = logging.getLogger(__name__)

LOOK = 2  # seconds between two looks at how many are wanted …
CLEAR = 3600  # … and between two at what is left in the scratch space
BEHIND = 10  # niceness of all but the spare ones: pages, doors and dispatcher of the same machine answer first
STOPS = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True)
class Place:
    """A worker that there is to be: of which queue, and its number among the workers of that."""

    queue: str
    number: int


@dataclass
class Child:
    """A worker, as its pool knows it."""

    place: Place
    threads: int
    began: float
    is_asked_to_stop: bool = False


class Pool:
    """A parent: it forks workers, replaces those that end, asks the surplus ones to stop, and takes all along."""

    def __init__(self, name: str) -> None:
        self.name, self.size = name, crew.usual(name)
        self.children: dict[int, Child] = {}  # by process id
        self.look_at = self.pause_until = 0.0
        self.clear_at = time.monotonic() + CLEAR
        self.wanted, self.trouble = self.size, ""
        self.stopping = False

    @property
    def threads(self) -> int:
        """Of each worker."""
        return crew.threads(self.size) if self.name == queue.PHOTOS else 1

    def run(self) -> None:
        for number in STOPS:
            signal.signal(number, self.stop)
        while not self.stopping or self.children:
            if self.stopping:
                self.ask_to_stop(self.children)
            else:
                self.adapt()
            self.reap()
            time.sleep(0.1)
        crew.leave(self.name)

    def adapt(self) -> None:
        """Be as many as are wanted. One too many finishes its photo, or gives it back, and only then is replaced."""
        if time.monotonic() >= self.look_at:
            self.look()
        self.ask_to_stop(self.surplus())
        place = next(self.free(), None)
        if place and time.monotonic() >= self.pause_until:
            self.start(place)

    def places(self) -> list[Place]:
        """As many as are wanted; where they work on photos, and some are wanted, the spare ones too."""
        spare = settings.SPARE_WORKERS if self.name == queue.PHOTOS and self.size else 0
        sizes = {self.name: self.size, queue.SOON: spare}
        return [Place(name, number + 1) for name, size in sizes.items() for number in range(size)]

    def free(self) -> Iterator[Place]:
        """The places that somebody may take. The threads of one queue's workers never exceed those of its places, also
        while some that were asked to stop still work."""
        places = self.places()
        taken = {child.place for child in self.staying().values()}
        for name, free in Counter(place.queue for place in places).items():
            at_work = sum(child.threads for child in self.children.values() if child.place.queue == name)
            if at_work + self.threads <= free * self.threads:
                yield from (place for place in places if place.queue == name and place not in taken)

    def staying(self) -> dict[int, Child]:
        return {pid: child for pid, child in self.children.items() if not child.is_asked_to_stop}

    def look(self) -> None:
        """How many are wanted? As many as before, while the database is away; and none where there is no room to work
        in."""
        self.look_at = time.monotonic() + LOOK
        try:
            self.wanted = crew.wanted(self.name)
        except DatabaseTrouble as error:
            log.warning("pool of %s: it is not known how many workers are wanted: %s", self.name, error)
            connection.close()
        trouble = scratch.trouble()
        if bool(trouble) != bool(self.trouble):
            log.warning("pool of %s: %s", self.name, trouble or "there is room again")
        self.trouble, size = trouble, 0 if trouble else self.wanted
        if size != self.size:
            log.info("pool of %s: %s workers from now on", self.name, size)
        self.size = size
        crew.tell(self.name, size, trouble, self.engines())
        if time.monotonic() >= self.clear_at:
            self.clear_at = time.monotonic() + CLEAR
            scratch.clear()

    def engines(self) -> dict[str, str]:
        """What models run on here, by model."""
        if self.name == queue.IO:
            return {}
        return {model: engine.name for model, engine in accelerator.known().items()}

    def surplus(self) -> list[int]:
        """Those that have another number of threads than they should, or no place any more."""
        places = self.places()
        return [pid for pid, child in self.staying().items()
                if child.threads != self.threads or child.place not in places]  # fmt: skip

    def stop(self, signum: int, frame: Any) -> None:
        """Only set a flag: a child may be half made."""
        self.stopping = True

    def ask_to_stop(self, pids: Iterable[int]) -> None:
        for pid in pids:
            if not self.children[pid].is_asked_to_stop:
                os.kill(pid, signal.SIGTERM)
                self.children[pid].is_asked_to_stop = True

    def start(self, place: Place) -> None:
        connection.close()
        child = Child(place, self.threads, time.monotonic())
        parent = os.getpid()
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)  # the handlers that a child begins with are its parent's
        pid = os.fork()
        if pid:
            self.children[pid] = child
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
            return
        code = 1
        try:
            code = self.be(child, parent)
        except redis.RedisError as error:
            log.warning("worker %s ends, as Redis does not answer: %s", os.getpid(), error)
        except BaseException:
            log.exception("worker ended by an error")
        finally:
            os._exit(code)

    def be(self, child: Child, parent: int) -> int:
        """In the child, all its life. Gives the exit code."""
        for number in STOPS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
        die_with(parent)
        connection.settings_dict |= KEPT_CONNECTION
        if child.place.queue != queue.SOON:  # for whose photos somebody waits, as for a page
            os.nice(BEHIND)
        if self.name == queue.PHOTOS:
            use_threads(child.threads)
        if accelerator.CUDA.name not in self.engines().values():  # which takes hundreds of GB of addresses
            limit_memory()
        return work(child.place.queue, child.place.number)

    def reap(self) -> None:
        for pid in list(self.children):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self.bury(pid, self.children.pop(pid), os.waitstatus_to_exitcode(status))

    def bury(self, pid: int, child: Child, code: int) -> None:
        crew.gone(child.place.queue, pid)
        if child.is_asked_to_stop:
            return
        lived = time.monotonic() - child.began
        if code:
            log.warning("worker %s ended with %s after %.0f s", pid, code, lived)
            crew.lost(crew.Loss(crew.name(child.place.queue, child.place.number), timezone.now(), why(code)))
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
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (wall, most))  # a probe of engines may go beyond it
