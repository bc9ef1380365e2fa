"""What comes in through the door, with real files and rows behind it."""

import hashlib
import struct
import sys
import time
import tracemalloc
import zlib
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import TemporaryUploadedFile
from pytest_django.fixtures import Settings

from processing import storage
from processing.intake import look, photos
from processing.intake.bring import bring_archive
from processing.intake.photos import Answer
from processing.models import Archive, Job, Status
from processing.recipe import Recipe
from tests.conftest import picture
from tests.intake.packing import PHOTO, by_hand, files_on_disk, many, packed, sent
from tests.make import PLAIN

pytestmark = pytest.mark.django_db


def adds_up(answer: Answer) -> bool:
    told = answer.to_json()
    return bool(told["received"] == told["accepted"] + len(told["refused"]))


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
    assert cat.source_sha256 == hashlib.sha256(PHOTO).hexdigest()
    assert answer.to_json() == {"job_id": job.pk, "status": "queued", "received": 2, "accepted": 2, "refused": []}


@pytest.mark.parametrize(
    ("names", "open", "title"),
    [
        (["cat.jpg"], False, "cat"),
        (["../spring-2.jpg", "b.jpg", "c.jpg"], False, "spring-2 and 2 more"),
        (["cat.jpg", "b.jpg"], True, "cat"),  # until it closes
    ],
)
def test_a_job_is_named_after_its_first_file(alice: User, names: list[str], open: bool, title: str) -> None:
    job = photos.accept(alice, [sent(name) for name in names], PLAIN, open=open).job
    assert job
    assert job.name == title


def test_how_many_came_with_it_is_read_with_ease() -> None:
    assert photos.title_of(["cat.jpg"] * 1500) == "cat and 1,499 more"


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
    beside = set(Path.cwd().glob("../*.jpg"))
    names = [f"../../../../../../{tmp_path}/a.jpg", f"{tmp_path}/b.jpg", "..\\..\\c.jpg", "C:\\d.jpg", "set/e..f.jpg"]
    answer = photos.accept(alice, [sent("evil.zip", packed(dict.fromkeys(names, PHOTO)))], PLAIN)
    assert answer.job
    assert [one.code for one in answer.refused] == ["archive_entry_skipped"] * 4
    assert "points outside the ZIP" in answer.refused[0].detail
    assert [upload.name for upload in answer.job.uploads.all()] == ["e..f.jpg"]
    bring_archive(answer.job.archives.get().pk)
    assert set(answer.job.uploads.values_list("status", flat=True)) == {Status.QUEUED}
    written = [place for place in tmp_path.rglob("*") if place.is_file()]
    assert len(written) == 3  # the ZIP, its photo, and the mark of the folder
    assert all(place.is_relative_to(settings.FILES_DIR) for place in written)
    assert set(Path.cwd().glob("../*.jpg")) == beside


def test_ten_thousand_entries_are_answered_in_seconds_and_little_memory(alice: User) -> None:
    file = TemporaryUploadedFile("large.zip", "application/zip", 0, None)
    file.write(many(10_000))
    file.size = file.tell()
    start = time.perf_counter()
    answer = photos.accept(alice, [file], PLAIN)
    assert answer.accepted == 10_000
    assert time.perf_counter() - start < 20  # a few seconds on an idle machine
    tracemalloc.start()
    assert not look.at([file])[1]
    assert tracemalloc.get_traced_memory()[1] < 40_000_000
    tracemalloc.stop()


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
