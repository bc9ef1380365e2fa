"""Photos of an older system come in as they are, once."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from processing import progress, storage, tasks
from processing.dispatch import Dispatcher
from processing.errors import PhotoError
from processing.intake import adopt
from processing.intake.adopt import Adopted
from processing.models import Job, Status, Upload, Variant
from tests import make
from tests.intake.packing import files_on_disk
from tests.pictures import picture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two shoes of one name, a text that says it is a photo, a hidden file, a link."""
    top = tmp_path / "Old shop"
    (top / "left").mkdir(parents=True)
    (top / "shoe.jpg").write_bytes(picture(width=90))
    (top / "left" / "shoe.jpg").write_bytes(picture(width=100))
    (top / "text.png").write_text("not a photo")
    (top / ".hidden.jpg").write_bytes(picture())
    (top / "linked.jpg").symlink_to(top / "shoe.jpg")
    return top


def taken(folder: Path, owner: User, name: str = "", *, dry_run: bool = False) -> Adopted:
    far = Adopted()
    for far in adopt.adopt(folder, owner, name, dry_run=dry_run):  # noqa: B007  the last one counts
        pass
    return far


def test_each_photo_is_completed_and_its_result_is_the_file(folder: Path, alice: User) -> None:
    far = taken(folder, alice)
    assert (far.photos, far.here, [(path, error.code) for path, error in far.refused]) == (
        2, 0, [("text.png", "invalid_file_type")]
    )  # fmt: skip
    job = Job.objects.get()
    assert (job.name, job.owner, job.deleted_at, progress.of(job).status) == ("Old shop", alice, None, "completed")
    uploads = {upload.sent_name: upload for upload in job.uploads.all()}
    assert {path: upload.name for path, upload in uploads.items()} == {
        "shoe.jpg": "shoe.jpg", "left/shoe.jpg": "shoe (2).jpg"
    }  # fmt: skip
    for path, upload in uploads.items():
        result = upload.variants.get(name="result")
        assert storage.read(upload.source) == storage.read(result.key) == (folder / path).read_bytes()
        assert (upload.source_width, result.format) == (result.width, "jpg")


def test_its_recipe_says_that_nothing_was_done(folder: Path, alice: User, as_user: Callable[[User], Client]) -> None:
    taken(folder, alice)
    upload = Upload.objects.order_by("pk")[0]
    assert upload.facts["recipe"]["remove_bg"] is False
    client = as_user(alice)
    assert "Background kept" in client.get(f"/jobs/{upload.job_id}/").text
    assert "<dt>Made</dt><dd>Elsewhere, and taken as it is</dd>" in client.get(f"/photos/{upload.pk}/").text


def test_a_second_time_takes_what_is_new(folder: Path, alice: User, bob: User) -> None:
    taken(folder, alice)
    (folder / "shoe.jpg").write_bytes(picture(width=110))
    far = taken(folder, alice, "Later")
    assert (far.photos, far.here) == (1, 1)
    assert list(Job.objects.order_by("pk").values_list("name", flat=True)) == ["Old shop", "Later"]
    assert taken(folder, bob).photos == 2


def test_a_dry_run_takes_nothing(folder: Path, alice: User) -> None:
    before = files_on_disk()
    far = taken(folder, alice, dry_run=True)
    assert (far.photos, far.bytes) == (2, sum(len(place.read_bytes()) for place in folder.rglob("shoe.jpg")))
    assert files_on_disk() == before
    assert not Job.objects.exists()


def test_who_is_killed_half_way_goes_on(folder: Path, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adopt, "HANDFUL", 1)
    steps = adopt.adopt(folder, alice)
    next(steps)
    steps.close()
    far = taken(folder, alice)
    assert (far.photos, far.here) == (1, 1)
    assert Upload.objects.filter(status=Status.COMPLETED).count() == 2


def test_the_job_is_hidden_until_its_first_photos_are_written_down(folder: Path, alice: User) -> None:
    steps = adopt.adopt(folder, alice)
    next(steps)
    assert Job.objects.get().deleted_at
    steps.close()
    assert taken(folder, alice).photos == 2


def test_what_is_cut_short_is_refused(folder: Path, alice: User) -> None:
    (folder / "shoe.jpg").write_bytes(picture(width=90)[:-200])
    far = taken(folder, alice)
    assert far.photos == 1
    assert [(path, str(error)) for path, error in far.refused if path == "shoe.jpg"] == [
        ("shoe.jpg", "failed_to_read_image: The file cannot be read: it is cut short.")
    ]


def test_a_full_disk_stops_it_with_a_sentence(folder: Path, alice: User, settings: Settings) -> None:
    settings.FREE_SPACE_FLOOR = 10**18
    with pytest.raises(PhotoError, match="storage_full"):
        taken(folder, alice)


def test_io_makes_their_small_pictures_and_a_redo_keeps_the_original(folder: Path, alice: User) -> None:
    taken(folder, alice)
    for pk in Dispatcher().thumbnails():
        tasks.make_thumbnail(pk)
    upload = Upload.objects.order_by("pk")[0]
    made = upload.variants.filter(status=Variant.Status.COMPLETED).values_list("name", flat=True)
    assert set(made) == {"result", "source-thumbnail", "source-preview", "thumbnail", "preview"}
    Upload.objects.filter(pk=upload.pk).update(status=Status.QUEUED, recipe=make.PLAIN.to_json())
    make.finish(upload)
    assert storage.read(upload.source) == (folder / upload.sent_name).read_bytes()
