"""What a worker finds at its start is told; for what does not answer it waits, and goes on by itself."""

import logging
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError
from pytest_django.fixtures import Settings

from processing import accelerator, catalogue, public, reach, storage, trial
from processing.management import arrival
from processing.models import Remembered
from tests.bucket import Bucket


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(arrival, "PAUSE", 0)
    monkeypatch.setattr(arrival, "close_old_connections", lambda: None)  # it is in the transaction of the test
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Iterator[Any]:
    """Though LOG_LEVEL says that only warnings are told."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.WARNING)
    yield lambda: [record.getMessage() for record in caplog.records if record.name.endswith("arrival")]
    root.setLevel(before)


def test_a_worker_tells_what_it_found_a_line_each(db: None, said: Any, settings: Settings) -> None:
    arrival.arrive(works=True, on_photos=True)
    whats = [line.partition(" ")[0].rstrip(":") for line in said()]
    assert [*dict.fromkeys(whats)] == [
        "photoproc", "database", "redis", "schema", "address", "storage", "scratch", "weights", "model", "cores",
        "clock",
    ]  # fmt: skip
    assert f"photoproc {settings.VERSION} starts on " in said()[0]
    assert "model: u2netp runs on the processor" in said()
    assert f"cores: {settings.CORES}; workers: {settings.WORKERS}" in said()
    assert f" free in {settings.TMP_DIR}" in "".join(said())


def test_only_what_the_first_photo_needs_is_measured_at_the_start(
    db: None, said: Any, data: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tried(model: str) -> dict[str, dict[str, float]]:
        probed.append(model)
        return {"processor": {"seconds": 0.3, "differs": 0.0}, "openvino": {"seconds": 0.2, "differs": 0.0}}

    probed: list[str] = []
    settings.WORKERS = 0
    monkeypatch.delenv("PHOTO_ACCELERATOR")
    monkeypatch.setattr(accelerator, "offered", lambda: [accelerator.PROCESSOR, accelerator.OPENVINO])
    monkeypatch.setattr(accelerator, "_tried", tried)
    monkeypatch.setattr(catalogue, "installed", lambda: ["u2netp", "u2net"])
    monkeypatch.setattr(catalogue, "best_installed", lambda: "u2net")
    monkeypatch.setattr(trial, "settle", lambda: None)
    arrival.arrive(works=True, on_photos=True)
    arrival.arrive(works=True, on_photos=True)
    assert probed == ["u2net"]
    lines = [line for line in said() if line.startswith(("weights", "measuring", "model", "cores"))]
    told = [
        "model: what u2netp runs on is measured when it is first used",
        "model: u2net runs on the processor by OpenVINO (on one core: processor 0.30 s, openvino 0.20 s)",
        f"cores: {settings.CORES}; workers: {settings.CORES}",
    ]
    trying = "measuring how many workers are best, once: a few seconds, 60 at most"
    assert lines == [
        "weights: u2netp, u2net",
        "measuring what u2net runs on best, once: a few seconds, a minute or two with a large model",
        trying, *told,
        "weights: u2netp, u2net", trying, *told,
    ]  # fmt: skip


def test_a_dispatcher_needs_neither_storage_nor_weights(db: None, said: Any) -> None:
    arrival.arrive(works=False)
    assert not [line for line in said() if line.startswith(("storage", "weights", "model", "cores"))]


def test_what_does_not_answer_is_told_once_in_a_while_and_waited_for(
    db: None, said: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = iter([True] * 5)

    def away() -> str:
        if next(tries, False):
            raise reach.Away("Redis cannot be used at redis:6379: nothing listens there.", "Mend the host.")
        return "Redis 7 at redis:6379"

    monkeypatch.setattr(reach, "redis", away)
    arrival.arrive(works=False)
    assert [line for line in said() if line.startswith("redis")] == [
        "redis: Redis cannot be used at redis:6379: nothing listens there. Mend the host. It is waited for.",
        "redis: Redis 7 at redis:6379",
    ]


def test_who_would_work_with_other_files_than_the_house_does_not_start(db: None, bucket: Bucket) -> None:
    storage.settle()
    arrival.arrive(works=True)
    Remembered.objects.filter(name="storage").update(value="s3://photos/house/")
    with pytest.raises(CommandError, match=r"^The files of this house lie in s3://photos/house/, not in s3://bucket-"):
        arrival.arrive(works=True)


def test_who_waits_can_be_stopped(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> str:
        signal.raise_signal(signal.SIGTERM)
        raise reach.Away("It is away.", "Mend it.")

    monkeypatch.setattr(reach, "redis", away)
    with pytest.raises(SystemExit) as stopped:
        arrival.arrive(works=False)
    assert stopped.value.code == 0


def test_a_clock_that_is_off_is_a_warning(
    db: None, said: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reach, "_skews", lambda: iter([("Redis", 7.4), ("the database", -0.1)]))
    arrival.arrive(works=False)
    levels = {record.getMessage(): record.levelname for record in caplog.records}
    assert levels["clock: The clock of Redis is 7 s ahead of this machine's."] == "WARNING"
    assert levels["clock: It agrees with the database."] == "INFO"


def test_a_worker_learns_from_the_front_where_people_reach_the_house(
    db: None, said: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.URL = "https://photos.example.com"
    public.tell_url()
    settings.URL = "http://127.0.0.1:8000"
    arrival.arrive(works=True)
    assert settings.URL == "https://photos.example.com"
    assert "address: https://photos.example.com" in said()

    monkeypatch.setenv("PHOTO_URL", "https://elsewhere.example.com")
    settings.URL = "https://elsewhere.example.com"
    arrival.arrive(works=True)
    assert settings.URL == "https://elsewhere.example.com"
