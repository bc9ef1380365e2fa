"""What a row of a product CSV is, from its photos, and what it says."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from processing import ledger, product_rows, row_cards
from processing.models import Job, ProductRow, Status, Upload, Variant
from processing.progress import Host
from tests import make

NOT_FOUND = "The address answered 404, not found."
SOON = timedelta(seconds=40)


def of_states(owner: User, *states: str) -> Job:
    """A CSV of one row with photos in these states; `fetching` is a new one that somebody holds."""
    job = make.products(owner, 1, photos=len(states))
    for upload, state in zip(job.uploads.order_by("position"), states, strict=True):
        values: dict[str, Any] = {"status": "new", "claim": uuid4()} if state == "fetching" else {"status": state}
        if state == "failed":
            values |= {"error_code": "failed_image_download", "error_message": NOT_FOUND}
        Upload.objects.filter(pk=upload.pk).update(**values)
    return job


def the_row(job: Job) -> row_cards.RowCard:
    return row_cards.of(job, job.rows.values_list("pk", flat=True))[0]


@pytest.mark.parametrize(
    ("states", "state", "words"),
    [
        (["new"], "queued", "To be fetched from img.example.com"),
        (["queued", "new"], "queued", "Queued"),
        (["fetching"], "processing", "Fetching"),
        (["processing"], "processing", "Starting"),
        (["completed", "completed", "fetching"], "processing", "2 of 3 completed, fetching"),
        (["completed", "failed", "processing"], "processing", "1 of 3 completed, 1 failed, starting"),
        (["completed", "queued"], "processing", "1 of 2 completed"),
        (["completed"], "completed", "1 photo"),
        (["failed"], "failed", NOT_FOUND),
        (["completed", "failed"], "failed", "Photo 2: the address answered 404, not found."),
        (["failed", "cancelled", "failed"], "failed", "Photo 1: the address answered 404, not found. 1 more failed."),
        (["cancelled"], "cancelled", "Cancelled"),
        (["completed", "cancelled"], "cancelled", "1 of 2 cancelled"),
        (["completed"] * 7 + ["failed"], "failed", "Photo 8: the address answered 404, not found."),
    ],
)
def test_a_rows_state_and_words_follow_from_its_photos(alice: User, states: list[str], state: str, words: str) -> None:
    job = of_states(alice, *states)
    row = the_row(job)
    assert (row.state, row.status) == (state, words)
    assert product_rows.counts(job)[state] == 1
    assert (len(row.photos), row.more) == (min(6, len(states)), max(0, len(states) - 6))


@pytest.mark.parametrize(
    ("values", "state", "words"),
    [
        ({"is_left_out": True, "problem_code": "csv_bad_row"}, "cancelled", "Left out"),
        ({"carried": {"Status": "completed"}}, "completed", "Completed in an earlier run"),
        ({"problem_code": "csv_bad_row", "problem": "This row has no address."}, "failed", "This row has no address."),
    ],
)
def test_a_row_without_photos_says_why(alice: User, values: dict[str, Any], state: str, words: str) -> None:
    job = make.products(alice, [[]])
    ProductRow.objects.update(**values)
    row = the_row(job)
    assert (row.state, row.status, row.can_retry) == (state, words, False)


def test_a_completed_row_says_how_much_smaller_its_photos_are(alice: User) -> None:
    job = make.products(alice, 1, photos=2)
    for upload in job.uploads.all():
        make.finish(make.bring(upload))
    Upload.objects.update(source_bytes=1000)
    Variant.objects.filter(name="result").update(bytes=160)
    assert the_row(job).status == "2 photos, 84% smaller"
    Upload.objects.filter(pk=job.uploads.all()[0].pk).update(needs_review=True)
    assert the_row(job).status == "2 photos, 84% smaller, 1 to review"


def test_a_photo_that_waits_for_its_next_try_says_why(alice: User) -> None:
    job = make.products(alice, 1)
    job.uploads.update(
        not_before=timezone.now() + SOON, attempts=1, error_code="fetch_timeout", error_message="It took too long."
    )
    assert the_row(job).status == "Try 2 soon. It took too long."
    assert product_rows.standing(job).hosts == []


def test_a_host_that_is_not_to_be_asked_for_a_while_is_named(alice: User) -> None:
    job = make.products(alice, [["https://a.example/1.jpg", "https://b.example/1.jpg"], ["https://b.example/2.jpg"]])
    ledger.postpone("b.example", timezone.now() + SOON)
    assert product_rows.standing(job).hosts == [Host("b.example", 2, 40)]
    waits = row_cards.of(job, [job.rows.get(line=3).pk])[0]
    assert waits.status == "Waits for b.example"


def test_a_photo_of_two_rows_changes_both(alice: User) -> None:
    job = make.products(alice, [["https://a.example/1.jpg"], ["https://a.example/1.jpg"], ["https://a.example/2.jpg"]])
    before = timezone.now()
    Upload.objects.update(changed_at=before - timedelta(minutes=1))
    shared = job.uploads.get(url="https://a.example/1.jpg")
    make.bring(shared)
    assert set(product_rows.changed(job, before)) == {row.pk for row in shared.rows.all()}
    assert product_rows.counts(job) == dict.fromkeys(product_rows.STATES, 0) | {"queued": 3}


def test_those_that_failed_come_first_and_the_others_as_in_the_file(alice: User) -> None:
    job = make.products(alice, 4)
    first, second, third, fourth = job.rows.order_by("position")
    Upload.objects.filter(rows=third).update(status="failed")
    Upload.objects.filter(rows=fourth).update(status="completed")
    standing = product_rows.standing(job)
    assert standing.in_turn() == [third.pk, first.pk, second.pk, fourth.pk]
    assert standing.in_turn(Status.QUEUED) == [first.pk, second.pk]
    assert (standing.progress.ended, standing.progress.total, standing.to_retry) == (2, 4, 1)


def test_only_photos_of_rows_that_failed_are_to_be_retried(alice: User) -> None:
    job = make.products(alice, 3, photos=2)
    states = [("failed", "cancelled"), ("failed", "processing"), ("completed", "cancelled")]
    for row, pair in zip(job.rows.order_by("position"), states, strict=True):
        for link, state in zip(row.row_photos.order_by("position"), pair, strict=True):
            Upload.objects.filter(pk=link.upload_id).update(status=state)
    failed = job.rows.get(line=2)
    assert product_rows.to_retry(job) == list(failed.photos.order_by("pk").values_list("pk", flat=True))


@pytest.mark.parametrize(
    ("asked", "lines"), [("2", [2, 3]), ("product 3", [4]), ("3", [3, 4]), ("nothing", []), ("9" * 30, [])]
)
def test_a_row_is_found_by_line_serial_number_and_name(alice: User, asked: str, lines: list[int]) -> None:
    job = make.products(alice, 3)
    assert list(product_rows.find(job, asked).order_by("line").values_list("line", flat=True)) == lines


@pytest.mark.parametrize(
    ("values", "column"),
    [
        ({"problem_code": "csv_bad_row", "problem_column": "serial"}, "serial"),
        ({"problem_code": "invalid_image_url", "problem_column": "urls"}, "urls"),
        ({"problem_code": "csv_bad_row"}, ""),
        ({}, "urls"),
    ],
)
def test_the_cell_with_the_mistake_may_be_changed(alice: User, values: dict[str, str], column: str) -> None:
    job = of_states(alice, "failed")
    ProductRow.objects.update(**values)
    assert the_row(job).column == column


def test_a_photo_that_is_retried_while_its_row_is_drawn_is_no_mistake(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make.products(alice, 1)
    photo = job.uploads.all()
    photo.update(status=Status.FAILED)
    read = row_cards._links

    def after_a_retry(rows: list[int]) -> object:
        ledger.retry(photo)
        return read(rows)

    monkeypatch.setattr(row_cards, "_links", after_a_retry)
    assert the_row(job).status == "Failed"


def test_a_photo_that_came_and_failed_later_is_not_mended_by_another_address(alice: User) -> None:
    job = make.products(alice, 1)
    make.bring(job.uploads.get())
    job.uploads.update(status="failed", error_message="No face was found.")
    row = the_row(job)
    assert (row.column, row.can_retry) == ("", True)
