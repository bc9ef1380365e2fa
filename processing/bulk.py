"""What operators do to one, some, or all photos that match."""

from collections.abc import Callable
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db.models import QuerySet

from processing.models import BulkAct, Upload
from processing.query import Query


@dataclass(frozen=True)
class Preview:
    """What an act would do. `owners` are names with their counts, most first; `minutes` what it adds to the queue."""

    matched: int
    left_out: int
    owners: list[tuple[str, int]]
    minutes: tuple[float, float] | None


def preview(verb: str, query: Query) -> Preview:
    raise NotImplementedError


def start(operator: User, verb: str, query: Query, per_minute: int | None = None) -> BulkAct:
    """Do it to all that match now, in the background. Raises PhotoError `not_permitted`."""
    raise NotImplementedError


def at_once(operator: User, verb: str, uploads: "QuerySet[Upload]") -> int:
    """Do it to these few now. Gives the number of photos. Raises PhotoError `not_permitted`."""
    raise NotImplementedError


def stop(operator: User, act: BulkAct) -> bool:
    """It goes no further; what is done is done. Raises PhotoError `not_permitted`."""
    raise NotImplementedError


def due() -> list[int]:
    """The acts that have something to do now."""
    raise NotImplementedError


def run(act_id: int, *, stopping: Callable[[], bool] = lambda: False) -> None:
    """Go on with an act for a while, a handful at a time."""
    raise NotImplementedError
