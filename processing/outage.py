"""Whether an error says that the database does not answer, or that what was asked of it is wrong."""

import re
import sqlite3

import structlog
from django.db import Error, InterfaceError, OperationalError

from processing.errors import PhotoError

log = structlog.stdlib.get_logger(__name__)

# What PostgreSQL says (its SQLSTATE): cut off; ending or starting; too many connections or a full disk; a copy that
# can only be read.
AWAY = re.compile("08...|57P0.|53[13]00|25006")
RACED = ("40P01", "40001")  # two that got in each other's way: for us to mend, and the same can succeed a little later


def of(error: BaseException | None) -> PhotoError | None:
    """`database_unavailable`, where the same can succeed a little later; None for any other error."""
    return PhotoError("database_unavailable") if _is_away(error) or _state(error) in RACED else None


def told(error: BaseException | None) -> PhotoError | None:
    """The same, and logged: in one line, unless it is for us to mend."""
    if away := of(error):
        trace = error if _state(error) in RACED else None
        log.warning("database_does_not_answer", error=str(error).partition("\n")[0], exc_info=trace)
    return away


def _is_away(error: BaseException | None) -> bool:
    """What never reached PostgreSQL has no state; SQLite has a number of its own for "no such table"."""
    if state := _state(error):
        return bool(AWAY.fullmatch(state))
    is_mistake = error and getattr(error.__cause__, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
    return isinstance(error, OperationalError | InterfaceError) and not is_mistake


def _state(error: BaseException | None) -> str:
    """Of an answer of PostgreSQL; else empty."""
    return getattr(error.__cause__, "sqlstate", None) or "" if isinstance(error, Error) else ""
