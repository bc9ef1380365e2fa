"""How many workers are best on this machine: the pipeline on a bundled photo, storage included, by a few at a time."""

import logging
import os
import secrets
import signal
import time
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from typing import Any

import psutil
from django.conf import settings
from django.db import connection

from processing import accelerator, catalogue, crew, measured, storage
from processing.intake import limits
from processing.pool import STOPS, die_with
from processing.recipe import Recipe

log = logging.getLogger(__name__)

LASTS = 0.7  # seconds of a turn; a photo that was begun is finished
NOBODY = 0  # whose files these are
BETTER = 1.25  # than one worker per core: less may be chance, as of somebody who signs in meanwhile
PATIENCE = 60.0  # seconds for all of it
FORK = get_context("fork")


def is_due() -> bool:
    """Whether nobody has said or measured yet how many workers are best."""
    return not settings.WORKERS and not measured.known(crew.TRIAL, crew.trial_of())


def rates() -> dict[str, float]:
    """Photos per second by the number of workers, as far as it was tried."""
    found: dict[str, float] = (measured.known(crew.TRIAL, crew.trial_of()) or {}).get("rates", {})
    return found


def settle() -> None:
    """Find out what `crew.usual` says from now on. It takes a few seconds, and no memory, as it is done in a process
    that ends."""
    connection.close()
    job = secrets.randbelow(10**9)  # of nobody; another machine may try at the same time
    process = _forked(measured.once, crew.TRIAL, crew.trial_of(), partial(best, job))
    try:
        process.join(PATIENCE)
    finally:
        process.kill()
        process.join()
        storage.delete_job(NOBODY, job)
    if process.exitcode:
        log.warning("how many workers are best could not be tried (%s): one per core", process.exitcode)
    if process.exitcode == -signal.SIGKILL:  # time or memory ran out, as they would at each start
        measured.once(crew.TRIAL, crew.trial_of(), lambda: {"workers": settings.CORES})


def _forked(does: Callable[..., Any], *args: Any) -> ForkProcess:
    """A process that ends with this one, and at once where it is asked to."""
    process = FORK.Process(target=_alone, args=(os.getpid(), does, *args))
    process.start()
    return process


def _alone(parent: int, does: Callable[..., Any], *args: Any) -> None:
    for number in STOPS:
        signal.signal(number, signal.SIG_DFL)
    die_with(parent)
    does(*args)


def best(job: int) -> measured.Found:
    """`workers`, and the photos per second of each number that was tried (`rates`). It leaves files of the job behind.
    Raises RuntimeError where the photo cannot be made, and PhotoError where it cannot be stored."""
    os.environ["OMP_NUM_THREADS"] = "1"  # of numpy, which counts when it is imported
    from processing.pipeline import run  # noqa: F401  # once, for all that are forked

    key = storage.new_key(NOBODY, job, "originals", "jpg")
    storage.write(key, [accelerator.PHOTO.read_bytes()])
    rates: dict[int, float] = {}
    memory = 0  # of the largest worker
    for size in sizes(settings.CORES):
        if all(rates.values()) and size * memory < psutil.virtual_memory().available:
            rates[size], memory = _turn(size, job, key)
    usual = min(settings.CORES, max(rates))  # fewer where not all have room
    first = max(rates, key=lambda size: rates[size])
    if not rates[first]:
        raise RuntimeError("no photo was made")
    return {"workers": first if rates[first] > BETTER * rates[usual] else usual, "rates": rates}


def sizes(cores: int) -> list[int]:
    """Fewer workers with two threads each, one per core, and one more, who works while others read and write."""
    return sorted({max(1, cores // 2), cores, cores + 1})


def _turn(size: int, job: int, key: str) -> tuple[float, int]:
    """So many workers at once: their photos per second in all, 0 where one was lost, and the bytes in memory of the
    largest."""
    from processing.pipeline import run

    threads = crew.threads(size)
    if threads == 1:
        run.warm(catalogue.best_installed())
    workers = [_begun(threads, job, key) for _ in range(size)]
    ready = [worker for worker in workers if _told(worker)]  # each has made a photo
    for worker in ready:
        worker.send("go")
    told = [_told(worker) or (0.0, 0) for worker in workers]
    rates = [rate for rate, _ in told]
    return sum(rates) if all(rates) else 0.0, max(memory for _, memory in told)


def _begun(threads: int, job: int, key: str) -> Connection:
    ours, its = FORK.Pipe()
    _forked(_work, its, threads, job, key)
    its.close()  # so that it is heard when the worker ends
    return ours


def _told(worker: Connection) -> Any:
    """None where it has ended."""
    try:
        return worker.recv()
    except (EOFError, OSError):
        return None


def _work(turn: Connection, threads: int, job: int, key: str) -> None:
    """In a worker: photos for a while, from when all have made one; it says how many per second, and its memory."""
    from processing.pipeline import run

    run.use_threads(threads)
    _make(job, key)
    turn.send("ready")
    turn.recv()
    began, photos = time.monotonic(), 0
    while not photos or time.monotonic() - began < LASTS:
        _make(job, key)
        photos += 1
    turn.send((photos / (time.monotonic() - began), psutil.Process().memory_info().rss))


def _make(job: int, key: str) -> None:
    """As a worker does with a photo, but for the rows."""
    from processing.pipeline.run import run

    outcome = run(storage.read(key), Recipe(model=catalogue.best_installed()), limits=limits.house())
    for made in outcome.files:
        storage.write(storage.new_key(NOBODY, job, "results", made.format), [made.data])
