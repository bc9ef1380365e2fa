"""What a worker or a dispatcher finds where it starts, a line each. For what does not answer it waits."""

import logging
import shutil
import signal
import sys
import time
from collections.abc import Callable

import redis
from django.conf import settings
from django.core.management import CommandError
from django.db import DatabaseError, close_old_connections

from processing import accelerator, catalogue, crew, public, queue, reach, schema, show, trial

log = logging.getLogger(__name__)
log.setLevel(logging.INFO)  # what it found is told whatever LOG_LEVEL says

MEASURES = "It tries out what is fastest on it, once"
PAUSE, AGAIN = 1.0, 30.0  # seconds between two looks, and between two lines that say the same


def arrive(*, works: bool, on_photos: bool = False) -> None:
    """Until all that is needed answers. Raises CommandError on a database of a newer version, or where the files of
    the house lie elsewhere."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    log.info("photoproc %s starts on %s", settings.VERSION, crew.HOST)
    _wait("database", reach.database)
    _wait("redis", reach.redis)
    _wait("schema", _schema)
    if works:
        _wait("address", public.learn_url)
        _wait("storage", reach.storage)
        _scratch()
    if on_photos:
        _models()
    _clocks()


def _wait(what: str, look: Callable[[], str]) -> None:
    told = float("-inf")
    while True:
        try:
            log.info("%s: %s", what, look())
            return
        except reach.Elsewhere as elsewhere:
            raise CommandError(str(elsewhere)) from None
        except (reach.Away, DatabaseError) as away:
            close_old_connections()
            if time.monotonic() > told + AGAIN:
                told = time.monotonic()
                log.warning("%s: %s It is waited for.", what, " ".join(str(away).split()))
        time.sleep(PAUSE)


def _schema() -> str:
    schema.settled()
    schema.check_age()
    return "it has all migrations"


def _scratch() -> None:
    log.info("scratch: %s free in %s", show.size(shutil.disk_usage(settings.TMP_DIR).free), settings.TMP_DIR)


def _models() -> None:
    here = catalogue.installed()
    names = ", ".join(here) or f"none in {catalogue.home()}: manage.py fetch_weights {catalogue.FALLBACK}"
    log.log(logging.INFO if here else logging.WARNING, "weights: %s", names)
    if here:
        _measure(catalogue.best_installed())
    known = accelerator.known()
    for name in here:
        if name not in known:
            log.info("model: what %s runs on is measured when it is first used", name)
            continue
        took = ", ".join(f"{tried} {seconds:.2f} s" for tried, seconds in accelerator.seconds(name).items())
        log.info("model: %s runs on %s%s", name, known[name].label, f" (on one core: {took})" if took else "")
    rates = ", ".join(f"with {size} {rate:.1f}" for size, rate in trial.rates().items())
    tried = f" (photos/s: {rates})" if rates else ""
    log.info("cores: %s; workers: %s%s", settings.CORES, crew.usual(queue.PHOTOS), tried)


def _measure(model: str) -> None:
    """What a pool must know before it begins."""
    accelerator.renew()
    if model not in accelerator.known():
        crew.tell(queue.PHOTOS, 0, MEASURES)
        log.info("measuring what %s runs on best, once: a few seconds, a minute or two with a large model", model)
        accelerator.chosen(model)
    if trial.is_due():
        crew.tell(queue.PHOTOS, 0, MEASURES)
        log.info("measuring how many workers are best, once: a few seconds, %.0f at most", trial.PATIENCE)
        trial.settle()


def _clocks() -> None:
    try:
        for agrees, said in reach.clocks():
            log.log(logging.INFO if agrees else logging.WARNING, "clock: %s", said)
    except (redis.RedisError, DatabaseError) as error:
        log.warning("clock: not compared: %s", error)
