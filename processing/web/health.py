"""Is it alive, and is it ready to work?"""

from collections.abc import Callable

import redis
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from processing import catalogue, queue, storage
from processing.errors import PhotoError


@login_not_required
@require_safe
def alive(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok", content_type="text/plain")


def _database() -> bool:
    connection.ensure_connection()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return True


def _redis() -> bool:
    queue.ping()
    return True


def _storage() -> bool:
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


def _holds(check: Callable[[], bool]) -> str:
    try:
        return "ok" if check() else "failed"
    except (redis.RedisError, DatabaseError, PhotoError, OSError):
        return "failed"


@login_not_required
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    checks = {"api": "ok", **{name: _holds(check) for name, check in CHECKS.items()}, "s3": "off"}
    healthy = "failed" not in checks.values()
    body = {"status": "healthy" if healthy else "unhealthy", "checks": checks, "version": settings.VERSION}
    return JsonResponse(body, status=200 if healthy else 503)
