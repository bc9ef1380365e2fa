"""The scratch space of a machine stays clean, and tells when it is full."""

import importlib
import os
import threading
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


class Hours(threading.Event):
    """Ends after so many."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout == 3600
        self.count -= 1
        return self.count < 0


def test_that_happens_each_hour_whatever_fails_once(space: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone, fails, real = left(space / "a", hours=2), [OSError("away")], scratch.clear

    def clear() -> None:
        if fails:
            raise fails.pop()
        real()

    monkeypatch.setattr(scratch, "clear", clear)
    scratch.keep_clear(Hours(1))
    assert gone.exists()
    scratch.keep_clear(Hours(1))
    assert not gone.exists()


def test_the_web_does_it_too() -> None:
    """As it may be the only one on its machine."""
    importlib.import_module("photoproc.asgi")
    assert "scratch" in {thread.name for thread in threading.enumerate()}


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
