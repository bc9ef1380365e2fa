"""What operators do to photos by the handful: counted before, done once, stopped, written down."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from processing import announce, bulk, ledger, query
from processing.errors import ClaimLost, PhotoError
from processing.models import BulkAct, Event, EventType, Job, ProductRow, Status, Upload, Variant
from processing.storage import disk
from tests import make
from tests.delivery import made

FAILED = query.read("state:failed")


@pytest.fixture(autouse=True)
def two_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "HANDFUL", 2)


def failed(owner: User, photos: int = 1, **values: Any) -> "Job":
    """A job whose photos failed just now."""
    job = make.job(owner, photos)
    job.uploads.update(**{"status": Status.FAILED, "error_code": "timeout", "finished_at": timezone.now(), **values})
    return job


def states(job: Job) -> list[str]:
    return list(job.uploads.order_by("position").values_list("status", flat=True))


def log() -> list[tuple[str, str]]:
    return list(LogEntry.objects.order_by("pk").values_list("user__username", "change_message"))


# ---- the preview ----------------------------------------------------------------------------------------------------


def test_it_counts_what_a_retry_would_do_and_whose_it_is(alice: User, bob: User) -> None:
    failed(alice)
    failed(bob, 3)
    failed(bob, status=Status.CANCELLED)
    failed(bob, 2, status=Status.COMPLETED)
    seen = bulk.preview("retry", query.read("").rows())
    assert (seen.matched, seen.count, seen.left_out, seen.owners) == (7, 5, 2, [("bob", 4), ("alice", 1)])
    assert bulk.preview("retry", FAILED.rows()).matched == 4


def test_those_of_deleted_jobs_are_not_there(alice: User) -> None:
    failed(alice)
    Job.objects.filter(pk=failed(alice, 2).pk).update(deleted_at=timezone.now())
    seen = bulk.preview("retry", FAILED.rows())
    assert (seen.matched, seen.left_out, seen.owners) == (1, 0, [("alice", 1)])


def test_a_delete_leaves_out_what_a_product_csv_needs(alice: User) -> None:
    failed(alice)
    make.products(alice, 2)
    seen = bulk.preview("delete", query.read("owner:alice").rows())
    assert (seen.matched, seen.left_out, seen.owners) == (3, 2, [("alice", 1)])


def test_the_time_that_a_retry_takes_is_told_by_today_s_pace(alice: User, settings: Any) -> None:
    settings.WORKERS = 2
    failed(alice, 60)
    assert bulk.preview("retry", FAILED.rows()).minutes is None
    at = timezone.now()
    failed(alice, 2, status=Status.COMPLETED, started_at=at - timedelta(seconds=4), finished_at=at)
    assert bulk.preview("retry", FAILED.rows()).minutes == pytest.approx((0.85 * 2, 1.3 * 2))
    assert bulk.preview("delete", FAILED.rows()).minutes is None


def test_a_preview_takes_as_many_queries_for_many_as_for_one(
    alice: User, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    for _ in range(4):
        failed(alice, 3)
    with django_assert_max_num_queries(4):
        bulk.preview("retry", FAILED.rows())


# ---- now ------------------------------------------------------------------------------------------------------------


def test_some_are_retried_now_and_the_log_says_which(alice: User, olga: User) -> None:
    job = failed(alice, 3)
    first, second, _ = job.uploads.order_by("position")
    assert bulk.at_once(olga, "retry", job.uploads.filter(pk__in=[first.pk, second.pk])) == 2
    assert states(job) == ["queued", "queued", "failed"]
    assert log() == [("olga", f"Retried #{first.pk}, #{second.pk} (2 photos)")]


def test_what_changes_nothing_is_not_written_down(alice: User, olga: User) -> None:
    job = make.job(alice)
    assert bulk.at_once(olga, "retry", job.uploads.all()) == 0
    assert not log()


def test_few_are_done_soon_and_many_in_the_background(alice: User, olga: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "FEW", 2)
    job = failed(alice, 2)
    assert bulk.soon(olga, "retry", FAILED) == (2, None)
    assert states(job) == ["queued", "queued"]
    failed(alice, 3)
    count, act = bulk.soon(olga, "retry", FAILED)
    assert act
    assert (count, act.matched, act.done, bulk.due()) == (3, 3, 0, [act.pk])


@pytest.mark.parametrize("verb", bulk.VERBS)
def test_each_needs_its_permission(verb: str, alice: User, otto: User) -> None:
    job = failed(alice)
    act = BulkAct.objects.create(verb=verb, query="state:failed", matched=1)
    for attempt in (
        lambda: bulk.at_once(otto, verb, job.uploads.all()), lambda: bulk.start(otto, verb, FAILED),
        lambda: bulk.soon(otto, verb, FAILED), lambda: bulk.stop(otto, act),
        lambda: bulk.download(otto, job.uploads.all()),
    ):  # fmt: skip
        with pytest.raises(PhotoError, match="not_permitted"):
            attempt()
    act.refresh_from_db()
    assert (states(job), act.ended_at, log()) == (["failed"], None, [])


# ---- in the background ----------------------------------------------------------------------------------------------


def test_all_that_match_are_retried_and_it_is_written_down(alice: User, bob: User, olga: User) -> None:
    jobs = failed(alice, 3), failed(bob, 2)
    other = failed(bob, error_code="no_face_found")
    act = bulk.start(olga, "retry", query.read("error:timeout"))
    assert (act.matched, bulk.due()) == (5, [act.pk])
    bulk.run(act.pk)
    act.refresh_from_db()
    assert {state for job in jobs for state in states(job)} == {"queued"}
    assert (states(other), act.done, bulk.due()) == (["failed"], 5, [])
    assert act.ended_at
    said = [("olga", "Began the act retry error:timeout (5 photos)"), ("olga", "Retried error:timeout (5 photos)")]
    assert log() == said


def test_what_fails_meanwhile_is_not_swept_in(alice: User, olga: User) -> None:
    job, working = failed(alice, 5), make.job(alice, 2)
    act = bulk.start(olga, "retry", FAILED)
    bulk.run(act.pk, stopping=stops_after(1))
    for upload in [*job.uploads.filter(status=Status.QUEUED), *working.uploads.all()]:  # retried ones, and new ones
        claim = ledger.claim(upload.pk)
        assert claim
        ledger.fail(claim, PhotoError("no_face_found"))
    BulkAct.objects.filter(pk=act.pk).update(cursor=0)  # even if it looked at them again
    bulk.run(act.pk)
    act.refresh_from_db()
    assert states(job) == ["failed", "failed", "queued", "queued", "queued"]
    assert (states(working), act.done, act.matched) == (["failed", "failed"], 5, 5)


def stops_after(handfuls: int) -> Callable[[], bool]:
    left = iter([False] * handfuls)
    return lambda: next(left, True)


def test_what_is_queued_meanwhile_is_not_cancelled(alice: User, olga: User) -> None:
    job = make.job(alice, 2)
    act = bulk.start(olga, "cancel", query.read("owner:alice"))
    later = make.job(alice)
    bulk.run(act.pk)
    assert (states(job), states(later)) == (["cancelled", "cancelled"], ["queued"])


def test_an_act_goes_on_where_it_was(alice: User, olga: User) -> None:
    job = failed(alice, 3)
    act = bulk.start(olga, "retry", FAILED)
    bulk.run(act.pk, stopping=stops_after(1))
    act.refresh_from_db()
    assert (act.done, act.ended_at, states(job)) == (2, None, ["queued", "queued", "failed"])
    bulk.run(act.pk)
    act.refresh_from_db()
    assert (act.done, states(job)) == (3, ["queued"] * 3)


def test_a_worker_that_dies_leaves_nothing_half_done(alice: User, olga: User, monkeypatch: pytest.MonkeyPatch) -> None:
    job = failed(alice, 3)
    act = bulk.start(olga, "retry", FAILED)

    def dies(uploads: Any) -> int:
        ledger.retry(uploads)
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setitem(bulk.VERBS, "retry", bulk.Verb(dies, bulk.VERBS["retry"].among))
        with pytest.raises(SystemExit):
            bulk.run(act.pk)
    act.refresh_from_db()
    assert (act.cursor, act.done, states(job)) == (0, 0, ["failed"] * 3)
    bulk.run(act.pk)
    act.refresh_from_db()
    assert (act.done, states(job)) == (3, ["queued"] * 3)


def test_of_what_another_act_did_meanwhile_the_log_says_that_it_did_not_match(alice: User, olga: User) -> None:
    failed(alice, 3)
    first, second = (bulk.start(olga, "retry", FAILED) for _ in range(2))
    bulk.run(first.pk)
    bulk.run(second.pk)
    retried = [text for _, text in log() if text.startswith("Retried")]
    assert retried == [
        "Retried state:failed (3 photos)",
        "Retried state:failed (0 of 3 photos; the others did not match any more)",
    ]


@pytest.mark.django_db(transaction=True)
def test_two_operators_and_two_workers_of_each_do_every_photo_once(alice: User, olga: User) -> None:
    kim = User.objects.create_superuser("kim", is_staff=True)
    job = failed(alice, 13)
    acts = [bulk.start(person, "retry", FAILED) for person in (olga, kim)]
    done = []

    def work(act: BulkAct) -> None:
        try:
            bulk.run(act.pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=[act]) for act in acts for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for act in acts:
        bulk.run(act.pk)  # where all of its workers met another and stopped
        act.refresh_from_db()
        done.append(act.done)
        assert act.ended_at
    assert (sum(done), set(states(job))) == (13, {"queued"})
    assert len(log()) == 4


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """What moves time on, by so many `seconds` or `minutes`."""
    real, moved = timezone.now, [timedelta(0)]
    monkeypatch.setattr(timezone, "now", lambda: real() + moved[0])
    return lambda **passed: moved.append(moved.pop() + timedelta(**passed))


def test_it_keeps_to_its_rate_and_what_it_missed_is_not_made_up_for(
    alice: User, olga: User, clock: Callable[..., None]
) -> None:
    job = failed(alice, 40)
    act = bulk.start(olga, "retry", FAILED, per_minute=4)
    counts = []
    for seconds in (16, 1, 15, 30, 900, 1, 16):  # at 900 no worker was there for a while
        clock(seconds=seconds)
        assert bool(bulk.due()) == (seconds > 1)
        bulk.run(act.pk)
        counts.append(states(job).count("queued"))
    assert counts == [1, 1, 2, 4, 8, 8, 9]


def test_at_a_slow_rate_it_goes_on_too(alice: User, olga: User, clock: Callable[..., None]) -> None:
    job = failed(alice, 3)
    act = bulk.start(olga, "retry", FAILED, per_minute=1)
    clock(minutes=30)
    bulk.run(act.pk)
    assert states(job).count("queued") == 1


@pytest.mark.parametrize("rate", [0, -1, 10**30])
def test_a_rate_that_makes_no_sense_is_refused(rate: int, alice: User, olga: User) -> None:
    failed(alice)
    with pytest.raises(PhotoError, match="invalid_request"):
        bulk.start(olga, "retry", FAILED, rate)


def test_where_nothing_matches_nothing_is_started(olga: User) -> None:
    with pytest.raises(PhotoError, match="nothing_to_do"):
        bulk.start(olga, "retry", FAILED)
    assert not BulkAct.objects.exists()


def test_it_is_stopped_and_what_is_done_is_done(alice: User, olga: User) -> None:
    job = failed(alice, 4)
    act = bulk.start(olga, "retry", FAILED)
    bulk.run(act.pk, stopping=stops_after(1))
    kim = User.objects.create_superuser("kim", is_staff=True)
    assert bulk.stop(kim, act)
    assert not bulk.stop(olga, act)
    bulk.run(act.pk)
    assert (states(job), act.stopped_by, bulk.due()) == (["queued", "queued", "failed", "failed"], kim, [])
    assert log() == [
        ("olga", "Began the act retry state:failed (4 photos)"),
        ("kim", "Stopped the act retry state:failed (2 photos)"),
    ]


def test_it_ends_when_nobody_answers_for_it(alice: User, olga: User) -> None:
    job = failed(alice, 4)
    act = bulk.start(olga, "delete", FAILED)
    bulk.run(act.pk, stopping=stops_after(1))
    olga.delete()
    bulk.run(act.pk)
    act.refresh_from_db()
    assert (job.uploads.count(), act.done, bool(act.ended_at), bulk.due()) == (2, 2, True, [])


def test_it_ends_where_its_filter_is_of_another_version(alice: User, olga: User) -> None:
    job = failed(alice)
    act = BulkAct.objects.create(verb="retry", query="state:odd", by=olga, matched=1)
    bulk.run(act.pk)
    assert (states(job), bulk.due()) == (["failed"], [])
    assert [who for who, _ in log()] == ["olga"]


def test_who_watches_the_queue_is_told_as_it_goes_on(
    alice: User, olga: User, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    failed(alice, 3)
    act = bulk.start(olga, "retry", FAILED)
    told: list[str] = []
    monkeypatch.setattr(announce, "_send", lambda group, what: told.append(group))
    with django_capture_on_commit_callbacks(execute=True):
        bulk.run(act.pk)
    assert told.count(announce.QUEUE_GROUP) == 3  # two handfuls, and the end


def test_a_nudge_for_an_act_that_is_gone_changes_nothing(db: None) -> None:
    bulk.run(10**6)


# ---- delete ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def commits(django_capture_on_commit_callbacks: Callable[..., Any]) -> Callable[..., Any]:
    return lambda: django_capture_on_commit_callbacks(execute=True)


def delete(olga: User, text: str, commits: Callable[..., Any]) -> BulkAct:
    act = bulk.start(olga, "delete", query.read(text))
    with commits():
        bulk.run(act.pk)
    act.refresh_from_db()
    return act


def test_deleted_photos_go_with_their_files(alice: User, olga: User, commits: Callable[..., Any]) -> None:
    job = make.job(alice, 3)
    first, second, kept = job.uploads.order_by("position")
    make.finish(first)
    Upload.objects.filter(pk=kept.pk).update(status=Status.CANCELLED, finished_at=timezone.now())
    gone = [
        first.source,
        second.source,
        *Variant.objects.filter(upload=first).exclude(key="").values_list("key", flat=True),
    ]
    assert len(gone) == 4
    Upload.objects.filter(pk=first.pk).update(name="red.jpg")
    Upload.objects.filter(pk=second.pk).update(name="red-2.jpg")
    act = delete(olga, "red", commits)
    assert (list(job.uploads.all()), act.done) == ([kept], 2)
    assert not any(disk.path(key).exists() for key in gone)
    assert disk.path(kept.source).exists()
    assert Job.objects.get().deleted_at is None
    assert log()[-1] == ("olga", "Deleted red (2 photos)")


def test_an_original_that_an_equal_photo_needs_stays(alice: User, olga: User, commits: Callable[..., Any]) -> None:
    job = made.job(alice)
    first = made.upload(job, "a.jpg", Status.FAILED, finished_at=timezone.now())
    same = {"source": first.source, "source_sha256": first.source_sha256, "finished_at": timezone.now()}
    made.upload(job, "b.jpg", Status.FAILED, **same)
    delete(olga, "a.jpg", commits)
    assert disk.path(first.source).exists()
    delete(olga, "b.jpg", commits)
    assert not disk.path(first.source).exists()


def test_a_running_photo_loses_its_claim(alice: User, olga: User, commits: Callable[..., Any]) -> None:
    upload = make.upload(alice)
    claim = ledger.claim(upload.pk)
    assert claim
    delete(olga, "state:processing", commits)
    with pytest.raises(ClaimLost):
        ledger.finish(claim, [], {})
    assert not Upload.objects.exists()


def test_a_job_that_nothing_is_left_of_is_deleted(alice: User, olga: User, commits: Callable[..., Any]) -> None:
    empty, open_one = failed(alice), failed(alice)
    Job.objects.filter(pk=open_one.pk).update(is_open=True)  # more is to come
    delete(olga, "state:failed", commits)
    empty.refresh_from_db()
    open_one.refresh_from_db()
    assert empty.deleted_at
    assert open_one.deleted_at is None


def test_who_waits_for_the_end_of_the_job_is_told(alice: User, olga: User, commits: Callable[..., Any]) -> None:
    make.endpoint(alice, "https://hooks.example.com/", EventType.JOB_COMPLETED, EventType.JOB_CANCELLED)
    job = make.job(alice, 2)
    make.finish(job.uploads.order_by("position")[0])
    delete(olga, "state:queued", commits)
    assert [event.type for event in Event.objects.all()] == [EventType.JOB_CANCELLED]
    delete(olga, f"job:{job.pk}", commits)
    assert Event.objects.count() == 1  # it had ended


def test_photos_of_a_product_csv_stay(alice: User, olga: User, commits: Callable[..., Any]) -> None:
    job = make.products(alice, 2)
    assert bulk.at_once(olga, "delete", job.uploads.all()) == 0
    failed(alice)
    assert delete(olga, "owner:alice", commits).matched == 1
    assert (job.uploads.count(), ProductRow.objects.count()) == (2, 2)
