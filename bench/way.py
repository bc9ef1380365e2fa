"""What a photo's whole way costs database and Redis: the door, the dispatcher, a worker, an io worker. Prints JSON."""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import django

from bench import made

django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.core.files.base import ContentFile  # noqa: E402
from django.db import connection, connections  # noqa: E402

from processing import queue, worker  # noqa: E402
from processing.dispatch import Dispatcher  # noqa: E402
from processing.intake import photos  # noqa: E402
from processing.models import Status, Upload, Variant  # noqa: E402
from processing.recipe import Recipe  # noqa: E402

PHOTOS = 10
SMALL = (600, 400)  # px: what is counted does not depend on it


class Counters:
    """What is counted in each room, as the servers themselves count it."""

    def __init__(self) -> None:
        self.redis = queue.connection()
        self.rooms: dict[str, dict[str, float]] = {}

    @contextmanager
    def room(self, name: str, per: int = PHOTOS) -> Iterator[None]:
        statements: list[str] = []

        def count(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
            statements.append(sql)
            return execute(sql, *rest)

        connections.close_all()  # what it did before is counted by now
        before = self.read()
        with connection.execute_wrapper(count):
            yield
        connections.close_all()
        after = self.read()
        values = {key: (after[key] - before[key]) / per for key in after} | {"statements": len(statements) / per}
        kept = self.rooms.setdefault(name, dict.fromkeys(values, 0.0))
        self.rooms[name] = {key: round(kept[key] + value, 2) for key, value in values.items()}

    def read(self) -> dict[str, float]:
        stats, commands, cpu = (self.redis.info(part) for part in ("stats", "commandstats", "cpu"))
        calls = {name: one["calls"] for name, one in commands.items() if name != "cmdstat_info"}
        return {
            "commands": sum(calls.values()),
            "messages": calls.get("cmdstat_publish", 0),
            "redis_in": stats["total_net_input_bytes"],
            "redis_out": stats["total_net_output_bytes"],
            "redis_ms": 1000 * (cpu["used_cpu_user"] + cpu["used_cpu_sys"]),
            **_of_postgres(),
        }


def _of_postgres() -> dict[str, float]:
    """As its statistics say, which lie in a session of their own; a moment passes until they are up to date."""
    if connection.vendor != "postgresql":
        return {}
    import psycopg

    time.sleep(0.3)
    with psycopg.connect(os.environ["DATABASE_URL"], dbname="postgres", autocommit=True) as beside:
        row = beside.execute("SELECT xact_commit, sessions FROM pg_stat_database WHERE datname = 'photo'").fetchone()
    assert row
    return {"transactions": row[0], "connections": row[1]}


def held(redis: Any) -> float:
    """Bytes that Redis holds for one nudge that waits."""
    before = redis.info("memory")["used_memory"]
    queue.send(queue.PHOTOS, queue.PROCESS_UPLOAD, range(10**6, 10**6 + 1000))
    taken = redis.info("memory")["used_memory"] - before
    redis.flushdb()
    return float(taken / 1000)


def main() -> None:
    owner = User.objects.create_user("bench")
    data = made.photo(made.sources(None)[0], *SMALL)
    files = [ContentFile(data, f"photo-{number}.jpg") for number in range(PHOTOS)]
    counters, dispatcher = Counters(), Dispatcher()
    dispatcher.workers, dispatcher.counted_at = PHOTOS, time.monotonic() + 3600
    dispatcher.turn()
    with counters.room("idle turn", per=1):
        dispatcher.turn()
    with counters.room("door"):
        photos.accept(owner, files, Recipe(model="u2netp"))
    with counters.room("dispatcher"):
        dispatcher.turn()
    with counters.room("worker"):
        worker.work(queue.PHOTOS, burst=True)
    with counters.room("io"):
        worker.work(queue.IO, burst=True)
    done = Upload.objects.filter(status=Status.COMPLETED).count()
    rows = Variant.objects.filter(status=Variant.Status.COMPLETED).count()
    if done != PHOTOS:
        raise RuntimeError(f"{done} of {PHOTOS} photos were completed.")
    rooms = counters.rooms | {"held": {"bytes": held(counters.redis)}, "rows": {"variants": rows / PHOTOS}}
    print(json.dumps(rooms))


if __name__ == "__main__":
    main()
