"""How much a person may send: photos a day, bytes stored, photos in flight."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Allowed:
    """A limit and what is used of it; no limit where `limit` is None."""

    used: int
    limit: int | None


def of(owner_id: int) -> dict[str, Allowed]:
    """photos_a_day, stored_bytes, photos_in_flight."""
    raise NotImplementedError


def check(owner_id: int, photos: int, size: int = 0) -> None:
    """Whether so many photos of so many bytes may be taken in now. Must run in the transaction that takes them in.

    Raises PhotoError `limit_reached`.
    """
