"""How many workers are best: it is tried with the real pipeline, and leaves nothing behind."""

import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import cv2
import pytest

from processing import accelerator, crew, measured, queue, storage, trial

pytestmark = pytest.mark.django_db  # it tells where files lie


@pytest.fixture(autouse=True)
def opencv_has_one_thread() -> Iterator[None]:
    """As in the process that tries it: what forks while OpenCV has others has children that wait for them for ever."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    yield
    cv2.setNumThreads(before)


def rated(monkeypatch: pytest.MonkeyPatch, settings: Any, rates: dict[int, float], memory: int = 0) -> None:
    """A machine with two cores that makes so many photos per second, by the number of workers."""

    def turn(size: int, job: int, key: str) -> tuple[float, int]:
        assert storage.size(key)
        return rates[size], memory

    settings.CORES = 2
    monkeypatch.setattr(trial, "_turn", turn)


@pytest.mark.parametrize(("rates", "workers"), [
    ({1: 3.0, 2: 5.0, 3: 7.0}, 3),
    ({1: 6.0, 2: 5.0, 3: 5.2}, 2),  # by chance, perhaps
    ({1: 7.0, 2: 5.0, 3: 6.0}, 1),
])  # fmt: skip
def test_what_makes_clearly_the_most_photos_is_best(
    rates: dict[int, float], workers: int, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rated(monkeypatch, settings, rates)
    assert trial.best(7) == {"workers": workers, "rates": rates}


def test_workers_that_find_no_room_in_memory_are_not_tried(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rated(monkeypatch, settings, {1: 3.0}, memory=10**15)
    assert trial.best(7) == {"workers": 1, "rates": {1: 3.0}}


def test_a_number_at_which_a_worker_is_lost_is_not_chosen_and_no_larger_one_is_tried(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rated(monkeypatch, settings, {1: 3.0, 2: 0.0})
    assert trial.best(7) == {"workers": 1, "rates": {1: 3.0, 2: 0.0}}


def test_where_no_photo_can_be_made_nothing_is_found_out(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rated(monkeypatch, settings, dict.fromkeys((1, 2, 3), 0.0))
    with pytest.raises(RuntimeError):
        trial.best(7)


@pytest.mark.parametrize("cores", [1, 2])  # with one thread the weights are shared
def test_a_worker_of_the_trial_makes_photos_and_stores_them(
    cores: int, settings: Any, monkeypatch: pytest.MonkeyPatch, data: Path
) -> None:
    """A real one, in a process of its own."""
    monkeypatch.setattr(trial, "LASTS", 0)
    settings.CORES = cores
    key = storage.new_key(trial.NOBODY, 7, "originals", "jpg")
    storage.write(key, [accelerator.PHOTO.read_bytes()])
    rate, memory = trial._turn(1, 7, key)
    assert rate > 0
    assert memory > 50_000_000
    assert len([file for file in settings.FILES_DIR.rglob("results/*") if file.is_file()]) >= 2


def test_a_worker_of_the_trial_that_is_killed_holds_up_nobody(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of two, as a machine does that is short of memory."""

    def make(job: int, key: str) -> None:
        with suppress(FileExistsError):
            (tmp_path / "killed").touch(exist_ok=False)
            os.kill(os.getpid(), signal.SIGKILL)

    settings.CORES = 4
    monkeypatch.setattr(trial, "LASTS", 0)
    monkeypatch.setattr(trial, "_make", make)
    rate, memory = trial._turn(2, 7, "key")
    assert rate == 0
    assert memory > 0


@pytest.fixture
def first_start(settings: Any, data: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    settings.WORKERS, settings.CORES = 0, 4
    monkeypatch.setattr(trial, "connection", Mock())  # the test's own transaction goes on
    return monkeypatch


def stored(job: int) -> str:
    key = storage.new_key(trial.NOBODY, job, "originals", "jpg")
    storage.write(key, [b"a photo"])
    return key


def test_what_was_found_is_remembered_and_the_files_are_removed(first_start: pytest.MonkeyPatch, settings: Any) -> None:
    first_start.setattr(trial, "best", lambda job: {"workers": len(stored(job)) and 5})
    assert trial.is_due()
    trial.settle()
    assert (crew.usual(queue.PHOTOS), trial.is_due()) == (5, False)
    assert not [file for file in settings.FILES_DIR.glob("0/**/*") if file.is_file()]


def test_a_trial_that_takes_too_long_is_told_and_not_repeated(
    first_start: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first_start.setattr(trial, "PATIENCE", 0.01)
    first_start.setattr(trial, "best", lambda job: signal.pause())
    trial.settle()
    assert "how many workers are best could not be tried (-9): one per core" in caplog.text
    assert (crew.usual(queue.PHOTOS), trial.is_due()) == (4, False)


def test_a_trial_that_fails_is_told_and_tried_again_at_the_next_start(
    first_start: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first_start.setattr(trial, "best", lambda job: sys.exit(1))
    trial.settle()
    assert "how many workers are best could not be tried (1): one per core" in caplog.text
    assert (crew.usual(queue.PHOTOS), trial.is_due()) == (4, True)


@pytest.mark.parametrize("kill", [os.kill, os.killpg])
def test_a_start_that_is_stopped_in_the_midst_of_its_trial_ends_quietly(
    kill: Any, first_start: pytest.MonkeyPatch, settings: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    """It alone is asked to, or all of its processes are; none stays behind."""
    seen, began = os.pipe()

    def best(job: int) -> None:
        stored(job)
        worker = trial._begun(1, job, "key")
        signal.pause()
        worker.close()

    def work(*args: Any) -> None:
        os.write(began, b"!")
        signal.pause()

    def start() -> None:
        first_start.setattr(trial, "best", best)
        first_start.setattr(trial, "_work", work)
        os.setsid()
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        trial.settle()

    process = trial.FORK.Process(target=start)
    process.start()
    os.close(began)
    assert os.read(seen, 1) == b"!"
    kill(process.pid, signal.SIGTERM)
    process.join()
    assert select.select([seen], [], [], 5)[0]  # nobody holds its other end
    os.close(seen)
    assert process.exitcode == 0
    assert capfd.readouterr().err == ""
    assert not [file for file in settings.FILES_DIR.glob("0/**/*") if file.is_file()]


def test_where_the_number_is_said_or_known_nothing_is_tried(settings: Any, data: Path) -> None:
    settings.WORKERS = 3
    assert not trial.is_due()
    settings.WORKERS = 0
    assert trial.is_due()
    measured.once(crew.TRIAL, crew.trial_of(), lambda: {"workers": 1})
    assert not trial.is_due()
