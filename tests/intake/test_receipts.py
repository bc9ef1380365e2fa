"""The same request, sent twice."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.utils import timezone

from processing.errors import PhotoError
from processing.intake import photos, receipts
from processing.intake.answer import Answer, Refused
from processing.models import Job, Receipt, Upload
from tests.intake.packing import PHOTO
from tests.make import PLAIN

pytestmark = pytest.mark.django_db


def accept(user: User, key: str) -> Answer:
    files = [SimpleUploadedFile("cat.jpg", PHOTO), SimpleUploadedFile("text.jpg", b"text")]
    return photos.accept(user, files, PLAIN, key=key)


def test_the_same_key_gives_the_first_answer_again(alice: User) -> None:
    first, second = accept(alice, "k1"), accept(alice, "k1")
    assert first.to_json() == second.to_json()
    assert first.job == second.job
    assert Job.objects.count() == 1


def test_another_key_no_key_and_another_person_make_another_job(alice: User, bob: User) -> None:
    jobs = {accept(user, key).job for user, key in ((alice, "a"), (alice, "b"), (bob, "a"), (alice, ""), (alice, ""))}
    assert len(jobs) == 5


def test_a_very_long_key_works(alice: User) -> None:
    assert accept(alice, "k" * 5000).job == accept(alice, "k" * 5000).job


def test_an_answer_without_a_job_is_kept_too(alice: User) -> None:
    answers = [photos.accept(alice, [SimpleUploadedFile("a.jpg", b"text")], PLAIN, key="k") for _ in range(2)]
    assert answers[0] == answers[1]
    assert answers[0].job is None


def test_adding_twice_with_one_key_adds_once(alice: User) -> None:
    job = photos.accept(alice, [SimpleUploadedFile("a.jpg", PHOTO)], PLAIN, open=True).job
    assert job
    answers = [photos.add(job, [SimpleUploadedFile("b.jpg", PHOTO)], key="k") for _ in range(2)]
    assert answers[0] == answers[1]
    assert job.uploads.count() == 2


def test_a_failure_frees_the_key(alice: User) -> None:
    def fail(keep: receipts.Keep) -> Answer:
        raise PhotoError("storage_full")

    with pytest.raises(PhotoError):
        receipts.once(alice, "k", fail)
    assert not Receipt.objects.exists()
    assert accept(alice, "k").job


def test_a_request_that_died_is_taken_over(alice: User) -> None:
    Receipt.objects.create(owner=alice, key="k", created_at=timezone.now() - timedelta(seconds=61))
    assert accept(alice, "k").job


def test_a_request_that_runs_too_long_is_not_done_again(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipts, "PATIENCE", 0.3)
    Receipt.objects.create(owner=alice, key="k")
    with pytest.raises(PhotoError, match="request_in_progress"):
        accept(alice, "k")
    assert not Job.objects.exists()


def test_one_that_was_thought_dead_takes_everything_back_and_gives_the_others_answer(alice: User) -> None:
    calls: list[Answer] = []

    def slow(keep: receipts.Keep) -> Answer:
        calls.append(Answer.of(None, 0, [Refused("mine", "code", "detail")]))
        Receipt.objects.update(created_at=timezone.now() + timedelta(seconds=1), answer=other.to_json())
        keep(calls[0])
        return calls[0]

    other = Answer.of(None, 0, [Refused("other", "code", "detail")])
    assert receipts.once(alice, "k", slow) == other
    assert len(calls) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("racers", [2, 4])
def test_two_that_race_make_one_job(alice: User, racers: int) -> None:
    answers: list[dict[str, Any]] = []
    start = threading.Barrier(racers)

    def race() -> None:
        start.wait()
        try:
            answers.append(accept(alice, "double click").to_json())
        finally:
            connection.close()

    threads = [threading.Thread(target=race) for _ in range(racers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == racers
    assert all(answer == answers[0] for answer in answers)
    assert (Job.objects.count(), Upload.objects.count()) == (1, 1)
