"""What the processes of this release tell each other through Redis, and which migrations it knows.

    .venv/bin/python -m tests.releases.record      # when a release is made: writes tests/releases/VERSION.json

The next release is held against it (`test_beside`), so that workers of both can go on side by side.
"""

import base64
import json
import os
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import django
from django.apps import apps

from tests import environment

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "photoproc.settings")
if not apps.ready:
    django.setup()

from django.conf import settings
from django.db.migrations.loader import MigrationLoader

from processing import announce, crew, queue

FOLDER = Path(__file__).parent
UPLOAD, JOB = 4711, 412


def release() -> dict[str, Any]:
    return {
        "nudges": {path: nudge(path) for path in tasks()},
        "wake": wake(),
        "announced": announced(),
        "signs": {kind.__name__: [field.name for field in fields(kind)] for kind in (crew.Sign, crew.Loss)},
        "migrations": migrations(),
    }


def tasks() -> list[str]:
    """The path of each task."""
    found = [value for value in vars(queue).values() if isinstance(value, str)]
    return sorted(value for value in found if value.startswith("processing.tasks."))


def nudge(path: str) -> dict[str, str]:
    """The hash that lies in Redis for a nudge about one row; values in base64."""
    redis: Any = queue.connection()
    redis.flushdb()
    queue.send(queue.PHOTOS if path == queue.PROCESS_UPLOAD else queue.IO, path, [UPLOAD])
    [key] = redis.keys("rq:job:*")
    return {name.decode(): coded(value) for name, value in sorted(redis.hgetall(key).items())}


def wake() -> list[str]:
    """The keys by which the dispatcher is woken."""
    redis: Any = queue.connection()
    redis.flushdb()
    queue._wake()
    return [key.decode() for key in redis.keys("*")]


def announced() -> list[list[str]]:
    """The channel and the message (in base64) of each kind of change."""
    acts: tuple[Callable[[], None], ...] = (
        lambda: announce._publish(JOB, UPLOAD),
        lambda: announce._publish(JOB, None),
        lambda: announce._send(announce.QUEUE_GROUP, {}),
    )
    with queue.connection().pubsub(ignore_subscribe_messages=True) as listener:
        listener.psubscribe("*")
        while not listener.subscribed or listener.get_message(timeout=0.1) is not None:
            pass
        for act in acts:
            act()
        messages = [listener.get_message(timeout=5) for _ in acts]
    return [[message["channel"].decode(), coded(message["data"])] for message in messages if message]


def migrations() -> list[str]:
    return sorted(name for app, name in MigrationLoader(None).disk_migrations if app == "processing")


def coded(value: bytes) -> str:
    return base64.b64encode(value).decode()


def main() -> None:
    server = environment.start_redis(environment.DATA)
    try:
        (FOLDER / f"{settings.VERSION}.json").write_text(json.dumps(release(), indent=1) + "\n")
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
