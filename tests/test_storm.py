"""Workers, acts, cancels, retries, redos, small pictures and the dispatcher, all at once on the same photos: nobody
waits in a circle, and no photo is lost. (SQLite has one writer at a time, and so no circles.)"""

import os
import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections
from django.db.models import QuerySet

from processing import breaker, bulk, ledger, query, storage, variants, verdicts
from processing.dispatch import Dispatcher
from processing.errors import ClaimLost, PhotoError
from processing.ledger.rows import note
from processing.models import Status, Upload, Variant
from processing.models.jobs import ACTIVE
from tests import make

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="one writer at a time"),
]
SECONDS = float(os.environ.get("PHOTO_TEST_STORM", "3"))
JOBS, PHOTOS = 4, 12
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
FILE = variants.File("result", storage.Stored("none", 1, "0" * 64), "jpg", 80, 60)


def some() -> "QuerySet[Upload]":
    """A handful, of whichever jobs."""
    pks = list(Upload.objects.values_list("pk", flat=True))
    return Upload.objects.filter(pk__in=random.sample(pks, 8))


def work() -> None:
    """An attempt that is finished, fails, or is left by its worker."""
    for pk in ledger.waiting(Status.QUEUED).order_by("?").values_list("pk", flat=True)[:3]:
        if claim := ledger.claim(pk):
            try:
                ledger.step(claim, "reading", 0, 2)
                end = random.choice(["finish", "finish", "fail", "again", "leave"])
                if end == "finish":
                    ledger.finish(claim, [FILE, *([] if random.random() < 0.5 else [small()])], {"recipe": {}})
                elif end != "leave":
                    ledger.fail(claim, PhotoError({"fail": "unknown_foreground", "again": "out_of_memory"}[end]))
            except ClaimLost:
                pass


def small() -> variants.File:
    return variants.File("thumbnail", FILE.stored, "jpg", 80, 60)


def make_small() -> None:
    for pk in variants.due().order_by("?").values_list("pk", flat=True)[:3]:
        if variant := variants.claim(pk):
            variants.made(variant, variants.File(variant.name, FILE.stored, "jpg", 80, 60))


def take_back() -> None:
    random.choice([verdicts.accept, verdicts.undo, verdicts.keep_original])(some())


def test_all_at_once_end_and_no_photo_is_lost(alice: User, bob: User, olga: User) -> None:
    make.endpoint(alice, "https://shop.example.com/told")
    for number in range(JOBS):
        make.job(alice if number % 2 else bob, PHOTOS)

    def sweep() -> None:
        note(some().filter(claim__isnull=False), lease_until=LONG_AGO)
        ledger.sweep()

    def act() -> None:
        try:
            bulk.start(olga, random.choice(["retry", "cancel"]), query.read(""))
        except PhotoError:
            return  # nothing to do
        for pk in bulk.due():
            bulk.run(pk)

    def park() -> None:
        breaker.trip(breaker.STORAGE, olga)
        Dispatcher().tend_breakers()
        breaker.reset(breaker.STORAGE)
        Dispatcher().tend_breakers()

    acts: list[Callable[[], object]] = [
        work, work, work, make_small, take_back, Dispatcher().turn, sweep, act, act, park,
        lambda: ledger.cancel(some()), lambda: ledger.retry(some()),
    ]  # fmt: skip
    assert storm(acts) == []
    settle()
    assert Upload.objects.filter(status=Status.COMPLETED).count() == JOBS * PHOTOS
    assert Variant.objects.filter(name="result", status=Variant.Status.COMPLETED).count() == JOBS * PHOTOS


def storm(acts: list[Callable[[], object]]) -> list[str]:
    """What went wrong while all of these were done over and over, each in a thread of its own."""
    wrong: list[str] = []
    until = time.monotonic() + SECONDS

    def repeat(act: Callable[[], object]) -> None:
        try:
            while time.monotonic() < until and not wrong:
                act()
        except Exception as error:
            wrong.append(repr(error))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=repeat, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return wrong


def settle() -> None:
    """Whatever became of them, all are retried and finished."""
    Upload.objects.filter(claim__isnull=False).update(lease_until=LONG_AGO)
    ledger.sweep()
    ledger.release(breaker.STORAGE)
    ledger.retry(Upload.objects.all())
    Upload.objects.update(not_before=None)
    for pk in Upload.objects.filter(status__in=ACTIVE).values_list("pk", flat=True):
        claim = ledger.claim(pk)
        assert claim, Upload.objects.filter(pk=pk).values()
        ledger.finish(claim, [FILE], {"recipe": {}})
