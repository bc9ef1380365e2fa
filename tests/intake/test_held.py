"""Who brings a photo holds its claim, for as long as a storage that hangs lets it wait."""

import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection

from photoproc.addresses import storage_address
from processing import ledger, network
from processing.intake import addresses, bring, fetch, found, photos
from processing.models import Status, Upload
from processing.worker import Keeper
from tests import make
from tests.bucket import Bucket, Fault, proxy
from tests.conftest import picture
from tests.intake.packing import PHOTO, packed
from tests.intake.test_found import sent
from tests.make import PLAIN
from tests.misbehaving import Misbehaving

LEASE, HANGS = 5, 6.0  # seconds: a machine that is at much other work must not lose a lease by it


class Worker(threading.Thread):
    """One of `io`, as far as it works and holds; its keeper is asked to look by the test."""

    def __init__(self, work: Callable[[Keeper], None]) -> None:
        super().__init__(daemon=True)
        self.keeper, self.work = Keeper(), work
        self.start()

    def run(self) -> None:
        with closing(connection), self.keeper.timing():
            self.work(self.keeper)


@pytest.mark.django_db(transaction=True)
def test_a_storage_that_hangs_for_longer_than_a_lease_costs_no_attempt(
    alice: User, bucket: Bucket, settings: Any, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    server = Misbehaving()
    request.addfinalizer(server.stop)
    settings.FETCH_ALLOW = server.allow
    make.products(alice, [[server.address("/photos/1.jpg")], [server.address("/photos/2.jpg")]])
    zipped = photos.accept(alice, [SimpleUploadedFile("spring.zip", packed({"a.jpg": PHOTO}))], PLAIN).job
    lying = addresses.accept_keys(alice, [sent(alice, picture(90, 70))], PLAIN).job
    assert zipped and lying  # noqa: PT018
    settings.LEASE, settings.HEARTBEAT = LEASE, 0.1
    monkeypatch.setattr(network, "TICK", 0.1)
    with proxy(bucket) as before:
        settings.STORAGE = storage_address(before.url)
        before.method, before.always = "PUT", Fault(delay=HANGS)
        archive_id, job_id = zipped.archives.get().pk, lying.pk
        workers = [
            Worker(lambda keeper: bring.bring_archive(archive_id, holding=keeper.holding)),
            Worker(lambda keeper: found.bring_found(job_id, holding=keeper.holding)),
            Worker(lambda keeper: fetch.fetch_photos(renewing=keeper.renewing)),
        ]
        lost = 0
        while any(worker.is_alive() for worker in workers):
            for worker in workers:
                worker.keeper.look()
            lost += ledger.sweep()
            time.sleep(0.05)
    assert (lost, sum(asked.startswith("PUT") for asked in before.seen)) == (0, 4)
    assert set(Upload.objects.values_list("status", "attempts")) == {(Status.QUEUED, 0)}
