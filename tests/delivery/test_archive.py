"""All results of a job as one ZIP that is made while it is sent."""

import csv
import io
import os
import tracemalloc
import zipfile
from collections import Counter
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.test import RequestFactory

from photoproc.addresses import storage_address
from processing import storage
from processing.delivery import archive
from processing.errors import PhotoError
from processing.models import Job, Status, Upload, Variant
from processing.storage import disk
from tests.bucket import Bucket, Fault, proxy
from tests.delivery import made
from tests.delivery.test_stream import open_files


async def gather(file: archive.Zip) -> bytes:
    return b"".join([piece async for piece in file.chunks])


def unpacked(job: Job) -> zipfile.ZipFile:
    file = archive.zip_of(job, job.uploads.all())
    content = async_to_sync(gather)(file)
    assert len(content) == file.size
    opened = zipfile.ZipFile(io.BytesIO(content))
    assert opened.testzip() is None
    return opened


def manifest(opened: zipfile.ZipFile) -> list[dict[str, str]]:
    text = opened.read("manifest.csv").decode()
    assert text.count("\r\n") == text.count("\n")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def done(job: Job, name: str, format: str = "png", **values: Any) -> Upload:
    upload = made.upload(job, name, **values)
    made.variant(upload, "result", f"result of {name}".encode(), format)
    made.variant(upload, "thumbnail", b"small", "webp")
    return upload


@pytest.fixture
def job(alice: User) -> Job:
    return made.job(alice)


def test_it_holds_each_result_and_the_manifest(anywhere: str, job: Job) -> None:
    done(job, "shoe.jpg", facts={"model": "u2netp", "model_checksum": "309c"})
    done(job, "Schöne Tasse ☀.jpeg", "webp")
    opened = unpacked(job)
    assert opened.namelist() == ["shoe.png", "Schöne Tasse ☀.webp", "manifest.csv"]
    assert opened.read("shoe.png") == b"result of shoe.jpg"
    assert manifest(opened)[0] == {
        "input name": "shoe.jpg",
        "output name": "shoe.png",
        "state": "completed",
        "error": "",
        "recipe": '{"remove_bg": true, "model": "u2netp"}',
        "model": "u2netp",
        "model checksum": "309c",
    }


def test_each_of_several_results_is_in_it_and_has_its_line(job: Job) -> None:
    group = done(job, "group.jpg")
    for number in (10, 3, 2):
        made.variant(group, f"result-{number}", f"face {number}".encode(), "png")
    for other in ("thumbnail", "thumbnail-2", "preview", "source-preview"):
        made.variant(group, other, b"small", "webp")
    done(job, "group-2.jpg")
    opened = unpacked(job)
    assert opened.namelist()[:-1] == ["group.png", "group-2.png", "group-3.png", "group-10.png", "group-2 (2).png"]
    assert [opened.read(name) for name in opened.namelist()[1:4]] == [b"face 2", b"face 3", b"face 10"]
    lines = [(row["input name"], row["output name"], row["state"]) for row in manifest(opened)]
    assert lines[:2] == [("group.jpg", "group.png", "completed"), ("group.jpg", "group-2.png", "completed")]
    assert [name for _, name, _ in lines] == opened.namelist()[:-1]


def test_an_extra_size_lies_beside_its_result(job: Job) -> None:
    for name in ("hero", "web"):
        made.variant(done(job, f"{name}.jpg"), name, b"large", "webp")
    assert unpacked(job).namelist()[:-1] == ["hero.png", "hero-hero.webp", "web.png", "web-web.webp"]


def test_one_of_several_results_that_is_gone_is_named(anywhere: str, job: Job) -> None:
    group = done(job, "group.jpg")
    storage.delete([made.variant(group, "result-2", b"face", "png").key])
    first, second = manifest(unpacked(job))
    assert (first["output name"], first["error"]) == ("group.png", "")
    assert (second["output name"], second["error"]) == ("", "The file is not there any more.")


def test_what_failed_stands_in_the_manifest_with_its_reason(job: Job) -> None:
    done(job, "shoe.jpg")
    made.upload(job, "notes.jpg", Status.FAILED, error_message="Unsupported image format: TXT.", error_code="x")
    made.upload(job, "late.jpg", Status.QUEUED)
    failed, queued = manifest(unpacked(job))[1:]
    assert (failed["output name"], failed["state"]) == ("", "failed")
    assert failed["error"] == "Unsupported image format: TXT."
    assert (queued["output name"], queued["state"], queued["error"]) == ("", "queued", "")


def test_a_photo_s_own_recipe_is_named(job: Job) -> None:
    done(job, "shoe.jpg", recipe={"remove_bg": False})
    assert manifest(unpacked(job))[0]["recipe"] == '{"remove_bg": false}'


def test_the_recipe_is_the_one_that_the_result_was_made_with(job: Job) -> None:
    done(job, "shoe.jpg", status=Status.QUEUED, recipe={"remove_bg": False}, facts={"recipe": {"crop_face": True}})
    assert manifest(unpacked(job))[0]["recipe"] == '{"crop_face": true}'


def test_names_never_collide(job: Job) -> None:
    for name in ("a.jpg", "a.png", "A.webp", "a (2).jpg", "manifest.csv", "a.gif"):
        done(job, name)
    made.variant(job.uploads.get(name="manifest.csv"), "result", b"", "csv")
    names = unpacked(job).namelist()
    assert names[:2] == ["a.png", "a (2).png"]
    assert len({name.casefold() for name in names}) == len(names) == 7
    assert [row["output name"] for row in manifest(unpacked(job))] == names[:-1]


def test_names_stay_inside(job: Job) -> None:
    done(job, "../../evil.jpg")
    done(job, "..\\evil.jpg")
    assert unpacked(job).namelist() == ["evil.png", "evil (2).png", "manifest.csv"]


def test_a_file_that_is_gone_is_named_and_the_rest_goes_out(anywhere: str, job: Job) -> None:
    gone = done(job, "gone.jpg")
    done(job, "shoe.jpg")
    storage.delete([gone.variants.get(name="result").key])
    opened = unpacked(job)
    assert opened.namelist() == ["shoe.png", "manifest.csv"]
    assert manifest(opened)[0]["error"] == "The file is not there any more."


def test_a_file_that_goes_meanwhile_breaks_the_answer_off(anywhere: str, job: Job) -> None:
    upload = done(job, "shoe.jpg")
    file = archive.zip_of(job, job.uploads.all())
    storage.delete([upload.variants.get(name="result").key])
    with pytest.raises(PhotoError, match="The file is not there any more"):
        async_to_sync(gather)(file)


def test_no_cell_of_the_manifest_runs(job: Job) -> None:
    done(job, "=cmd.jpg", sent_name="=cmd|'/c calc'!A1.jpg")
    row = manifest(unpacked(job))[0]
    assert row["input name"] == "'=cmd|'/c calc'!A1.jpg"
    assert row["output name"] == "'=cmd.png"


def test_an_empty_job_gives_the_manifest_alone(job: Job) -> None:
    opened = unpacked(job)
    assert opened.namelist() == ["manifest.csv"]
    assert manifest(opened) == []


@pytest.mark.parametrize(
    ("name", "filename"),
    [("Spring", "Spring.zip"), ("a/b\\c", "a-b-c.zip"), ("in.zip", "in.zip"), ("x\r\ny", "xy.zip")],
)
def test_the_zip_is_named_after_the_job(job: Job, name: str, filename: str) -> None:
    job.name = name
    assert archive.zip_of(job, job.uploads.all()).filename == filename


def test_the_answer_says_its_size_and_is_saved(job: Job) -> None:
    file = archive.zip_of(job, job.uploads.all())
    response = archive.response(RequestFactory().get("/"), file)
    assert response.headers["Content-Length"] == str(file.size)
    assert response.headers["Content-Type"] == "application/zip"
    assert response.headers["Content-Disposition"] == 'attachment; filename="Spring.zip"'
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    response.close()


def test_the_number_of_queries_does_not_grow_with_the_photos(job: Job, django_assert_num_queries: Any) -> None:
    for number in range(12):
        done(job, f"{number}.jpg")
    with django_assert_num_queries(2):
        archive.zip_of(job, job.uploads.all())


def test_a_client_that_goes_away_leaves_nothing_open(job: Job) -> None:
    upload = done(job, "shoe.jpg")
    place = disk.path(upload.variants.get(name="result").key)
    place.write_bytes(bytes(2_000_000))
    response = archive.response(RequestFactory().get("/"), archive.zip_of(job, job.uploads.all()))

    async def begin() -> bytes:
        return await anext(aiter(response))

    assert async_to_sync(begin)()
    assert str(place) in open_files()
    response.close()
    assert str(place) not in open_files()


def test_a_bucket_is_asked_once_for_all_files_and_once_for_each_that_is_sent(
    bucket: Bucket, job: Job, settings: Any
) -> None:
    for number in range(5):
        made.variant(done(job, f"{number}.jpg"), "web", b"large", "webp")
    with proxy(bucket) as before:
        settings.STORAGE = storage_address(before.url)
        assert len(unpacked(job).namelist()) == 11
        asked = Counter(before.seen)
        assert (asked[f"HEAD /{bucket.name}"], asked[f"GET /{bucket.name}"]) == (1, 1)
        assert sum(asked.values()) == 12
        before.seen.clear()
        assert len(several().namelist()) == 11
        assert len(before.seen) == 11


@pytest.mark.parametrize("which", ["of a job", "of several"])
def test_a_bucket_that_fails_in_the_middle_breaks_the_answer_off(
    which: str, bucket: Bucket, job: Job, settings: Any
) -> None:
    for name in ("cup.jpg", "shoe.jpg"):
        done(job, name)
    with proxy(bucket) as before:
        settings.STORAGE = storage_address(before.url)
        photos = job.uploads.all()
        file = archive.zip_of(job, photos) if which == "of a job" else archive.zip_of_many(photos)
        before.faults, before.always = [None], Fault(cut_answer=True)
        with pytest.raises(PhotoError) as caught:
            async_to_sync(gather)(file)
    assert caught.value.code == "storage_unavailable"


@pytest.mark.parametrize("which", ["of a job", "of several"])
def test_a_place_that_does_not_answer_is_told_before_anything_is_sent(
    which: str, bucket: Bucket, job: Job, settings: Any
) -> None:
    done(job, "shoe.jpg")
    bucket.vanish()
    with pytest.raises(PhotoError) as caught:
        archive.zip_of(job, job.uploads.all()) if which == "of a job" else archive.zip_of_many(job.uploads.all())
    assert caught.value.code == "storage_unavailable"


def test_of_several_jobs_one_that_is_gone_is_named(anywhere: str, job: Job) -> None:
    gone = done(job, "gone.jpg")
    done(job, "shoe.jpg")
    storage.delete([gone.variants.get(name="result").key])
    opened = several()
    assert opened.namelist() == ["Spring/shoe.png", "manifest.csv"]
    assert [line["error"] for line in manifest(opened)] == ["The file is not there any more.", ""]


def test_photos_of_several_jobs_have_a_folder_for_each(anywhere: str, alice: User, bob: User) -> None:
    jobs = [made.job(alice), made.job(bob), made.job(bob, "a/b.zip")]
    for job in jobs:
        done(job, "shoe.jpg")
        done(job, "shoe.png")
    made.upload(jobs[0], "late.jpg", Status.FAILED, error_message="Too late.")
    opened = several()
    assert opened.namelist() == [
        "Spring/shoe.png", "Spring/shoe (2).png", "Spring (2)/shoe.png", "Spring (2)/shoe (2).png",
        "a-b/shoe.png", "a-b/shoe (2).png", "manifest.csv",
    ]  # fmt: skip
    assert opened.read("Spring (2)/shoe.png") == b"result of shoe.jpg"
    lines = manifest(opened)
    assert [row["output name"] for row in lines if row["output name"]] == opened.namelist()[:-1]
    assert (lines[2]["input name"], lines[2]["error"]) == ("late.jpg", "Too late.")


def several() -> zipfile.ZipFile:
    opened = zipfile.ZipFile(io.BytesIO(async_to_sync(gather)(archive.zip_of_many(Upload.objects.all()))))
    assert opened.testzip() is None
    return opened


def test_of_several_jobs_some_are_read_at_a_time(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "SOME", 2)
    for number in range(5):
        done(job, f"{number}.jpg")
    file = archive.zip_of_many(job.uploads.filter(position__lt=4))
    assert (archive.response(RequestFactory().get("/"), file).get("Content-Length"), file.size) == (None, None)
    assert several().namelist() == [*(f"Spring/{number}.png" for number in range(5)), "manifest.csv"]


def test_memory_stays_flat(job: Job) -> None:
    large = disk.path(done(job, "large.jpg").variants.get(name="result").key)
    os.truncate(large, 200_000_000)
    _many(job, 2000, done(job, "small.jpg").variants.get(name="result").key)

    async def drain(file: archive.Zip) -> int:
        return sum([len(piece) async for piece in file.chunks])

    tracemalloc.start()
    file = archive.zip_of(job, job.uploads.all())
    sent = async_to_sync(drain)(file)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    large.unlink()
    assert sent == file.size
    assert sent > 200_000_000
    assert peak < 12_000_000


def _many(job: Job, count: int, key: str) -> None:
    uploads = Upload.objects.bulk_create(
        Upload(job=job, position=n + 10, name=f"{n}.jpg", sent_name=f"{n}.jpg", status=Status.COMPLETED)
        for n in range(count)
    )
    Variant.objects.bulk_create(
        Variant(upload=one, name="result", status=Variant.Status.COMPLETED, key=key, format="png") for one in uploads
    )
