"""What comes in through the door, with real files and rows behind it."""

import struct
import sys
import threading
import time
import tracemalloc
import zlib
from pathlib import Path

import pytest
from django.conf import settings as house
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile
from django.db import connection
from pytest_django.fixtures import Settings

from processing import ledger, storage
from processing.errors import PhotoError
from processing.intake import photos
from processing.intake.bring import bring_archive
from processing.intake.photos import Answer
from processing.models import Archive, Job, Refusal, Status, Upload
from processing.recipe import Recipe
from tests.conftest import picture
from tests.intake.packing import PHOTO, by_hand, many, packed
from tests.make import PLAIN

pytestmark = pytest.mark.django_db


def sent(name: str, data: bytes = PHOTO) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data)


def files_on_disk() -> set[Path]:
    return {place for place in house.FILES_DIR.rglob("*") if place.is_file()}


def adds_up(answer: Answer) -> bool:
    told = answer.to_json()
    return told["received"] == told["accepted"] + len(told["refused"])


def huge_png() -> bytes:
    """The header of a PNG of 20,000 x 20,000 px."""
    chunks = [b"IHDR" + struct.pack(">2L5B", 20_000, 20_000, 8, 2, 0, 0, 0), b"IDAT" + zlib.compress(bytes(1000))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">L", len(chunk) - 4) + chunk + struct.pack(">L", zlib.crc32(chunk)) for chunk in chunks
    )


def test_photos_become_a_job_of_queued_uploads(alice: User) -> None:
    answer = photos.accept(alice, [sent("cat.jpg"), sent("dog.png", picture(format="PNG"))], PLAIN)
    job = answer.job
    assert job
    assert (job.owner, job.name, job.is_open, job.deleted_at) == (alice, "cat and 1 more", False, None)
    assert Recipe(**job.recipe) == PLAIN
    cat, dog = job.uploads.order_by("position")
    assert (cat.name, cat.status, cat.position, dog.position) == ("cat.jpg", Status.QUEUED, 0, 1)
    assert (dog.source_format, dog.source_width, dog.source_height) == ("png", 80, 60)
    assert storage.read(cat.source) == PHOTO
    assert cat.source_sha256 == storage.hashlib.sha256(PHOTO).hexdigest()
    assert answer.to_json() == {"job_id": job.pk, "status": "queued", "received": 2, "accepted": 2, "refused": []}


@pytest.mark.parametrize(
    ("names", "open", "title"),
    [
        (["cat.jpg"], False, "cat"),
        (["../spring-2.jpg", "b.jpg", "c.jpg"], False, "spring-2 and 2 more"),
        (["cat.jpg", "b.jpg"], True, "cat and more"),
    ],
)
def test_a_job_is_named_after_its_first_file(alice: User, names: list[str], open: bool, title: str) -> None:
    job = photos.accept(alice, [sent(name) for name in names], PLAIN, open=open).job
    assert job
    assert job.name == title


def test_a_given_name_is_kept(alice: User) -> None:
    job = photos.accept(alice, [sent("cat.jpg")], PLAIN, name=" Spring\u202e catalogue ").job
    assert job
    assert job.name == "Spring catalogue"


def test_each_bad_file_is_refused_alone(alice: User) -> None:
    bad = [
        sent("text.jpg", b"This is no picture."),
        sent("huge.png", huge_png()),
        sent("empty.jpg", b""),
        sent("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        sent("small.png", picture(10, 10, "PNG")),
    ]
    good = [sent(f"{number}.jpg") for number in range(5)]
    answer = photos.accept(alice, [*bad, *good], PLAIN)
    assert [(one.name, one.code) for one in answer.refused] == [
        ("text.jpg", "invalid_file_type"), ("huge.png", "resolution_too_high"), ("empty.jpg", "failed_to_read_image"),
        ("drawing.svg", "invalid_file_type"), ("small.png", "image_too_small"),
    ]  # fmt: skip
    assert (answer.received, answer.accepted) == (10, 5)
    assert answer.refused[3].detail.startswith("Unsupported image format: SVG. ")
    assert answer.job
    assert list(answer.job.refusals.values_list("name", flat=True)) == [one.name for one in answer.refused]


def test_a_truncated_photo_counts_once_whatever_its_header_says(alice: User) -> None:
    for cut in (5, 100, len(PHOTO) - 50):
        answer = photos.accept(alice, [sent("cut.jpg", PHOTO[:cut]), sent("whole.jpg")], PLAIN)
        assert adds_up(answer)
        assert answer.received == 2
        assert answer.accepted >= 1


def test_nothing_accepted_makes_no_job_and_leaves_no_file(alice: User) -> None:
    before = files_on_disk()
    answer = photos.accept(alice, [sent("a.jpg", b"text"), sent("b.zip", b"PK\x03\x04")], PLAIN)
    assert (answer.job, answer.received, answer.accepted) == (None, 2, 0)
    assert [one.code for one in answer.refused] == ["invalid_file_type", "archive_unreadable"]
    assert not Job.objects.exists()
    assert files_on_disk() == before


def test_more_files_than_allowed_are_refused_one_by_one(alice: User, settings: Settings) -> None:
    settings.MAX_FILES = 3
    answer = photos.accept(alice, [sent(f"{number}.jpg") for number in range(5)], PLAIN)
    assert (answer.received, answer.accepted) == (5, 3)
    assert [(one.name, one.code) for one in answer.refused] == [
        ("3.jpg", "too_many_files"),
        ("4.jpg", "too_many_files"),
    ]


def test_equal_names_get_a_number(alice: User) -> None:
    zipped = sent("two.zip", packed({"a/cat.jpg": PHOTO, "b/CAT.jpg": PHOTO}))
    job = photos.accept(alice, [sent("cat.jpg"), zipped], PLAIN).job
    assert job
    names = job.uploads.order_by("position").values_list("name", "sent_name")
    assert list(names) == [("cat.jpg", "cat.jpg"), ("cat (2).jpg", "a/cat.jpg"), ("CAT (3).jpg", "b/CAT.jpg")]


# ---- ZIPs ----------------------------------------------------------------------------------------------------------


def test_a_zip_counts_its_entries_and_waits_to_be_unpacked(alice: User) -> None:
    data = packed({"x/": b"", "x/a.jpg": PHOTO, "x/b.jpg": PHOTO, "notes.txt": b"hello"})
    answer = photos.accept(alice, [sent("spring-2.zip", data)], PLAIN)
    assert answer.job
    assert (answer.received, answer.accepted, answer.job.name) == (3, 2, "spring-2")
    assert [(one.name, one.detail) for one in answer.refused] == [
        ("notes.txt", "Not a photo. Export it as PNG or JPEG.")
    ]
    kept = answer.job.archives.get()
    assert (kept.name, storage.read(kept.key)) == ("spring-2.zip", data)
    rows = answer.job.uploads.order_by("position")
    assert list(rows.values_list("name", "status", "source", "entry")) == [
        ("a.jpg", Status.NEW, "", 1), ("b.jpg", Status.NEW, "", 2)
    ]  # fmt: skip


def test_a_zip_that_is_refused_as_a_whole_counts_one(alice: User) -> None:
    bomb = sent("bomb.zip", by_hand(copies=3))
    answer = photos.accept(alice, [bomb, sent("cat.jpg")], PLAIN)
    assert (answer.received, answer.accepted) == (2, 1)
    assert [(one.name, one.code) for one in answer.refused] == [("bomb.zip", "archive_bomb")]


def test_a_zip_without_any_photo_is_not_kept(alice: User) -> None:
    before = files_on_disk()
    answer = photos.accept(alice, [sent("texts.zip", packed({"a.txt": b"a", "b.txt": b"b"}))], PLAIN)
    assert (answer.job, answer.received, len(answer.refused)) == (None, 2, 2)
    assert files_on_disk() == before


def test_climbing_names_write_nothing_outside_the_folder(alice: User, tmp_path: Path, settings: Settings) -> None:
    settings.FILES_DIR = tmp_path / "data" / "files"
    names = [f"../../../../../../{tmp_path}/a.jpg", f"{tmp_path}/b.jpg", "..\\..\\c.jpg"]
    job = photos.accept(alice, [sent("evil.zip", packed(dict.fromkeys(names, PHOTO)))], PLAIN).job
    assert job
    assert [upload.name for upload in job.uploads.order_by("position")] == ["a.jpg", "b.jpg", "c.jpg"]
    bring_archive(job.archives.get().pk)
    assert set(job.uploads.values_list("status", flat=True)) == {Status.QUEUED}
    written = [place for place in tmp_path.rglob("*") if place.is_file()]
    assert len(written) == 4  # the ZIP and its photos
    assert all(place.is_relative_to(settings.FILES_DIR) for place in written)
    assert not list(Path.cwd().glob("../*.jpg"))


def test_ten_thousand_entries_are_answered_in_seconds_and_little_memory(alice: User) -> None:
    file = TemporaryUploadedFile("large.zip", "application/zip", 0, None)
    file.write(many(10_000))
    file.size = file.tell()
    start = time.perf_counter()
    answer = photos.accept(alice, [file], PLAIN)
    assert answer.accepted == 10_000
    assert time.perf_counter() - start < 20  # a few seconds on an idle machine
    tracemalloc.start()
    assert not photos.look.at([file])[1]
    assert tracemalloc.get_traced_memory()[1] < 40_000_000
    tracemalloc.stop()


# ---- when something fails ------------------------------------------------------------------------------------------


def test_a_full_disk_refuses_before_anything_is_written(alice: User, settings: Settings) -> None:
    settings.FREE_SPACE_FLOOR = 10**18
    with pytest.raises(PhotoError, match="storage_full"):
        photos.accept(alice, [sent("cat.jpg")], PLAIN)
    assert not Job.objects.exists()


def test_a_model_that_is_not_installed_refuses_at_the_door(
    alice: User, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    with pytest.raises(PhotoError, match="model_not_installed"):
        photos.accept(alice, [sent("cat.jpg")], Recipe(model="u2netp"))


def test_a_failing_database_leaves_no_file_and_no_job(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    before = files_on_disk()

    def fail(uploads: object) -> None:
        assert len(files_on_disk() - before) == 2
        raise RuntimeError("the database is gone")

    monkeypatch.setattr(ledger, "create", fail)
    with pytest.raises(RuntimeError):
        photos.accept(alice, [sent("a.jpg"), sent("b.jpg")], PLAIN)
    assert files_on_disk() == before
    assert not Job.objects.exists()


def test_a_failing_disk_leaves_no_file_and_no_job(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    before, write = files_on_disk(), storage.write

    def fail_second(key: str, chunks: object) -> storage.Stored:
        if len(files_on_disk() - before) == 1:
            raise PhotoError("storage_full")
        return write(key, chunks)  # type: ignore[arg-type]

    monkeypatch.setattr(storage, "write", fail_second)
    with pytest.raises(PhotoError, match="storage_full"):
        photos.accept(alice, [sent("a.jpg"), sent("b.jpg")], PLAIN)
    assert files_on_disk() == before
    assert not Job.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_failure_after_the_commit_costs_no_photo(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("nobody could be told")

    monkeypatch.setattr(ledger.announce, "_publish", fail)
    with pytest.raises(RuntimeError):
        photos.accept(alice, [sent("a.jpg")], PLAIN, key="once")
    upload = Upload.objects.get()
    assert storage.read(upload.source) == PHOTO
    assert photos.accept(alice, [sent("a.jpg")], PLAIN, key="once").job == upload.job


# ---- open jobs -----------------------------------------------------------------------------------------------------


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
    before, write = files_on_disk(), storage.write

    def close_then_write(key: str, chunks: object) -> storage.Stored:
        photos.close(job)
        return write(key, chunks)  # type: ignore[arg-type]

    monkeypatch.setattr(storage, "write", close_then_write)
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
    failures: list[BaseException] = []

    def add() -> None:
        try:
            for _ in range(3):
                photos.add(job, [sent("cat.jpg"), sent("dog.jpg")])
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    rows = list(job.uploads.order_by("position").values_list("position", "name"))
    assert [position for position, _ in rows] == list(range(25))
    assert len({name.casefold() for _, name in rows}) == 25


# ---- the rest ------------------------------------------------------------------------------------------------------


def test_the_samples_are_an_astronaut_a_cat_and_coffee(alice: User) -> None:
    loaded = "skimage" in sys.modules
    job = photos.accept_samples(alice, PLAIN).job
    assert job
    assert list(job.uploads.order_by("position").values_list("name", "source_width")) == [
        ("astronaut.png", 512), ("chelsea.png", 451), ("coffee.png", 600)
    ]  # fmt: skip
    assert ("skimage" in sys.modules) == loaded


def test_a_person_with_a_zip_can_be_deleted(alice: User) -> None:
    photos.accept(alice, [sent("two.zip", packed({"a.jpg": PHOTO}))], PLAIN)
    alice.delete()
    assert not Archive.objects.exists()


def test_names_that_a_database_cannot_hold_come_in_cleaned(alice: User) -> None:
    zipped = packed({"a\ud7ff\u202e\x07.jpg": PHOTO, "x" * 3000 + ".jpg": PHOTO, "n" * 2000 + ".txt": b"text"})
    answer = photos.accept(alice, [sent("names.zip", zipped)], PLAIN)
    assert (answer.accepted, adds_up(answer)) == (2, True)
