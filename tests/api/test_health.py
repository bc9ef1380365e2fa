"""Is it ready to work? Programs that watch it ask without a token."""

import pytest
import redis
from django.test import Client

from processing import health, queue

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


def test_the_page_ready_says_the_same(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    all_hold(monkeypatch)
    assert Client().get("/ready").json() == Client().get("/api/v1/health").json()


def refuse() -> None:
    raise redis.ConnectionError("away")
