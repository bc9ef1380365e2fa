"""How many workers are best on this machine: the pipeline on a bundled photo, storage included, by a few at a time."""

import logging
import os
import secrets
import time
from multiprocessing import get_context
from multiprocessing.queues import SimpleQueue
from threading import Barrier

import psutil
from django.conf import settings
from django.db import connection

from processing import accelerator, catalogue, crew, measured, storage
from processing.intake import limits
from processing.recipe import Recipe

log = logging.getLogger(__name__)

PHOTO = accelerator.ROOT / "examples" / "cup.jpg"
LASTS = 1.5  # seconds of a turn; a photo that was begun is finished
NOBODY = 0  # whose files these are
BETTER = 1.1  # than one worker per core: less may be chance
PATIENCE = 120.0  # seconds for all of it
FORK = get_context("fork")


def settle() -> None:
    """Find out what `crew.usual` says from now on, where nobody has said it or measured it. It takes a few seconds, and
    no memory, as it is done in a process that ends."""
    if settings.WORKERS or measured.known(crew.TRIAL, crew.trial_of()):
        return
    connection.close()
    process = FORK.Process(target=measured.once, args=(crew.TRIAL, crew.trial_of(), best))
    process.start()
    try:
        process.join(PATIENCE)
    finally:
        process.terminate()
    if process.exitcode:
        log.warning("how many workers are best could not be tried: one per core")


def best() -> measured.Found:
    """`workers`, and the photos per second of each number that was tried (`rates`). Raises RuntimeError where the
    photo cannot be made, and PhotoError where it cannot be stored."""
    os.environ["OMP_NUM_THREADS"] = "1"  # of numpy, which counts when it is imported
    from processing.pipeline import run  # noqa: F401  # once, for all that are forked

    job = secrets.randbelow(10**9)  # of nobody; another machine may try at the same time
    key = storage.new_key(NOBODY, job, "originals", "jpg")
    storage.write(key, [PHOTO.read_bytes()])
    rates: dict[int, float] = {}
    memory = 0  # of the largest worker
    try:
        for size in sizes(settings.CORES):
            if size * memory < psutil.virtual_memory().available:
                rates[size], memory = _turn(size, job, key)
    finally:
        storage.delete_job(NOBODY, job)
    usual = min(settings.CORES, max(rates))  # fewer where not all have room
    if not rates[usual]:
        raise RuntimeError("no photo was made")
    first = max(rates, key=lambda size: rates[size])
    return {"workers": first if rates[first] > BETTER * rates[usual] else usual, "rates": rates}


def sizes(cores: int) -> list[int]:
    """Fewer workers with two threads each, one per core, and one more, who works while others read and write."""
    return sorted({max(1, cores // 2), cores, cores + 1})


def _turn(size: int, job: int, key: str) -> tuple[float, int]:
    """So many workers at once: their photos per second in all, and the bytes in memory of the largest."""
    from processing.pipeline import run

    threads = crew.threads(size)
    if threads == 1:
        run.warm(catalogue.best_installed())
    begin, said = FORK.Barrier(size), FORK.SimpleQueue()
    workers = [FORK.Process(target=_work, args=(threads, job, key, begin, said), daemon=True) for _ in range(size)]
    for worker in workers:
        worker.start()
    told = [said.get() for _ in workers]
    for worker in workers:
        worker.join()
    return sum(rate for rate, _ in told), max(memory for _, memory in told)


def _work(threads: int, job: int, key: str, begin: Barrier, said: "SimpleQueue[tuple[float, int]]") -> None:
    """In a worker: photos for a while, from when all have made one; it says how many per second, and its memory."""
    from processing.pipeline import run

    rate, photos = 0.0, 0
    try:
        run.use_threads(threads)
        _make(job, key)
        begin.wait()
        began = time.monotonic()
        while not photos or time.monotonic() - began < LASTS:
            _make(job, key)
            photos += 1
        rate = photos / (time.monotonic() - began)
    except Exception:
        log.exception("a worker of the trial ended")
        begin.abort()  # or the others would wait for it
    finally:
        said.put((rate, psutil.Process().memory_info().rss))


def _make(job: int, key: str) -> None:
    """As a worker does with a photo, but for the rows."""
    from processing.pipeline.run import run

    outcome = run(storage.read(key), Recipe(model=catalogue.best_installed()), limits=limits.house())
    for made in outcome.files:
        storage.write(storage.new_key(NOBODY, job, "results", made.format), [made.data])
