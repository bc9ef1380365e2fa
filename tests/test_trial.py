"""How many workers are best: it is tried with the real pipeline, and leaves nothing behind."""

from pathlib import Path
from typing import Any

import pytest

from processing import crew, measured, storage, trial

pytestmark = pytest.mark.django_db  # it tells where files lie


def rated(monkeypatch: pytest.MonkeyPatch, settings: Any, rates: dict[int, float], memory: int = 0) -> None:
    """A machine with two cores that makes so many photos per second, by the number of workers."""

    def turn(size: int, job: int, key: str) -> tuple[float, int]:
        assert storage.size(key)
        return rates[size], memory

    settings.CORES = 2
    monkeypatch.setattr(trial, "_turn", turn)


@pytest.mark.parametrize(("rates", "workers"), [
    ({1: 3.0, 2: 5.0, 3: 6.0}, 3),
    ({1: 3.0, 2: 5.0, 3: 5.2}, 2),  # by chance, perhaps
    ({1: 7.0, 2: 5.0, 3: 6.0}, 1),
])  # fmt: skip
def test_what_makes_clearly_the_most_photos_is_best(
    rates: dict[int, float], workers: int, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rated(monkeypatch, settings, rates)
    assert trial.best() == {"workers": workers, "rates": rates}
    assert not [file for file in settings.FILES_DIR.glob("0/**/*") if file.is_file()]


def test_workers_that_find_no_room_in_memory_are_not_tried(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rated(monkeypatch, settings, {1: 3.0}, memory=10**15)
    assert trial.best() == {"workers": 1, "rates": {1: 3.0}}


def test_where_no_photo_can_be_made_nothing_is_found_out(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rated(monkeypatch, settings, dict.fromkeys((1, 2, 3), 0.0))
    with pytest.raises(RuntimeError):
        trial.best()


@pytest.mark.parametrize("cores", [1, 2])  # with one thread the weights are shared
def test_a_worker_of_the_trial_makes_photos_and_stores_them(
    cores: int, settings: Any, monkeypatch: pytest.MonkeyPatch, data: Path
) -> None:
    """A real one, in a process of its own."""
    monkeypatch.setattr(trial, "LASTS", 0)
    settings.CORES = cores
    key = storage.new_key(trial.NOBODY, 7, "originals", "jpg")
    storage.write(key, [trial.PHOTO.read_bytes()])
    rate, memory = trial._turn(1, 7, key)
    assert rate > 0
    assert memory > 50_000_000
    assert len([file for file in settings.FILES_DIR.rglob("results/*") if file.is_file()]) >= 2


def test_where_the_number_is_said_or_known_nothing_is_tried(
    settings: Any, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial.FORK, "Process", None)
    settings.WORKERS = 3
    trial.settle()
    settings.WORKERS = 0
    measured.once(crew.TRIAL, crew.trial_of(), lambda: {"workers": 1})
    trial.settle()
