"""Is it ready to work? Programs that watch it ask without a token."""

import socket

import pytest
import redis
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from photoproc.addresses import storage_address
from processing import breaker, health, queue, storage
from processing.storage import s3
from tests.bucket import Bucket

CHECKS = {"api", "database", "redis", "storage", "s3", "workers", "models"}


def all_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "CHECKS", {name: lambda: True for name in health.CHECKS})


def test_a_house_that_is_ready_is_healthy(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    all_hold(monkeypatch)
    answer = Client().get("/api/v1/health")
    assert answer.status_code == 200
    assert answer.json()["status"] == "healthy"
    assert answer.json()["checks"] == {**dict.fromkeys(CHECKS, "ok"), "s3": "off"}


def test_one_failed_check_is_503_and_names_itself(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    all_hold(monkeypatch)
    monkeypatch.setitem(health.CHECKS, "workers", lambda: False)
    answer = Client().get("/api/v1/health")
    assert (answer.status_code, answer.json()["status"]) == (503, "unhealthy")
    assert [name for name, state in answer.json()["checks"].items() if state == "failed"] == ["workers"]


def test_a_redis_that_is_away_is_told_not_a_mistake(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "ping", refuse)
    answer = Client().get("/api/v1/health")
    assert (answer.status_code, answer.json()["checks"]["redis"]) == (503, "failed")


def test_a_bucket_that_hangs_is_failed_within_a_few_seconds(
    db: None, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "QUICK_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        address = f"s3://key:secret@photos?endpoint=http://127.0.0.1:{deaf.getsockname()[1]}"
        settings.STORAGE = storage_address(address)
        checks = Client().get("/ready").json()["checks"]
    assert (checks["storage"], checks["s3"]) == ("failed", "failed")


def test_a_storage_that_is_left_alone_is_failed_and_not_asked(olga: User, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Client().get("/ready").json()["checks"]["storage"] == "ok"
    breaker.trip(breaker.STORAGE, olga)
    monkeypatch.setattr(storage, "_store", lambda: 1 / 0)
    assert Client().get("/ready").json()["checks"]["storage"] == "failed"


def test_a_bucket_that_answers_is_ok(db: None, bucket: Bucket) -> None:
    checks = Client().get("/ready").json()["checks"]
    assert (checks["storage"], checks["s3"]) == ("ok", "ok")


def test_the_page_ready_says_the_same(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    all_hold(monkeypatch)
    assert Client().get("/ready").json() == Client().get("/api/v1/health").json()


def refuse() -> None:
    raise redis.ConnectionError("away")
