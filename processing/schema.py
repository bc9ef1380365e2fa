"""The database and the code fit each other: migrations are applied once, whoever starts first, and nobody works on a
database that is older or newer than the code."""

import fcntl
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader

from photoproc import secret_key
from processing.models import Remembered

APP = "processing"
OLDEST = "0.1.0"  # the oldest release whose workers can go on with a database that this one has migrated
OLDEST_NAME = "oldest_release"
LOCK = 5_112_026  # of PostgreSQL, while somebody migrates
RELEASE = re.compile(r"\d{1,4}(\.\d{1,4}){0,3}", re.ASCII)


def lacking() -> list[str]:
    """The migrations that are to be applied still. Raises DatabaseError."""
    loader = MigrationLoader(connection)
    assert loader.applied_migrations is not None
    return sorted(f"{app}.{name}" for app, name in loader.disk_migrations.keys() - loader.applied_migrations.keys())


def beyond() -> tuple[str, bool]:
    """The last migration of ours that this version does not know, as a newer one was here, and whether ours may go on
    beside that one. Raises DatabaseError."""
    loader = MigrationLoader(connection)
    assert loader.applied_migrations is not None
    unknown = loader.applied_migrations.keys() - loader.disk_migrations.keys()
    last = max((name for app, name in unknown if app == APP), default="")
    return last, not last or _works_beside()


def check_age() -> None:
    """Raises CommandError on a database of a newer version, unless that one says that ours may go on beside it."""
    last, may_go_on = beyond()
    if not may_go_on:
        raise CommandError(
            f"The database is of a newer photoproc (it has {last}, which this one, {settings.VERSION}, does not "
            "know): start the newer one, or restore the backup that was made before it."
        )


def _works_beside() -> bool:
    oldest = Remembered.objects.filter(name=OLDEST_NAME).values_list("value", flat=True).first() or ""
    return bool(RELEASE.fullmatch(oldest)) and parts(oldest) <= parts(settings.VERSION)


def parts(release: str) -> tuple[int, ...]:
    """To compare releases by."""
    return tuple(map(int, release.split(".")))


def migrate() -> None:
    """Apply what lacks, while nobody else does. Raises CommandError, DatabaseError."""
    with _alone():
        check_age()
        call_command("migrate", verbosity=0)
        if connection.vendor == "postgresql":
            secret_key.settle(settings.DATA_DIR / secret_key.NAME)
        if not beyond()[0]:
            Remembered.objects.update_or_create(name=OLDEST_NAME, defaults={"value": OLDEST})


@cache
def settled() -> None:
    """Remembers only that nothing lacks, and so asks once. Raises DatabaseError, also while migrations lack."""
    if lacks := lacking():
        raise DatabaseError(f"The database lacks {lacks[-1]}: run script/setup.")


@contextmanager
def _alone() -> Iterator[None]:
    """A lock of this data folder, and on PostgreSQL one of the database: other machines may start too."""
    with (settings.DATA_DIR / "migrate.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if connection.vendor != "postgresql":
            yield
            return
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        try:
            yield
        finally:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
