"""Files out of reach are not gone, what cannot be removed is found later, and what is not ours is left alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from processing import housekeeping, inventory, storage
from processing.delivery import links
from processing.errors import PhotoError
from processing.models import Job, Remembered, Upload
from processing.storage import disk
from tests import make
from tests.test_retention import make_older

SignIn = Callable[[User], Client]


def taken_away(settings: Any) -> None:
    """As where a disk is no longer mounted."""
    settings.FILES_DIR.rename(settings.FILES_DIR.with_name("away"))
    settings.FILES_DIR.mkdir()


@pytest.fixture
def upload(alice: User) -> Upload:
    return make.finish(make.upload(alice))


# ---- out of reach, or gone ------------------------------------------------------------------------------------------


def addresses(upload: Upload) -> list[str]:
    job, files = f"/jobs/{upload.job_id}/results.zip", f"/photos/{upload.pk}/files"
    return [f"{files}/result", f"{files}/original", job, f"/api/v1{job}", f"/api/v1/uploads/{upload.pk}/result"]


def test_where_storage_does_not_answer_no_photo_is_said_to_be_gone(
    upload: Upload, alice: User, as_user: SignIn, settings: Settings
) -> None:
    taken_away(settings)
    for path in addresses(upload):
        answer = as_user(alice).get(path)
        assert (path, answer.status_code, "Storage does not answer." in answer.content.decode()) == (path, 503, True)


def test_a_file_that_is_gone_is_404(upload: Upload, alice: User, as_user: SignIn) -> None:
    storage.delete([upload.source, *upload.variants.values_list("key", flat=True)])
    statuses = [as_user(alice).get(path).status_code for path in addresses(upload)]
    assert statuses == [404, 404, 200, 200, 404]  # the manifest of a ZIP says it


def test_operators_are_told_so_before_a_zip_of_everybodys_begins(
    upload: Upload, otto: User, as_user: SignIn, settings: Settings
) -> None:
    otto.user_permissions.add(Permission.objects.get(codename="download_upload"))
    taken_away(settings)
    answer = as_user(otto).post(reverse("queue-download"), {"upload": upload.pk})
    assert (answer.status_code, "Storage does not answer." in answer.content.decode()) == (503, True)


def test_whoever_has_a_link_is_told_to_come_again(upload: Upload, client: Client, settings: Settings) -> None:
    address = urlsplit(links.address(links.renew(upload.job), upload.pk, upload.name, "result", "png")).path
    assert client.head(address).status_code == 200
    taken_away(settings)
    assert client.get(address).status_code == 503


# ---- the mark -------------------------------------------------------------------------------------------------------


def another_process(settings: Any, folder: Path) -> None:
    """One that has asked nothing yet, with its files in this folder."""
    disk._known.clear()
    settings.FILES_DIR = folder


def test_a_folder_goes_on_wherever_it_is_moved_or_mounted(upload: Upload, settings: Any, tmp_path: Path) -> None:
    assert Remembered.objects.get(name="storage").value == (settings.FILES_DIR / storage.MARK).read_text().strip()
    settings.FILES_DIR.rename(tmp_path / "mounted here")
    another_process(settings, tmp_path / "mounted here")
    assert storage.read(upload.source)


def test_a_folder_with_an_empty_mark_of_an_older_version_gets_an_id(upload: Upload, settings: Any) -> None:
    Remembered.objects.all().delete()
    (settings.FILES_DIR / storage.MARK).write_text("")
    storage.check()
    assert Remembered.objects.get(name="storage").value == (settings.FILES_DIR / storage.MARK).read_text().strip()


def test_a_folder_that_came_back_without_its_mark_is_known_by_its_files(upload: Upload, settings: Any) -> None:
    remembered = (settings.FILES_DIR / storage.MARK).read_text()
    (settings.FILES_DIR / storage.MARK).unlink()
    another_process(settings, settings.FILES_DIR)
    storage.check()
    assert (settings.FILES_DIR / storage.MARK).read_text() == remembered


def test_another_folder_is_not_worked_with_though_the_house_has_no_photo_yet(
    db: None, settings: Any, tmp_path: Path
) -> None:
    storage.check()
    another_process(settings, tmp_path / "empty")
    with pytest.raises(PhotoError, match="storage_unavailable"):
        storage.write("7/412/results/a.png", [b"1"])
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / storage.MARK).write_text("disk:another")
    with pytest.raises(storage.Elsewhere):
        storage.check()
    storage.moved()
    assert Remembered.objects.get(name="storage").value == "disk:another"


def test_where_all_files_are_lost_an_operator_says_that_they_lie_here_now(upload: Upload, settings: Any) -> None:
    taken_away(settings)
    with pytest.raises(PhotoError, match="storage_unavailable"):
        storage.check()
    storage.moved()
    with pytest.raises(PhotoError, match="original_missing"):
        storage.read(upload.source)


def test_a_new_house_works_in_no_folder_that_another_one_has_filled(upload: Upload, settings: Any) -> None:
    """As after the loss of its database."""
    known = Remembered.objects.get()
    Job.objects.all().delete()
    known.delete()
    another_process(settings, settings.FILES_DIR)
    for _ in range(2):
        with pytest.raises(storage.Foreign):
            storage.check()
        with pytest.raises(storage.Foreign):
            housekeeping.clear_folders()
    assert disk.path(upload.source).exists()
    storage.moved()
    storage.check()


# ---- removing -------------------------------------------------------------------------------------------------------


def test_what_cannot_be_removed_is_logged_and_the_rest_goes(
    upload: Upload, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = upload.source, upload.variants.exclude(key="").order_by("pk")[0]
    unlink = Path.unlink

    def unmounted(place: Path, missing_ok: bool = False) -> None:
        if place == disk.path(bad):
            raise OSError(5, "Input/output error")
        unlink(place, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", unmounted)
    storage.delete([bad, "", good.key])
    assert (storage.holds(bad), storage.holds(good.key)) == (True, False)
    assert bad in caplog.text


# ---- what is not ours -----------------------------------------------------------------------------------------------


def test_links_and_folders_that_are_not_ours_are_left_alone(upload: Upload, alice: User, tmp_path: Path) -> None:
    (tmp_path / "precious.png").write_bytes(b"1")
    odd = storage.write(f"{alice.pk}/4711/results/a.png", [b"1"])
    make_older(odd.key, hours=2)
    place = disk.path(odd.key)
    (place.parent / "b.png").symlink_to(tmp_path / "precious.png")
    (place.parent.parent / "more").symlink_to(tmp_path)
    for name in ("backup/7", "7/lost+found", f"{'9' * 30}/7", "backup/backgrounds"):
        disk.path(name).mkdir(parents=True)
        (disk.path(name) / "c.png").write_bytes(b"1")
    disk.path("linked").symlink_to(tmp_path)
    disk.path("8").mkdir()
    (disk.path("8") / "9").symlink_to(tmp_path)
    found = list(inventory.compare())
    assert [seen.key for one in found for seen in one.unnamed] == [odd.key]
    for one in found:
        inventory.remove(one)
    assert (place.exists(), (tmp_path / "precious.png").exists()) == (False, True)
    assert set(storage.folders()) == {f"{alice.pk}/{upload.job_id}", f"{alice.pk}/4711"}


def test_whether_a_file_is_there_cannot_be_told_of_a_bad_disk(upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def stat(self) -> None:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(disk, "path", lambda key: Broken())
    with pytest.raises(PhotoError, match="storage_unavailable"):
        storage.holds(upload.source)
