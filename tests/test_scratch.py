"""The scratch space of a machine stays clean, and tells when it is full."""

import os
import time
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from photoproc.addresses import StorageAddress
from processing import scratch


@pytest.fixture(autouse=True)
def space(settings: Settings, tmp_path: Path) -> Path:
    settings.TMP_DIR = tmp_path / "tmp"
    settings.TMP_DIR.mkdir()
    return tmp_path / "tmp"


def left(place: Path, *, hours: float) -> Path:
    place.write_bytes(b"half an upload")
    then = time.time() - hours * 3600
    os.utime(place, (then, then))
    return place


def test_what_a_killed_process_left_is_removed_and_what_somebody_has_open_stays(space: Path) -> None:
    gone, held, young = (left(space / name, hours=hours) for name, hours in (("a", 2), ("b", 2), ("c", 0.5)))
    with held.open("rb"):
        scratch.clear()
    assert (gone.exists(), held.exists(), young.exists()) == (False, True, True)


def test_a_folder_that_a_killed_process_left_is_removed_too(space: Path) -> None:
    places = []
    for name, hours in (("gone", 2), ("held", 2), ("young", 0.5)):
        (space / name / "in it").mkdir(parents=True)
        places.append(left(space / name / "in it" / "a", hours=hours))
        for folder in (space / name / "in it", space / name):
            os.utime(folder, (time.time() - 7200,) * 2)
    with places[1].open("rb"):
        scratch.clear()
    assert [place.exists() for place in places] == [False, True, True]
    assert not (space / "gone").exists()


def test_what_others_remove_at_the_same_moment_is_no_trouble(space: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = left(space / "a", hours=2)
    monkeypatch.setattr(Path, "iterdir", lambda folder: iter([there, folder / "gone"]))
    scratch.clear()
    assert not there.exists()


def test_full_scratch_space_is_told_where_files_lie_in_a_bucket(settings: Settings, space: Path) -> None:
    settings.STORAGE = StorageAddress("s3", "photos")
    assert scratch.trouble() == ""
    settings.FREE_SPACE_FLOOR = 10**18
    assert scratch.trouble().endswith(f" free in {space}, less than 1000000 TB")
    settings.STORAGE = None
    assert scratch.trouble() == "", "where they lie on a disk, the storage tells it"
