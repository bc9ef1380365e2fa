"""Is the house ready to work? Asked by /ready and by the API."""

from collections.abc import Callable, Iterator
from typing import Any

import redis
from django.conf import settings
from django.db import Error as DatabaseTrouble
from django.db import connection

from processing import catalogue, queue, schema, storage
from processing.errors import PhotoError


def _database() -> bool:
    schema.settled()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return True


def _redis() -> bool:
    queue.ping()
    return True


def _storage() -> bool:
    """Quickly: who asks waits for a few seconds at most."""
    storage.answers()
    storage.settle()
    if settings.STORAGE is None:
        storage.check_space()
    return True


def _workers() -> bool:
    return queue.workers(queue.PHOTOS) > 0


def _models() -> bool:
    return any(weights.installed for weights in catalogue.MODELS.values())


CHECKS: dict[str, Callable[[], bool]] = {
    "database": _database,
    "redis": _redis,
    "storage": _storage,
    "workers": _workers,
    "models": _models,
}


def _checks() -> Iterator[tuple[str, str]]:
    for name, check in CHECKS.items():
        yield name, (state := _holds(check))
        if name == "storage":
            yield "s3", state if settings.STORAGE else "off"


def _holds(check: Callable[[], bool]) -> str:
    try:
        return "ok" if check() else "failed"
    except (redis.RedisError, DatabaseTrouble, PhotoError, OSError):
        return "failed"


def report() -> tuple[int, dict[str, Any]]:
    """The HTTP status (503 where a check failed), and what is told: each check is ok, failed or off."""
    checks = {"api": "ok", **dict(_checks())}
    healthy = "failed" not in checks.values()
    body = {"status": "healthy" if healthy else "unhealthy", "checks": checks, "version": settings.VERSION}
    return (200 if healthy else 503), body
