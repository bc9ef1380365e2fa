"""Who is fed next, and what happens when Redis forgets."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import django_rq
import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from processing import crew, ledger, outbox, pauses, queue
from processing.dispatch import Dispatcher
from processing.models import Archive, Lease, Status, Upload, lease
from processing.turns import PER_WORKER, Waiting
from tests import make


@pytest.fixture(autouse=True)
def empty_redis(redis_process: None) -> Iterator[None]:
    yield
    queue.connection().flushdb()


@pytest.fixture
def dispatcher(monkeypatch: pytest.MonkeyPatch) -> Dispatcher:
    made = Dispatcher()
    made.has_spare = True
    monkeypatch.setattr(made, "count_workers", lambda: 2)
    return made


def in_redis() -> list[int]:
    """In the order in which a worker takes them."""
    return [job.args[0] for name in (queue.SOON, queue.PHOTOS) for job in django_rq.get_queue(name).get_jobs()]


def owners(ids: list[int]) -> list[str]:
    names = dict(Upload.objects.values_list("pk", "job__owner__username"))
    return [names[pk] for pk in ids]


def test_redis_holds_only_a_few_nudges_per_worker(alice: User, dispatcher: Dispatcher) -> None:
    make.job(alice, 40)
    for _ in range(3):
        dispatcher.turn()
    assert len(in_redis()) == 2 * PER_WORKER
    assert Upload.objects.filter(nudged_at__isnull=False).count() == 2 * PER_WORKER


def test_a_claimed_photo_makes_room_for_the_next(alice: User, dispatcher: Dispatcher) -> None:
    make.job(alice, 40)
    dispatcher.turn()
    job = django_rq.get_queue(queue.PHOTOS).get_jobs()[0]
    ledger.claim(job.args[0])
    job.delete()
    dispatcher.turn()
    assert len(in_redis()) == 2 * PER_WORKER


def test_people_are_served_in_turn(alice: User, bob: User, dispatcher: Dispatcher) -> None:
    make.job(alice, 30)
    make.job(bob, 30)
    dispatcher.turn()
    assert sorted(owners(in_redis())) == ["alice"] * PER_WORKER + ["bob"] * PER_WORKER


def test_a_lone_photo_goes_before_another_persons_many(alice: User, bob: User, dispatcher: Dispatcher) -> None:
    make.job(alice, 1000)
    dispatcher.turn()
    make.job(bob, 1)
    ledger.claim(in_redis()[0])
    dispatcher.turn()
    assert owners(in_redis())[0] == "bob"


def test_a_lone_photo_waits_for_a_worker_and_not_for_a_place(alice: User, bob: User, dispatcher: Dispatcher) -> None:
    make.job(alice, 1000)
    dispatcher.turn()
    make.job(bob, 1)
    dispatcher.turn()
    assert owners(in_redis()) == ["bob"] + ["alice"] * 2 * PER_WORKER


def test_where_no_spare_worker_is_at_work_a_lone_photo_waits_for_a_place(
    alice: User, bob: User, dispatcher: Dispatcher
) -> None:
    dispatcher.has_spare = False
    make.job(alice, 1000)
    dispatcher.turn()
    make.job(bob, 1)
    dispatcher.turn()
    assert owners(in_redis()) == ["alice"] * 2 * PER_WORKER


def test_what_a_spare_worker_left_behind_is_sent_to_the_others(alice: User, dispatcher: Dispatcher) -> None:
    upload = make.upload(alice)
    dispatcher.turn()
    assert django_rq.get_queue(queue.SOON).count == 1
    dispatcher.has_spare = False
    Upload.objects.update(nudged_at=timezone.now() - timedelta(seconds=5))
    dispatcher.turn()
    assert [job.args[0] for job in django_rq.get_queue(queue.PHOTOS).get_jobs()] == [upload.pk]


@pytest.mark.parametrize("name", [queue.SOON, queue.PHOTOS])
def test_a_spare_worker_is_known_by_its_sign(name: str) -> None:
    crew.say(crew.Sign("w1", name, "shop", 4711, timezone.now(), photos=0, memory=0, upload_id=None))
    dispatcher = Dispatcher()
    assert dispatcher.count_workers() == 1
    assert dispatcher.has_spare is (name == queue.SOON)


def test_a_lone_photo_takes_no_place_of_the_others(alice: User, bob: User, dispatcher: Dispatcher) -> None:
    make.job(alice, 1000)
    make.job(bob, 1)
    dispatcher.turn()
    assert owners(in_redis()) == ["bob"] + ["alice"] * 2 * PER_WORKER


def test_a_photo_of_a_small_job_is_not_overtaken_by_later_ones(alice: User, dispatcher: Dispatcher) -> None:
    dispatcher.has_spare = False
    jobs = []
    for _ in range(2 * PER_WORKER):
        jobs.append(make.job(alice, 1))
        dispatcher.turn()
    assert in_redis() == [job.uploads.get().pk for job in jobs]


def test_a_stream_of_lone_photos_does_not_hold_up_the_others(alice: User, bob: User, dispatcher: Dispatcher) -> None:
    make.job(alice, 1000)
    dispatcher.turn()
    for _ in range(3):
        make.job(bob, 1)
        dispatcher.turn()
    assert owners(in_redis()).count("bob") == 1


def test_the_last_photos_of_a_large_job_are_no_small_job(alice: User, bob: User, dispatcher: Dispatcher) -> None:
    large = make.job(alice, 20)
    large.uploads.filter(position__gte=3).update(status="completed")
    assert dispatcher.waiting() == [Waiting(large.pk, alice.pk, 3, is_small=False)]


def test_the_zips_of_one_person_do_not_hold_up_anothers(alice: User, bob: User, dispatcher: Dispatcher) -> None:
    many = [zipped(alice).pk for _ in range(30)]
    lone = zipped(bob).pk
    assert set(dispatcher.archives()) == {many[0], lone}


def test_thumbnails_are_made_of_each_job_in_turn(alice: User, bob: User, dispatcher: Dispatcher) -> None:
    make.job(alice, 300)
    lone = make.job(bob, 1)
    assert lone.uploads.get().variants.get().pk in dispatcher.thumbnails()


def test_a_photo_that_backs_off_waits(alice: User, dispatcher: Dispatcher) -> None:
    make.upload(alice, not_before=timezone.now() + timedelta(seconds=60))
    dispatcher.turn()
    assert in_redis() == []


def test_photos_of_a_deleted_job_are_not_fed(alice: User, dispatcher: Dispatcher) -> None:
    make.job(alice, 3, deleted_at=timezone.now())
    dispatcher.turn()
    assert in_redis() == []


def test_nudges_that_redis_lost_are_sent_again(alice: User, dispatcher: Dispatcher) -> None:
    make.job(alice, 4)
    dispatcher.turn()
    queue.connection().flushdb()
    dispatcher.turn()
    assert in_redis() == []  # perhaps they are being taken just now
    Upload.objects.update(nudged_at=timezone.now() - timedelta(seconds=5))
    dispatcher.turn()
    assert len(in_redis()) == 4


def test_what_dead_workers_held_is_fed_again(alice: User, dispatcher: Dispatcher) -> None:
    upload = make.upload(alice)
    ledger.claim(upload.pk)
    Upload.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    dispatcher.turn()
    assert in_redis() == [upload.pk]


def test_a_second_dispatcher_waits_until_the_first_is_gone(db: None, settings: Any) -> None:
    first, second = Dispatcher(), Dispatcher()
    second.holder = "another"
    assert [first.hold(), second.hold(), first.hold()] == [True, False, True]
    Lease.objects.update(until=timezone.now() - timedelta(seconds=1))
    assert [second.hold(), first.hold()] == [True, False]


def test_thumbnails_are_sent_to_the_light_workers(alice: User, dispatcher: Dispatcher) -> None:
    make.job(alice, 2)
    dispatcher.turn()
    jobs = django_rq.get_queue(queue.IO).get_jobs()
    assert [job.func_name for job in jobs] == [queue.MAKE_THUMBNAIL] * 2


def light_work() -> list[str]:
    return [job.func_name for job in django_rq.get_queue(queue.IO).get_jobs()]


def test_one_nudge_is_for_all_that_is_to_be_fetched(alice: User, bob: User, dispatcher: Dispatcher) -> None:
    make.products(alice, 30)
    make.products(bob, 3)
    dispatcher.turn()
    assert light_work() == [queue.FETCH_PHOTOS]


def test_nothing_is_fetched_twice_at_a_time(alice: User, dispatcher: Dispatcher) -> None:
    make.products(alice, 3)
    assert lease.hold(lease.FETCHING, "a session", 20)
    dispatcher.turn()
    assert light_work() == []


def test_nothing_is_told_while_somebody_is_at_it(alice: User, dispatcher: Dispatcher) -> None:
    outbox.example(make.endpoint(alice, "https://example.com/told"))
    assert lease.hold(lease.DELIVERING, "a session", 20)
    dispatcher.turn()
    assert light_work() == []


def test_what_is_to_be_fetched_later_is_not_fetched_now(alice: User, dispatcher: Dispatcher) -> None:
    make.products(alice, 3).uploads.update(not_before=timezone.now() + timedelta(seconds=60))
    make.products(alice, 3, deleted_at=timezone.now())
    dispatcher.turn()
    assert light_work() == []


def test_every_kind_of_light_work_gets_its_turn(alice: User, dispatcher: Dispatcher) -> None:
    make.products(alice, 3)
    make.job(alice, 2)
    outbox.example(make.endpoint(alice, "https://example.com/told"))
    dispatcher.turn()
    assert light_work() == [queue.FETCH_PHOTOS, queue.DELIVER, queue.MAKE_THUMBNAIL, queue.MAKE_THUMBNAIL]


def test_an_upload_succeeds_while_redis_is_down(alice: User, settings: Any,
                                                django_capture_on_commit_callbacks: Any) -> None:  # fmt: skip
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    with django_capture_on_commit_callbacks(execute=True):
        upload = make.upload(alice)
    assert upload.status == Status.QUEUED


# ---- what operators hold --------------------------------------------------------------------------------------------


def zipped(owner: User) -> Archive:
    job = make.job(owner, 0)
    archive = Archive.objects.create(job=job, name="a.zip", key="a", bytes=1)
    ledger.create([Upload(job=job, position=0, name="a.jpg", sent_name="a.jpg", archive=archive, entry=0)])
    return archive


def test_a_paused_queue_feeds_nothing_but_thumbnails(alice: User, dispatcher: Dispatcher) -> None:
    make.job(alice, 2)
    make.products(alice, 1)
    zipped(alice)
    pauses.pause(alice)
    dispatcher.turn()
    assert in_redis() == []
    assert light_work() == [queue.MAKE_THUMBNAIL] * 2


def test_a_nudge_that_was_sent_before_the_pause_does_nothing(alice: User, dispatcher: Dispatcher) -> None:
    make.job(alice, 1)
    dispatcher.turn()
    pauses.pause(alice)
    assert [ledger.claim(pk) for pk in in_redis()] == [None]


def test_after_a_pause_all_that_waited_is_fed(alice: User, dispatcher: Dispatcher) -> None:
    make.job(alice, 4)
    pauses.pause(alice)
    dispatcher.turn()
    pauses.resume()
    dispatcher.turn()
    assert len(in_redis()) == 4


def test_a_paused_person_holds_up_nobody(alice: User, bob: User, dispatcher: Dispatcher) -> None:
    make.job(alice, 30)
    make.job(bob, 30)
    pauses.pause(alice, owner=alice)
    dispatcher.turn()
    assert owners(in_redis()) == ["bob"] * 2 * PER_WORKER


def test_a_paused_job_holds_up_no_other_of_the_same_person(alice: User, dispatcher: Dispatcher) -> None:
    held, other = make.job(alice, 30), make.job(alice, 2)
    pauses.pause(alice, job=held)
    dispatcher.turn()
    assert set(in_redis()) == set(other.uploads.values_list("pk", flat=True))


def test_nothing_is_fetched_or_unpacked_for_who_is_paused(alice: User, bob: User, dispatcher: Dispatcher) -> None:
    fetched, archive = make.products(alice, 1).uploads.get(), zipped(alice)
    pauses.pause(alice, owner=alice)
    assert (dispatcher.fetches(), dispatcher.archives()) == ([], [])
    assert (ledger.claim_fetch(fetched.pk), ledger.claim_source(archive)) == (None, None)
    make.products(bob, 1)
    assert (dispatcher.fetches(), dispatcher.archives()) == ([0], [])
    pauses.resume(owner=alice)
    assert dispatcher.archives() == [archive.pk]
    assert ledger.claim_fetch(fetched.pk)


def test_what_was_queued_before_a_drain_goes_on_and_what_comes_later_waits(alice: User, dispatcher: Dispatcher) -> None:
    before = make.upload(alice)
    again = make.upload(alice, status=Status.FAILED)
    pauses.pause(alice, drains=True)
    make.upload(alice)
    ledger.retry(Upload.objects.filter(pk=again.pk))
    dispatcher.turn()
    assert in_redis() == [before.pk]


def test_an_address_is_fetched_and_worked_on_although_its_job_drains(alice: User) -> None:
    before = make.products(alice, 1)
    pauses.pause(alice, job=before, drains=True)
    brought = make.bring(before.uploads.get())
    assert ledger.claim(brought.pk)


def test_an_address_that_is_retried_after_a_drain_waits(alice: User) -> None:
    upload = make.products(alice, 1).uploads.get()
    Upload.objects.update(status=Status.FAILED)
    pauses.pause(alice, drains=True)
    ledger.retry(Upload.objects.all())
    assert ledger.claim_fetch(upload.pk) is None


def test_a_drain_tells_how_many_are_still_to_go(alice: User, bob: User) -> None:
    job = make.job(alice, 3)
    make.job(bob, 2)
    make.products(bob, 1)
    pauses.pause(alice, job=job)
    pauses.pause(alice, owner=bob, drains=True)
    pauses.pause(alice, drains=True)
    make.job(bob, 5)
    ledger.cancel(job.uploads.filter(position=0))
    assert [(one.pause.key, one.left) for one in pauses.all_ones()] == [
        ("photos", 5), (f"job-{job.pk}", None), (f"person-{bob.pk}", 3),
    ]  # fmt: skip


def test_a_drain_becomes_a_pause_and_a_pause_a_drain(alice: User, bob: User) -> None:
    make.upload(alice)
    assert [pauses.pause(alice, drains=True), pauses.pause(bob, drains=True)] == [True, False]
    assert ledger.waiting(Status.QUEUED).exists()
    assert pauses.pause(bob)
    assert not ledger.waiting(Status.QUEUED).exists()
    assert pauses.pause(alice, drains=True)
    assert ledger.waiting(Status.QUEUED).exists()


def test_what_is_worked_on_when_a_pause_begins_is_finished(alice: User, dispatcher: Dispatcher) -> None:
    upload = make.upload(alice)
    claim = ledger.claim(upload.pk)
    pauses.pause(alice)
    dispatcher.turn()
    assert claim
    ledger.finish(claim, [], {})
    upload.refresh_from_db()
    assert upload.status == Status.COMPLETED
