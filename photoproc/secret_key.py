"""The key that signs sessions, links and tokens, made at the first start: kept in a file, or by all machines in common
in their database."""

import os
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from django.utils.functional import SimpleLazyObject

NAME = "secret_key"


def secret_key(path: Path, *, shared: bool) -> str:
    """From the file at `path`; where it is `shared`, from the database, at its first use, which then may raise
    DatabaseError: to import the settings none is needed."""
    return SimpleLazyObject(lambda: _aside(path)) if shared else _in_file(path)  # type: ignore[return-value]


def _in_file(path: Path) -> str:
    """Readable by its owner alone."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        pass
    made = secrets.token_urlsafe(50)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(made)
    except FileExistsError:  # another process of the first start was quicker
        return _in_file(path)
    return made


def _aside(path: Path) -> str:
    """In a thread, and so on a connection of its own: what happens to the transaction of who asks first does not happen
    to the key."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_in_database, path).result()


def _in_database(path: Path) -> str:
    """A key that lies in the data folder is taken over: what it signed is in people's hands."""
    from django.db import connection

    from processing.models import Remembered

    try:
        rows = Remembered.objects.filter(name=NAME).values_list("value", flat=True)
        if not (found := rows.first()):
            made = path.read_text().strip() if path.is_file() else secrets.token_urlsafe(50)
            Remembered.objects.bulk_create([Remembered(name=NAME, value=made)], ignore_conflicts=True)
            found = rows.get()  # another machine may have been quicker
        return found
    finally:
        connection.close()
