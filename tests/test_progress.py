"""Numbers that add up and do not flatter."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from processing import pauses, progress
from processing.models import Breaker, Status, Upload
from processing.progress import Host, Progress
from tests import make

NONE = dict.fromkeys(Status.values, 0)


@pytest.mark.parametrize(
    ("counts", "status"),
    [
        ({"queued": 3}, "queued"),
        ({"new": 3}, "queued"),
        ({"queued": 2, "processing": 1}, "processing"),
        ({"queued": 2, "completed": 1}, "processing"),
        ({"completed": 3}, "completed"),
        ({"completed": 2, "failed": 1}, "completed"),
        ({"completed": 1, "failed": 1, "cancelled": 1}, "completed"),
        ({"failed": 3}, "failed"),
        ({"cancelled": 3}, "cancelled"),
        ({"completed": 1, "cancelled": 2}, "cancelled"),
        ({}, "completed"),  # a CSV whose rows an earlier run completed
    ],
)
def test_the_status_of_a_job_follows_from_its_photos(counts: dict[str, int], status: str) -> None:
    assert Progress({**NONE, **counts}).status == status


def test_an_open_job_has_not_ended() -> None:
    assert Progress({**NONE, "completed": 2}, is_open=True).status == "processing"


def test_nothing_says_100_percent_before_all_have_ended() -> None:
    assert Progress({**NONE, "completed": 999, "queued": 1}).percent == 99


def test_a_csv_of_which_nothing_had_to_run_is_at_100_percent_once_it_is_started() -> None:
    assert [Progress(NONE, is_draft=is_draft).percent for is_draft in (True, False)] == [0, 100]


def test_failed_and_cancelled_count_as_ended() -> None:
    assert Progress({**NONE, "completed": 1, "failed": 1, "cancelled": 1}).percent == 100


@pytest.mark.parametrize("counts", [{"completed": 998, "failed": 1, "cancelled": 1}, {"failed": 1, "queued": 4999}])
def test_a_state_that_has_photos_is_never_too_thin_to_see(counts: dict[str, int]) -> None:
    bar = Progress({**NONE, **counts}).bar
    assert min(segment.width for segment in bar) >= 8
    assert bar[-1].x + bar[-1].width <= 1000


def test_what_is_to_review_is_a_part_of_what_is_completed() -> None:
    found = Progress({**NONE, "completed": 8, "failed": 2}, to_review=3)
    assert (found.total, found.percent, found.status) == (10, 100, "completed")
    assert [(part.state, part.width) for part in found.bar] == [("completed", 500), ("review", 300), ("failed", 200)]


def test_only_completed_photos_are_to_review_and_the_first_is_named(alice: User) -> None:
    job = make.job(alice, 4)
    flagged = job.uploads.order_by("position")[1:]
    Upload.objects.filter(pk__in=[one.pk for one in flagged]).update(status="completed", needs_review=True)
    Upload.objects.filter(pk=flagged[2].pk).update(status="queued")
    found = progress.of(job)
    assert (found.to_review, found.first_to_review, found.counts["completed"]) == (2, flagged[0].pk, 2)
    assert progress.of_many([job])[job.pk].to_review == 2


def ended(count: int, seconds: int, alice: User, total: int = 100) -> Progress:
    job = make.job(alice, total)
    now = timezone.now()
    pks = list(job.uploads.values_list("pk", flat=True)[:count])
    Upload.objects.filter(pk__in=pks).update(
        status="completed", started_at=now - timedelta(seconds=seconds), finished_at=now - timedelta(seconds=1)
    )
    return progress.of(job)


def test_no_time_left_is_promised_in_the_first_15_seconds(alice: User) -> None:
    assert ended(20, 10, alice).left is None


def test_no_time_left_is_promised_before_10_photos(alice: User) -> None:
    assert ended(9, 40, alice).left is None


def test_the_time_left_is_a_range_around_the_pace(alice: User) -> None:
    found = ended(40, 40, alice)
    assert found.rate == pytest.approx(1, rel=0.1)
    assert found.left is not None
    assert found.left[0] < 60 < found.left[1]


def test_the_place_in_line_counts_others_in_turn(alice: User, bob: User) -> None:
    make.job(bob, 2)
    job = make.job(alice, 4)
    ids = list(job.uploads.order_by("position").values_list("pk", flat=True))
    assert [progress.places(job, ids)[pk] for pk in ids] == [1, 3, 5, 6]


def test_many_jobs_take_one_query(alice: User, django_assert_num_queries: object) -> None:
    jobs = [make.job(alice, 2) for _ in range(5)]
    with django_assert_num_queries(1):  # type: ignore[operator]
        found = progress.of_many(jobs)
    assert [found[job.pk].total for job in jobs] == [2] * 5


def test_a_csv_before_start_is_a_draft() -> None:
    assert Progress(NONE, is_draft=True).status == "draft"


# ---- what does not answer -------------------------------------------------------------------------------------------


def test_photos_that_wait_for_what_does_not_answer_are_told_and_nobody_says_when_they_end(
    alice: User, as_user: Any, django_assert_num_queries: Any
) -> None:
    now = timezone.now()
    job = make.job(alice, 20)
    ids = list(job.uploads.order_by("pk").values_list("pk", flat=True))
    done = Upload.objects.filter(pk__in=ids[:10])
    done.update(status=Status.COMPLETED, started_at=now - timedelta(seconds=30), finished_at=now)
    with django_assert_num_queries(2):
        seen = progress.of(job)
    assert (seen.hosts, bool(seen.left)) == ((), True)
    Upload.objects.filter(pk__in=ids[10:12]).update(waits_for="storage")
    Upload.objects.filter(pk=ids[13]).update(waits_for="model:u2netp")
    Breaker.objects.create(name="storage", state="open", probe_at=now + timedelta(seconds=40))
    with django_assert_num_queries(3):
        seen = progress.of(job)
    assert (seen.hosts, seen.left) == ([Host("The model u2netp", 1, None), Host("Storage", 2, 40)], None)
    page = as_user(alice).get(f"/jobs/{job.pk}/").text
    assert page.count("<b>Storage does not answer.</b> 2 photos wait for it and lose no try. Next try in") == 1
    assert "<b>The model u2netp does not answer.</b> 1 photo waits for it and loses no try.<" in page
    assert "ends about" not in page


# ---- pauses ---------------------------------------------------------------------------------------------------------


def test_a_job_is_paused_by_its_own_pause_its_persons_and_the_queues(alice: User, bob: User) -> None:
    job, other = make.job(alice, 2), make.job(bob, 1)
    parts: list[dict[str, Any]] = [{"job": job}, {"owner": alice}, {}]
    for part in parts:
        assert not progress.of(job).is_paused
        pauses.pause(bob, **part)
        assert progress.of(job).is_paused
        assert progress.places(job, job.uploads.values_list("pk", flat=True)) == {}
        assert progress.of(other).is_paused == (part == {})
        pauses.resume(**part)


def test_a_job_whose_photos_have_all_begun_or_go_on_is_not_paused(alice: User) -> None:
    job = make.job(alice, 1)
    pauses.pause(alice, drains=True)
    assert not progress.of(job).is_paused
    make.add(job, 1)
    assert progress.of(job).is_paused
    pauses.pause(alice)
    job.uploads.update(status=Status.PROCESSING)
    assert not progress.of(job).is_paused
