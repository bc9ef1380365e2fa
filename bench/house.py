"""What a whole house does: the door with no worker at work, then photos per second with so many workers."""

import statistics
import time
from pathlib import Path
from typing import Any

from bench import made
from bench.visitor import Visitor

PHOTOS = 18  # in one drop; on many cores, a mix for each of them
ONE_BY_ONE = 12
PAUSE = "INSERT INTO processing_pause (key, drains, since) VALUES ('photos', false, now())"
RATE = """
SELECT count(*), extract(epoch FROM max(finished_at) - min(started_at)),
       array_agg(round(extract(epoch FROM finished_at - started_at), 3) ORDER BY id)
FROM processing_upload WHERE status = 'completed'
"""


def measured(database: str, workers: int, photos: Path | None) -> dict[str, Any]:
    """`database` is an address of PostgreSQL."""
    place = {"DATABASE_URL": database, "PHOTO_WORKERS": str(workers)}
    with Visitor.of_a_house(f"house-{workers}", **place) as visitor:
        visitor.house.change(PAUSE)
        door = _door(visitor, photos, max(PHOTOS, len(made.MIXED) * workers))
        visitor.house.change("DELETE FROM processing_pause")
        visitor.wait(step=0.2)
        count, took, each = visitor.house.rows(RATE)[0]
        memory = [worker.memory_full_info().pss / 1e6 for worker in visitor.workers()]
    return {
        "photos": count, "rate": round(count / float(took), 3), "seconds": [float(one) for one in each],
        "worker_mb": round(statistics.mean(memory)), "door": door,
    }  # fmt: skip


def _door(visitor: Visitor, photos: Path | None, count: int) -> dict[str, float]:
    """Photos per second in one request, and one in each."""
    many, few = dict(made.mixed(photos, count)), dict(made.mixed(photos, ONE_BY_ONE))
    began = time.perf_counter()
    visitor.send(visitor.form(many, {}))
    sent = time.perf_counter()
    for name, data in few.items():
        visitor.send(visitor.form({name: data}, {}))
    ended = time.perf_counter()
    size = sum(map(len, many.values()))
    return {
        "together": round(count / (sent - began), 1), "alone": round(ONE_BY_ONE / (ended - sent), 1),
        "megabytes_per_second": round(size / 1e6 / (sent - began), 1),
    }  # fmt: skip
