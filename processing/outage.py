"""Whether an error says that the database does not answer, or that what was asked of it is wrong."""

import sqlite3

from django.db import InterfaceError, OperationalError

from processing.errors import PhotoError


def of(error: BaseException | None) -> PhotoError | None:
    """`database_unavailable`, where the same can succeed a little later; None for any other error."""
    is_away = isinstance(error, OperationalError | InterfaceError)
    if not is_away or getattr(error.__cause__, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:  # "no such table"
        return None
    return PhotoError("database_unavailable")
