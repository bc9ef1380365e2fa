"""How long works take and how much memory, each in a process of its own, whose memory nothing else has grown yet."""

import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import NamedTuple, TypeVar

from bench.figure import median

TURNS = 5
FORK = get_context("fork")
MAXRSS = 1 if sys.platform == "darwin" else 1024  # bytes in its unit
T = TypeVar("T")


class Taken(NamedTuple):
    """The medians of several turns."""

    seconds: float
    megabytes: float


def take(*works: Callable[[], object], turns: int = TURNS) -> list[Taken]:
    """The works in turn, several times: how long each took, and by how much memory grew at most."""
    taken = [[apart(partial(_measure, work)) for work in works] for _ in range(turns)]
    return [Taken(*median(of_one)) for of_one in zip(*taken, strict=True)]


def apart(work: Callable[[], T]) -> T:
    """What the work gives, done in a process of its own."""
    from django.db import connections

    connections.close_all()
    here, there = FORK.Pipe(duplex=False)
    process = FORK.Process(target=_tell, args=(work, there))
    process.start()
    there.close()
    found: T = here.recv()
    process.join()
    return found


def _tell(work: Callable[[], object], to: Connection) -> None:
    to.send(work())


def _measure(work: Callable[[], object]) -> tuple[float, float]:
    before, began = _peak(), time.perf_counter()
    work()
    return time.perf_counter() - began, (_peak() - before) / 1e6


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MAXRSS
