"""What a whole house does: the door with no worker at work, then photos per second with so many workers."""

import statistics
import time
from pathlib import Path
from typing import Any

import psycopg

from bench import made
from bench.ground import CHOOSES
from tests.house import House, wait_for

PHOTOS = 18  # in one drop; on many cores, a mix for each of them
ONE_BY_ONE = 12
PAUSE = "INSERT INTO processing_pause (key, drains, since) VALUES ('photos', false, now())"
RATE = """
SELECT count(*), extract(epoch FROM max(finished_at) - min(started_at)),
       array_agg(round(extract(epoch FROM finished_at - started_at), 3) ORDER BY id)
FROM processing_upload WHERE status = 'completed'
"""
FAILED = "SELECT name, error_code FROM processing_upload WHERE status <> 'completed'"


def measured(folder: Path, database: str, workers: int, photos: Path | None) -> dict[str, Any]:
    """`database` is an address of PostgreSQL."""
    settings = CHOOSES | {"PHOTO_WORKERS": str(workers), "PHOTO_API_RATE": "1000000/second", "LOG_LEVEL": "WARNING"}
    house = House(folder, DATABASE_URL=database, **settings)
    try:
        with psycopg.connect(database, autocommit=True) as rows:
            rows.execute(PAUSE)
            door = _door(house, photos, max(PHOTOS, len(made.MIXED) * workers))
            rows.execute("DELETE FROM processing_pause")
            wait_for(lambda: not _left(rows), 300)
            if failed := rows.execute(FAILED).fetchall():
                raise RuntimeError(f"These photos were not completed: {failed}")
            count, took, each = rows.execute(RATE).fetchone() or (0, 1, [])
        at_work = house.processes("manage.py", "work")
        memory = sorted((process.memory_full_info().pss / 1e6 for process in at_work), reverse=True)
    finally:
        house.stop()
    return {
        "photos": count, "rate": round(count / float(took), 3), "seconds": [float(one) for one in each],
        "worker_mb": round(statistics.mean(memory[:workers])), "door": door,
    }  # fmt: skip


def _door(house: House, photos: Path | None, count: int) -> dict[str, float]:
    """Photos per second in one request, and one in each."""
    client = house.client()
    many, few = dict(made.mixed(photos, count)), dict(made.mixed(photos, ONE_BY_ONE))
    began = time.perf_counter()
    house.send(client, many)
    sent = time.perf_counter()
    for name, data in few.items():
        house.send(client, {name: data})
    ended = time.perf_counter()
    size = sum(map(len, many.values()))
    return {
        "together": round(count / (sent - began), 1), "alone": round(ONE_BY_ONE / (ended - sent), 1),
        "megabytes_per_second": round(size / 1e6 / (sent - began), 1),
    }  # fmt: skip


def _left(rows: "psycopg.Connection[Any]") -> bool:
    found = rows.execute("SELECT 1 FROM processing_upload WHERE status NOT IN ('completed', 'failed') LIMIT 1")
    return found.fetchone() is not None
