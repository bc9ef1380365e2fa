"""What earlier versions left in the database is read on."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_django
from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from tests.house import database_of

OWN = "of_migrations"
Rows = Callable[[str], Any]


@pytest.fixture
def migrated(django_db_blocker: pytest_django.DjangoDbBlocker, tmp_path: Path) -> Iterator[Callable[[str], Rows]]:
    """Brings a database of its own to a migration; gives what finds the rows of a model as it was then."""
    name = database_of(tmp_path).rpartition("/")[2] or str(tmp_path / "own.sqlite3")
    connections.databases[OWN] = connections.databases["default"] | {"NAME": name}

    def to(migration: str) -> Rows:
        at = [("processing", migration)]
        apps = MigrationExecutor(connections[OWN]).migrate(at).apps
        return lambda model: apps.get_model("processing", model).objects.using(OWN)

    with django_db_blocker.unblock():
        yield to
        connections[OWN].close()
    del connections[OWN], connections.databases[OWN]


def test_a_callback_that_waits_is_told_and_one_that_was_told_is_not_told_again(
    migrated: Callable[[str], Rows],
) -> None:
    before, now = migrated("0003_products"), timezone.now()
    owner = before("Job").model._meta.get_field("owner").related_model.objects.using(OWN).create(username="alice")
    for name, values in {"waits": {}, "told": {"delivered_at": now}, "lost": {"given_up_at": now}}.items():
        job = before("Job").create(owner=owner, name=name, recipe={})
        before("Callback").create(job=job, url="https://shop.example.com/told", **values)
    after = migrated("0004_programs")
    assert list(after("Callback").values_list("job__name", "shape")) == [("waits", "event")]
    assert after("Job").count() == 3


def test_what_is_there_already_is_counted(migrated: Callable[[str], Rows]) -> None:
    before = migrated("0004_programs")
    owner = before("Job").model._meta.get_field("owner").related_model.objects.using(OWN).create(username="alice")
    monday, tuesday = (datetime(2026, 3, day, 12, tzinfo=UTC) for day in (2, 3))
    job = before("Job").create(owner=owner, name="Spring", recipe={}, created_at=monday)
    before("Job").create(owner=owner, name="A draft", recipe={}, is_draft=True, created_at=monday)
    ended = {"job_id": job.pk, "created_at": monday, "finished_at": tuesday, "source_bytes": 100, "attempts": 2}
    done = before("Upload").create(position=0, name="0", status="completed", **ended)
    before("Upload").create(position=1, name="1", status="failed", **ended)
    before("Upload").create(position=2, name="2", job_id=job.pk, created_at=tuesday)
    for name, size in {"result": 30, "result-2": 10, "web": 5, "thumbnail": 7, "source-thumbnail": 7}.items():
        before("Variant").create(upload_id=done.pk, name=name, bytes=size)
    after = migrated("0005_operators")
    fields = ("jobs", "photos", "completed", "failed", "attempts", "bytes_before", "bytes_after")
    assert list(after("Tally").order_by("day").values_list("day", *fields)) == [
        (monday.date(), 1, 2, 0, 0, 0, 0, 0), (tuesday.date(), 0, 1, 1, 1, 4, 100, 45),
    ]  # fmt: skip
