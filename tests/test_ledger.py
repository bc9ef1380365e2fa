"""Every move of an upload, and every move that must not happen."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.utils import timezone

from processing import ledger, storage, variants
from processing.errors import ClaimLost, PhotoError
from processing.models import Status, Upload
from processing.recipe import Recipe
from processing.storage import disk
from tests import make

TRANSIENT = PhotoError("storage_unavailable")
PERMANENT = PhotoError("no_face_found")
WEBP = Recipe(remove_bg=False, model="u2netp", format="webp")


def again(upload: Upload) -> Upload:
    return Upload.objects.get(pk=upload.pk)


def row(upload: Upload) -> "QuerySet[Upload]":
    return Upload.objects.filter(pk=upload.pk)


def claimed(upload: Upload) -> ledger.Claim:
    claim = ledger.claim(upload.pk)
    assert claim is not None
    return claim


def file(upload: Upload, name: str = "result") -> variants.File:
    key = storage.new_key(upload.job.owner_id, upload.job_id, "results", "png")
    return variants.File(name, storage.write(key, [b"png"]), "png", 80, 60)


def test_a_claim_counts_the_attempt_and_holds_a_lease(alice: User) -> None:
    upload = make.upload(alice)
    claim = claimed(upload)
    upload = again(upload)
    assert (upload.status, upload.attempts, upload.claim) == (Status.PROCESSING, 1, claim.token)
    assert upload.lease_until is not None
    assert upload.lease_until > timezone.now()


def test_a_second_nudge_finds_nothing_to_do(alice: User) -> None:
    upload = make.upload(alice)
    claimed(upload)
    assert ledger.claim(upload.pk) is None


def test_an_upload_that_is_not_due_is_not_claimed(alice: User) -> None:
    upload = make.upload(alice, not_before=timezone.now() + timedelta(seconds=60))
    assert ledger.claim(upload.pk) is None


def test_an_upload_of_a_deleted_job_is_not_claimed(alice: User) -> None:
    upload = make.upload(alice)
    upload.job.deleted_at = timezone.now()
    upload.job.save()
    assert ledger.claim(upload.pk) is None


@pytest.mark.parametrize("status", [status for status in Status.values if status != "queued"])
def test_only_a_queued_upload_is_claimed(alice: User, status: str) -> None:
    assert ledger.claim(make.upload(alice, status=status).pk) is None


def test_finishing_keeps_the_files_and_the_facts(alice: User) -> None:
    upload = make.upload(alice)
    ledger.finish(claimed(upload), [file(upload)], {"model": "u2netp"})
    upload = again(upload)
    assert (upload.status, upload.claim, upload.facts["model"]) == (Status.COMPLETED, None, "u2netp")
    assert upload.facts["recipe"] == upload.job.recipe
    assert upload.facts["waited"] >= 0
    assert upload.variants.get(name="result").bytes == 3


def test_a_lost_claim_can_neither_finish_nor_fail_nor_step(alice: User) -> None:
    upload = make.upload(alice)
    old = claimed(upload)
    ledger.give_back(old)
    new = claimed(upload)
    with pytest.raises(ClaimLost):
        ledger.finish(old, [], {})
    with pytest.raises(ClaimLost):
        ledger.step(old, "Reading", 0, 3)
    ledger.fail(old, PERMANENT)
    ledger.give_back(old)
    assert not ledger.renew(old)
    assert (again(upload).status, again(upload).claim) == (Status.PROCESSING, new.token)


def test_a_permanent_error_fails_at_once_and_says_why(alice: User) -> None:
    upload = make.upload(alice)
    ledger.fail(claimed(upload), PERMANENT, "a traceback")
    upload = again(upload)
    assert (upload.status, upload.error_code, upload.error_detail) == (Status.FAILED, "no_face_found", "a traceback")
    assert upload.error_message == "No face was found."
    assert upload.error_remedy


def test_a_transient_error_waits_and_is_tried_three_times(alice: User, settings: Any) -> None:
    settings.RETRY_DELAY = 0
    upload = make.upload(alice)
    for status in (Status.QUEUED, Status.QUEUED, Status.FAILED):
        ledger.fail(claimed(upload), PhotoError("out_of_memory"))
        assert again(upload).status == status
    assert again(upload).error_code == "out_of_memory"


@pytest.mark.parametrize("hours", [24, 0])
def test_storage_that_errs_ends_no_photo_before_it_has_waited_long(alice: User, settings: Any, hours: int) -> None:
    settings.RETRY_DELAY, settings.BREAKER_FAILURES, settings.BREAKER_HOURS = 0, 100, hours
    upload = make.upload(alice)
    for attempts in (1, 2, 2, 2):
        ledger.fail(claimed(upload), TRANSIENT)
        assert (again(upload).status, again(upload).attempts) == (Status.QUEUED, attempts)
    row(upload).update(queued_at=timezone.now() - timedelta(hours=25))
    ledger.fail(claimed(upload), TRANSIENT)
    assert again(upload).status == (Status.FAILED if hours else Status.QUEUED)


def test_how_long_it_waited_is_known_of_its_first_try_alone(alice: User) -> None:
    upload = make.upload(alice, queued_at=timezone.now() - timedelta(seconds=60))
    claim = claimed(upload)
    assert claim.waited == pytest.approx(60, abs=5)
    ledger.fail(claim, TRANSIENT)
    row(upload).update(not_before=None)
    ledger.finish(claimed(upload), [file(upload)], {})
    assert again(upload).facts["waited"] is None


def test_the_back_off_grows_and_is_never_longer_than_its_bound(settings: Any) -> None:
    settings.RETRY_DELAY = 60
    for attempt, bound in ((1, 60), (2, 120), (3, 240)):
        waits = [(ledger.back_off(attempt) - timezone.now()).total_seconds() for _ in range(200)]
        assert min(waits) >= -1
        assert bound / 2 < max(waits) <= bound


def test_a_photo_of_a_dead_worker_is_queued_again_without_waiting(alice: User) -> None:
    upload = make.upload(alice)
    claimed(upload)
    assert ledger.sweep() == 0
    Upload.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert ledger.sweep() == 1
    assert (again(upload).status, again(upload).claim) == (Status.QUEUED, None)
    claimed(upload)


def test_a_photo_that_ends_its_worker_three_times_ends_worker_lost(alice: User) -> None:
    upload = make.upload(alice)
    for _ in range(3):
        claimed(upload)
        Upload.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        ledger.sweep()
    assert (again(upload).status, again(upload).error_code) == (Status.FAILED, "worker_lost")


def test_a_worker_that_is_asked_to_stop_gives_its_photo_back_uncounted(alice: User) -> None:
    upload = make.upload(alice)
    ledger.give_back(claimed(upload))
    assert (again(upload).status, again(upload).attempts) == (Status.QUEUED, 0)


@pytest.mark.parametrize("status", ["new", "queued", "processing"])
def test_what_has_not_ended_can_be_cancelled(alice: User, status: str) -> None:
    upload = make.upload(alice, status=status)
    assert ledger.cancel(Upload.objects.filter(pk=upload.pk)) == 1
    assert (again(upload).status, again(upload).error_code) == (Status.CANCELLED, "cancelled")


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_what_has_ended_cannot_be_cancelled(alice: User, status: str) -> None:
    upload = make.upload(alice, status=status)
    assert ledger.cancel(Upload.objects.filter(pk=upload.pk)) == 0
    assert again(upload).status == status


def test_a_cancelled_photo_stops_its_worker_at_the_next_step(alice: User) -> None:
    upload = make.upload(alice)
    claim = claimed(upload)
    ledger.cancel(Upload.objects.all())
    with pytest.raises(ClaimLost):
        ledger.step(claim, "Removing background", 1, 3)


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_retry_begins_anew(alice: User, status: str) -> None:
    upload = make.upload(alice, status=status, attempts=3, error_code="timeout", error_message="x", error_remedy="y")
    assert ledger.retry(Upload.objects.all()) == 1
    upload = again(upload)
    assert (upload.status, upload.attempts, upload.error_code, upload.error_message) == (Status.QUEUED, 0, "", "")


def test_two_clicks_on_retry_queue_once(alice: User) -> None:
    make.upload(alice, status="failed")
    assert [ledger.retry(Upload.objects.all()), ledger.retry(Upload.objects.all())] == [1, 0]


def test_redo_keeps_the_old_result_until_the_new_one_is_in_place(
    alice: User, django_capture_on_commit_callbacks: Any
) -> None:
    upload = make.upload(alice)
    ledger.finish(claimed(upload), [file(upload)], {})
    old = upload.variants.get(name="result").key
    assert ledger.redo(row(upload), WEBP) == 1
    assert storage.read(old) == b"png"
    with django_capture_on_commit_callbacks(execute=True):
        ledger.finish(claimed(upload), [file(upload)], {})
    assert upload.variants.get(name="result").key != old
    with pytest.raises(PhotoError):
        storage.read(old)


def test_the_job_of_a_redone_photo_keeps_its_recipe(alice: User) -> None:
    upload = make.upload(alice, status="completed")
    ledger.redo(row(upload), WEBP)
    assert claimed(upload).recipe["format"] == "webp"
    assert again(upload).job.recipe["format"] == "jpg"


def finished(alice: User, *names: str, facts: dict[str, Any] | None = None) -> Upload:
    """A completed photo, with a result."""
    upload = make.upload(alice)
    ledger.finish(claimed(upload), [file(upload, name) for name in names or ["result"]], facts or {})
    return again(upload)


@pytest.mark.parametrize("status", ["queued", "processing", "completed", "failed", "cancelled"])
def test_a_photo_is_redone_from_any_state(alice: User, status: str) -> None:
    upload = make.upload(alice, status=status, attempts=3, error_code="timeout")
    assert ledger.redo(row(upload), WEBP) == 1
    upload = again(upload)
    assert (upload.status, upload.attempts, upload.error_code) == (Status.QUEUED, 0, "")
    assert claimed(upload).recipe["format"] == "webp"


def test_a_photo_that_is_not_in_the_house_yet_is_not_redone(alice: User) -> None:
    upload = make.upload(alice, status="new", source="")
    assert ledger.redo(row(upload), WEBP) == 0
    assert (again(upload).status, again(upload).recipe) == (Status.NEW, None)


def test_a_redo_takes_the_photo_from_the_worker_that_has_it(alice: User) -> None:
    upload = make.upload(alice)
    old = claimed(upload)
    ledger.redo(row(upload), WEBP)
    with pytest.raises(ClaimLost):
        ledger.finish(old, [], {})
    assert claimed(upload).recipe["format"] == "webp"


def lose_the_worker(claim: ledger.Claim) -> None:
    claim.row.update(lease_until=timezone.now() - timedelta(seconds=1), attempts=3)
    ledger.sweep()


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (lambda claim: ledger.fail(claim, PERMANENT), "The redo failed: No face was found."),
        (lose_the_worker, "The redo failed: The photo ended its worker 3 times."),
    ],
)
def test_a_redo_that_fails_leaves_the_old_result_and_its_recipe_flagged(
    alice: User, trouble: Callable[[ledger.Claim], None], reason: str
) -> None:
    upload = finished(alice)
    ledger.redo(row(upload), WEBP)
    trouble(claimed(upload))
    upload = again(upload)
    assert (upload.status, upload.claim, upload.error_code) == (Status.COMPLETED, None, "")
    assert (upload.needs_review, upload.review_reason) == (True, reason)
    assert upload.recipe == upload.job.recipe
    assert upload.variants.filter(name="result").exists()


def test_a_redo_that_fails_for_a_moment_is_tried_again(alice: User) -> None:
    upload = finished(alice)
    ledger.redo(row(upload), WEBP)
    ledger.fail(claimed(upload), TRANSIENT)
    assert (again(upload).status, again(upload).recipe) == (Status.QUEUED, WEBP.to_json())


@pytest.mark.parametrize("running", [False, True])
def test_a_cancelled_redo_leaves_the_photo_as_it_was(alice: User, running: bool) -> None:
    upload = finished(alice)
    before = Upload.objects.filter(pk=upload.pk).values("status", "needs_review", "verdict", "facts", "finished_at")
    was = before.get()
    ledger.redo(row(upload), WEBP, "original")
    if running:
        claimed(upload)
    assert ledger.cancel(row(upload)) == 1
    assert before.get() == was
    assert again(upload).recipe == upload.job.recipe


def test_a_redo_of_a_photo_without_a_result_fails_and_is_cancelled_like_any_other(alice: User) -> None:
    failed, cancelled = make.upload(alice, status="failed"), make.upload(alice, status="failed")
    for upload in (failed, cancelled):
        ledger.redo(row(upload), WEBP)
    ledger.fail(claimed(failed), PERMANENT)
    ledger.cancel(row(cancelled))
    assert [again(failed).status, again(cancelled).status] == [Status.FAILED, Status.CANCELLED]


def test_files_that_the_new_result_does_not_have_are_deleted(
    alice: User, django_capture_on_commit_callbacks: Any
) -> None:
    upload = finished(alice, "result", "result-2", "small")
    variants.keep(upload.pk, [file(upload, "source-thumbnail")])
    old = {variant.name: variant.key for variant in upload.variants.all()}
    ledger.redo(row(upload), WEBP)
    with django_capture_on_commit_callbacks(execute=True):
        ledger.finish(claimed(upload), [file(upload)], {})
    assert set(upload.variants.values_list("name", flat=True)) == {"result", "source-thumbnail"}
    assert [disk.path(old[name]).exists() for name in sorted(old)] == [False, False, False, True]


DOUBT = {"review": ["19% of the edge is unsure.", "It touches the left side."]}


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({}, ""),
        ({"review": []}, ""),
        (DOUBT, "19% of the edge is unsure."),
        ({"review": ["x" * 300]}, "x" * 199 + "…"),
    ],
)
def test_a_result_in_doubt_is_flagged_with_its_first_reason(alice: User, facts: dict[str, Any], reason: str) -> None:
    upload = finished(alice, facts=facts)
    assert (upload.status, upload.needs_review, upload.review_reason) == (Status.COMPLETED, bool(reason), reason)
    assert upload.facts["review"] == facts.get("review", [])


def test_what_was_accepted_is_judged_anew_when_it_is_redone(alice: User) -> None:
    upload = finished(alice, facts=DOUBT)
    assert ledger.judge(row(upload), accepted=True) == 1
    assert (again(upload).needs_review, again(upload).verdict) == (False, "accepted")
    ledger.redo(row(upload), WEBP)
    ledger.finish(claimed(upload), [file(upload)], DOUBT)
    assert (again(upload).needs_review, again(upload).verdict) == (True, "")


def test_what_somebody_chose_as_it_is_is_not_flagged_again(alice: User) -> None:
    upload = finished(alice, facts=DOUBT)
    ledger.redo(row(upload), WEBP, "original")
    ledger.finish(claimed(upload), [file(upload)], DOUBT)
    assert (again(upload).needs_review, again(upload).verdict) == (False, "original")


def test_accepting_twice_counts_once(alice: User) -> None:
    upload = finished(alice, facts=DOUBT)
    assert [ledger.judge(row(upload), accepted=yes) for yes in (True, True, False, False)] == [1, 0, 1, 0]
    assert (again(upload).needs_review, again(upload).verdict) == (True, "")


def test_watchers_and_the_dispatcher_are_told_only_after_the_commit(
    alice: User, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks() as callbacks:
        make.upload(alice)
    assert callbacks
