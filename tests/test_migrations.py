"""What earlier versions left in the database is read on."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_django
from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

OWN = "of_migrations"
Rows = Callable[[str], Any]


@pytest.fixture
def migrated(django_db_blocker: pytest_django.DjangoDbBlocker, tmp_path: Path) -> Iterator[Callable[[str], Rows]]:
    """Brings a database of its own to a migration; gives what finds the rows of a model as it was then."""
    connections.databases[OWN] = connections.databases["default"] | {"NAME": str(tmp_path / "own.sqlite3")}

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
