"""Whether an error says that the database does not answer, or that what was asked of it is wrong."""

import sqlite3

import structlog
from django.db import InterfaceError, OperationalError

from processing.errors import PhotoError

log = structlog.stdlib.get_logger(__name__)


def of(error: BaseException | None) -> PhotoError | None:
    """`database_unavailable`, where the same can succeed a little later; None for any other error."""
    is_away = isinstance(error, OperationalError | InterfaceError)
    if not is_away or getattr(error.__cause__, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:  # "no such table"
        return None
    return PhotoError("database_unavailable")


def told(error: BaseException | None) -> bool:
    """Log it in one line, where it is one; False for any other error."""
    if not of(error):
        return False
    log.warning("database_does_not_answer", error=str(error).partition("\n")[0])
    return True
