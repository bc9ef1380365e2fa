"""The key that signs sessions, links and tokens, made at the first start: kept in a file, or by all machines in common
in their database, by the one that migrates it."""

import os
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from django.utils.functional import SimpleLazyObject

NAME = "secret_key"


def of(path: Path, *, shared: bool) -> str:
    """From the file at `path`; where it is `shared`, from the database, at its first use, which then may raise
    DatabaseError: to import the settings none is needed."""
    return SimpleLazyObject(_aside) if shared else _in_file(path)  # type: ignore[return-value]


def settle(path: Path) -> None:
    """The database has one from now on. A key that lies at `path`, where this house had it before, is taken over: what
    it signed is in people's hands. Raises DatabaseError."""
    from processing.models import Remembered

    made = read(path) or secrets.token_urlsafe(50)
    Remembered.objects.get_or_create(name=NAME, defaults={"value": made})


def read(path: Path) -> str | None:
    return path.read_text().strip() if path.is_file() else None


def _in_file(path: Path) -> str:
    """Readable by its owner alone."""
    if (found := read(path)) is not None:
        return found
    made = secrets.token_urlsafe(50)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(made)
    except FileExistsError:  # another process of the first start was quicker
        return _in_file(path)
    return made


def _aside() -> str:
    """In a thread, and so on a connection of its own: who asks first may be in the midst of a transaction that failed,
    or of an event loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_in_database).result()


def _in_database() -> str:
    from django.db import DatabaseError, connection

    from processing.models import Remembered

    try:
        found = Remembered.objects.filter(name=NAME).values_list("value", flat=True).first()
    finally:
        connection.close()
    if not found:
        raise DatabaseError("The database has no secret key yet: run script/server or script/setup first.")
    return found
