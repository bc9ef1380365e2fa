"""The filter of the queue page: `state:failed error:fetch_timeout older:1h chair` as typed, and the photos it names."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet

from processing.models import Upload


@dataclass(frozen=True)
class Query:
    """Each part is empty where it was not asked for. `owner` is a name to sign in with; `words` stand in names."""

    state: str = ""  # a Status, or `review`, or `waiting` (parked behind a breaker)
    error: str = ""
    owner: str = ""
    job: int | None = None
    model: str = ""
    host: str = ""
    older: timedelta | None = None
    newer: timedelta | None = None
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        """As it is typed; reading it again gives the same."""
        raise NotImplementedError

    def rows(self, before: datetime | None = None) -> "QuerySet[Upload]":
        """The photos that match, everybody's, of jobs that are not deleted; with `before`, those that matched then."""
        raise NotImplementedError


def read(text: str) -> Query:
    """Raises PhotoError `invalid_filter`."""
    raise NotImplementedError
