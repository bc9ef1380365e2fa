"""What the database alone can take: whole lives of photos without pixels, and turns of the dispatcher. Prints JSON."""

import json
import os
import statistics
import sys
import time
from functools import partial
from multiprocessing import get_context
from typing import Any

import django

django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.db import connection, connections, transaction  # noqa: E402

from processing import ledger, queue, storage, variants  # noqa: E402
from processing.dispatch import Dispatcher  # noqa: E402
from processing.models import Job, Status, Upload, Variant  # noqa: E402
from processing.recipe import Recipe  # noqa: E402

FORK = get_context("fork")
LIVES = {1: 200, 2: 300, 4: 500}  # processes: photos
USERS = 10
STEPS = ("Reading", "Removing background", "Refining edges", "Writing PNG", "Making extra sizes")
FILES = ("result", "thumbnail", "preview", "source-preview")
FACTS = {
    "source_format": "jpeg", "source_width": 1500, "source_height": 1000, "source_bytes": 266672, "model": "u2netp",
    "model_checksum": "0" * 64, "mask": {"unsure": 0.0, "subject": 0.476, "border": {}, "parts": 1, "confidence": 0.99},
    "review": [], "subject_box": [507, 132, 3199, 2930], "result_format": "png", "result_width": 1500,
    "result_height": 1000, "result_bytes": 1105381, "memory_mb": 700,
    "timings": {"read": 0.0093, "background": 0.6619, "refine": 0.4027, "write": 0.0926, "variants": 0.1784},
}  # fmt: skip
TABLES = ("processing_upload", "processing_variant", "processing_job", "processing_tally")
USERS_WAITING = 1000
WINDOWS = (1, 10, 100)  # workers
TURNS = 5


# ---- lives ---------------------------------------------------------------------------------------------------------


def lives() -> dict[str, Any]:
    """Photos per second from queued to completed by so many processes, and bytes per photo: rows with their indexes,
    and what PostgreSQL writes ahead."""
    users = User.objects.bulk_create([User(username=f"user-{number}") for number in range(USERS)])
    jobs = [Job.objects.create(owner=user, name="Spring", recipe=Recipe().to_json()) for user in users]
    before, wal, photos = _bytes(), _wal(), sum(LIVES.values())
    rates = {str(count): round(_rate(jobs, count, LIVES[count]), 1) for count in LIVES}
    found = {"lives": rates, "wal": round((_wal() - wal) / photos)}
    _vacuum()
    return found | {"row_bytes": round((_bytes() - before) / photos), "photos": photos}


def _rate(jobs: list[Job], processes: int, photos: int) -> float:
    made: list[Upload] = []
    for job in jobs:
        made += _queued(job, photos // len(jobs))
    connections.close_all()
    parts = [[upload.pk for upload in made[first::processes]] for first in range(processes)]
    workers = [FORK.Process(target=_live, args=(part,)) for part in parts]
    began = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    took = time.perf_counter() - began
    if Upload.objects.filter(status=Status.COMPLETED, pk__in=[one.pk for one in made]).count() != len(made):
        raise RuntimeError("Not all photos were completed.")
    return len(made) / took


def _queued(job: Job, count: int) -> list[Upload]:
    first = job.uploads.count()
    with transaction.atomic():
        return ledger.create([
            Upload(
                job=job, position=number, name=f"photo-{number}.jpg", sent_name=f"photo-{number}.jpg",
                source=storage.new_key(job.owner_id, job.pk, "originals", "jpeg"), source_sha256=f"{number:064x}",
                source_format="jpeg", source_width=1500, source_height=1000, source_bytes=266672,
            )
            for number in range(first, first + count)
        ])  # fmt: skip


def _live(pks: list[int]) -> None:
    for pk in pks:
        claim = ledger.claim(pk)
        assert claim
        for number, label in enumerate(STEPS):
            ledger.step(claim, label, number, len(STEPS))
        key = partial(storage.new_key, claim.owner_id, claim.job_id, "results", "png")
        files = [variants.File(name, storage.Stored(key(), 100_000, "0" * 64), "png", 1500, 1000) for name in FILES]
        ledger.finish(claim, files, FACTS)


def _bytes() -> int:
    if connection.vendor == "postgresql":
        return sum(_asked(f"SELECT pg_total_relation_size('{table}')") for table in TABLES)
    return _asked("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")


def _wal() -> int:
    return _asked("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn") if connection.vendor == "postgresql" else 0


def _asked(sql: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return int(cursor.fetchone()[0])


def _vacuum() -> None:
    """As small as it gets, so that it does not matter when the database last cleaned up."""
    with connection.cursor() as cursor:
        for table in TABLES if connection.vendor == "postgresql" else ("",):
            cursor.execute(f"VACUUM FULL {table}" if table else "VACUUM")


# ---- turns of the dispatcher ---------------------------------------------------------------------------------------


def turns(rows: list[int]) -> dict[str, dict[str, float]]:
    """Seconds of one turn, by photos that wait and by workers whose window is empty."""
    Upload.objects.all().delete()
    users = User.objects.bulk_create([User(username=f"waiting-{number}") for number in range(USERS_WAITING)])
    recipe = Recipe().to_json()
    jobs = Job.objects.bulk_create([Job(owner=user, name="Spring", recipe=recipe) for user in users])
    for job in jobs:
        _queued(job, 1)
    Variant.objects.all().delete()
    dispatcher, found, last = Dispatcher(), {}, USERS_WAITING
    for count in rows:
        if count > last:
            _copy((count - last) // USERS_WAITING, last)
            last = count
        found[str(count)] = {str(workers): _turn(dispatcher, workers) for workers in WINDOWS}
    return found


def _copy(times: int, first: int) -> None:
    """Each of the first photos of the jobs, so many times."""
    fields = [str(field.column) for field in Upload._meta.concrete_fields if not field.primary_key]
    other = {"position": "position + n.i", "name": "name || n.i"}
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH RECURSIVE n(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i < {first + times - 1})"
            f" INSERT INTO processing_upload ({', '.join(fields)})"
            f" SELECT {', '.join(other.get(name, name) for name in fields)} FROM processing_upload, n"
            " WHERE position = 0"
        )
        cursor.execute("VACUUM ANALYZE processing_upload" if connection.vendor == "postgresql" else "ANALYZE")


def _turn(dispatcher: Dispatcher, workers: int) -> float:
    dispatcher.workers, dispatcher.counted_at = workers, time.monotonic() + 3600
    took = []
    for _ in range(TURNS):
        Upload.objects.filter(nudged_at__isnull=False).update(nudged_at=None)
        queue.connection().flushdb()
        began = time.perf_counter()
        dispatcher.turn()
        took.append(time.perf_counter() - began)
    return round(statistics.median(took), 4)


def main() -> None:
    rows = [int(count) for count in sys.argv[1:]]
    os.environ.setdefault("LOG_LEVEL", "WARNING")
    print(json.dumps(lives() | {"turns": turns(rows)}))


if __name__ == "__main__":
    main()
