"""What waits for a dependency that does not answer (`breaker`): it loses no attempt."""

from django.db.models import QuerySet

from processing.errors import PhotoError
from processing.ledger.rows import Claim
from processing.models import Upload


def park(claim: Claim, name: str, error: PhotoError) -> None:
    """new, processing → waits for the breaker of this name, without counting the attempt."""
    raise NotImplementedError


def park_waiting(rows: "QuerySet[Upload]", name: str) -> int:
    """Those of `rows` that wait to be claimed wait for the breaker from now on. Gives the number of rows."""
    raise NotImplementedError


def release(name: str, most: int | None = None) -> list[int]:
    """Those that waited for the breaker may be claimed again, the first so many of them. Gives their ids."""
    raise NotImplementedError
