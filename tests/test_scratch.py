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
    (space / "folder").mkdir()
    with held.open("rb"):
        scratch.clear()
    assert (gone.exists(), held.exists(), young.exists()) == (False, True, True)
    assert (space / "folder").is_dir()


def test_full_scratch_space_is_told_where_files_lie_in_a_bucket(settings: Settings, space: Path) -> None:
    settings.STORAGE = StorageAddress("s3", "photos")
    assert scratch.trouble() == ""
    settings.FREE_SPACE_FLOOR = 10**18
    assert scratch.trouble().endswith(f" free in {space}, less than 1000000 TB")
    settings.STORAGE = None
    assert scratch.trouble() == "", "where they lie on a disk, the storage tells it"
