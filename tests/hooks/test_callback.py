"""An address that is to be told that a job has ended is judged, kept, and told once."""

import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from processing import housekeeping, ledger
from processing.errors import PhotoError
from processing.hooks import callback
from processing.models import Callback, Delivery, Job
from tests import make

URL = "https://shop.example.com/done"


@pytest.fixture
def job(alice: User) -> Job:
    return make.job(alice)


def told(job: Job) -> int:
    """How often it is, once the job ended a further time."""
    ledger.retry(job.uploads.all())
    ledger.cancel(job.uploads.all())
    return Delivery.objects.filter(callback__job=job).count()


def test_an_address_is_judged_before_it_is_kept(job: Job) -> None:
    for url, code in (("htp://x", "invalid_image_url"), ("http://127.0.0.1/", "fetch_blocked_address")):
        with pytest.raises(PhotoError) as raised:
            callback.expect(job, url)
        assert raised.value.code == code
    assert not Callback.objects.exists()


def test_an_empty_address_takes_the_callback_away(job: Job) -> None:
    callback.expect(job, URL)
    callback.expect(job, " ")
    assert not Callback.objects.exists()


def test_a_job_that_ends_again_is_not_told_again(job: Job) -> None:
    callback.expect(job, URL)
    assert [told(job), told(job)] == [1, 1]


def test_the_same_address_again_changes_nothing(job: Job) -> None:
    callback.expect(job, URL)
    told(job)
    before = Delivery.objects.get()
    callback.expect(job, f" {URL} ")
    assert told(job) == 1
    assert Delivery.objects.get() == before


def test_another_address_or_another_shape_begins_anew(job: Job) -> None:
    callback.expect(job, URL)
    told(job)
    ledger.retry(job.uploads.all())
    callback.expect(job, f"{URL}/else")
    assert not Delivery.objects.exists()
    assert told(job) == 1
    ledger.retry(job.uploads.all())
    callback.expect(job, f"{URL}/else", Callback.Shape.PRODUCT_CSV)
    assert not Delivery.objects.exists()
    assert Callback.objects.get().shape == Callback.Shape.PRODUCT_CSV


def test_one_that_was_given_up_begins_anew(job: Job) -> None:
    callback.expect(job, URL)
    told(job)
    Delivery.objects.update(given_up_at=timezone.now())
    ledger.retry(job.uploads.all())
    callback.expect(job, URL)
    assert not Delivery.objects.exists()
    assert told(job) == 1


def test_one_that_waits_although_its_job_has_ended_is_told_by_the_tidying(alice: User) -> None:
    waits = {
        "ended": make.job(alice, 0), "active": make.job(alice), "open": make.job(alice, 0, is_open=True),
        "draft": make.products(alice, 1, is_draft=True), "deleted": make.job(alice, 0, deleted_at=timezone.now()),
    }  # fmt: skip
    Callback.objects.bulk_create(Callback(job=job, url=URL) for job in waits.values())
    endpoint = make.endpoint(alice, URL)
    for _ in range(2):
        housekeeping.tidy()
    assert Delivery.objects.get().callback == waits["ended"].callback
    assert not endpoint.deliveries.exists()


def test_one_goes_with_its_job_when_that_is_removed_and_endpoints_are_told_all_the_same(job: Job) -> None:
    endpoint = make.endpoint(job.owner, URL)
    callback.expect(job, URL)
    ledger.cancel(job.uploads.all())
    Job.objects.update(deleted_at=timezone.now() - timedelta(hours=1))
    housekeeping.purge_deleted_jobs()
    assert Delivery.objects.get().endpoint == endpoint


@pytest.mark.parametrize("shape", Callback.Shape)
def test_of_a_job_that_has_ended_it_alone_is_told_at_once(shape: Callback.Shape, job: Job) -> None:
    endpoint = make.endpoint(job.owner, URL)
    ledger.cancel(job.uploads.all())
    for _ in range(2):
        callback.expect(job, URL, shape)
    own = Delivery.objects.get(callback__job=job)
    assert own.event.type == "job.cancelled"
    assert ("data" in json.loads(own.event.body)) == (shape == Callback.Shape.EVENT)
    assert endpoint.deliveries.count() == 1
    assert told(job) == 1
