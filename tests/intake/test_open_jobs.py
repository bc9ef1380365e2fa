"""Jobs that take more files, until they are closed."""

import pytest
from django.contrib.auth.models import User

from processing import storage
from processing.errors import PhotoError
from processing.intake import photos
from processing.models import Job, Refusal
from tests.at_once import at_once
from tests.intake.packing import files_on_disk, sent
from tests.make import PLAIN

pytestmark = pytest.mark.django_db


def test_an_open_job_takes_more_files_until_it_is_closed(alice: User) -> None:
    job = photos.accept(alice, [sent("cat.jpg")], PLAIN, open=True).job
    assert job
    answer = photos.add(job, [sent("cat.jpg"), sent("text.jpg", b"text")])
    assert (answer.job, answer.received, answer.accepted) == (job, 2, 1)
    assert list(job.uploads.order_by("position").values_list("position", "name")) == [
        (0, "cat.jpg"),
        (1, "cat (2).jpg"),
    ]
    assert Refusal.objects.get().job == job
    photos.close(job)
    with pytest.raises(PhotoError, match="job_closed"):
        photos.add(job, [sent("late.jpg")])
    assert job.uploads.count() == 2


def test_adding_only_bad_files_keeps_the_job_and_says_why(alice: User) -> None:
    job = photos.accept(alice, [sent("cat.jpg")], PLAIN, open=True).job
    assert job
    answer = photos.add(job, [sent("text.jpg", b"text")])
    assert (answer.job, answer.accepted, answer.received) == (job, 0, 1)
    assert job.refusals.count() == 1


def test_closing_while_files_are_written_refuses_them_and_leaves_none(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = photos.accept(alice, [sent("cat.jpg")], PLAIN, open=True).job
    assert job
    before, take = files_on_disk(), storage.take

    def close_then_take(parts: dict[str, storage.Part]) -> list[storage.Stored]:
        photos.close(job)
        return take(parts)

    monkeypatch.setattr(storage, "take", close_then_take)
    with pytest.raises(PhotoError, match="job_closed"):
        photos.add(job, [sent("late.jpg")])
    assert files_on_disk() == before


def test_a_closed_job_without_photos_is_deleted(alice: User) -> None:
    job = Job.objects.create(owner=alice, name="empty", recipe=PLAIN.to_json(), is_open=True)
    photos.close(job)
    assert not Job.objects.filter(pk=job.pk).exists()


@pytest.mark.django_db(transaction=True)
def test_concurrent_adds_do_not_collide(alice: User) -> None:
    job = photos.accept(alice, [sent("cat.jpg")], PLAIN, open=True).job
    assert job

    def add() -> None:
        for _ in range(3):
            photos.add(job, [sent("cat.jpg"), sent("dog.jpg")])

    assert at_once(4, add) == [None] * 4
    rows = list(job.uploads.order_by("position").values_list("position", "name"))
    assert [position for position, _ in rows] == list(range(25))
    assert len({name.casefold() for _, name in rows}) == 25
