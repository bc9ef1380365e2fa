"""What a person is told about the files they handed over."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from processing.errors import PhotoError
from processing.models import Job, Upload


@dataclass(frozen=True)
class Refused:
    """A file that did not come in. `detail` is the sentence and the remedy."""

    name: str
    code: str
    detail: str

    @classmethod
    def because(cls, name: str, error: PhotoError) -> Self:
        return cls(name, error.code, error.detail)


@dataclass(frozen=True)
class Elsewhere:
    """Photos that lie somewhere else: the names of those that may come in, and what makes their rows in a job, inside
    the transaction that writes them; those that may not; and how many bytes they are, where that is known."""

    names: Sequence[str]
    make: Callable[[Job], list[Upload]]
    refused: list[Refused]
    size: int = 0


@dataclass(frozen=True)
class Answer:
    """received == accepted + len(refused), always. A ZIP counts its entries, or 1 when refused as a whole.

    `job` is None where nothing was accepted.
    """

    job: Job | None
    received: int
    accepted: int
    refused: tuple[Refused, ...]

    @classmethod
    def of(cls, job: Job | None, accepted: int, refused: list[Refused]) -> Self:
        return cls(job, accepted + len(refused), accepted, tuple(refused))

    @classmethod
    def from_json(cls, job: Job | None, told: dict[str, Any]) -> Self:
        return cls.of(job, told["accepted"], [Refused(**one) for one in told["refused"]])

    def to_json(self) -> dict[str, Any]:
        return {
            "job_id": self.job and self.job.pk,
            "status": "queued",
            "received": self.received,
            "accepted": self.accepted,
            "refused": [{"name": one.name, "code": one.code, "detail": one.detail} for one in self.refused],
        }
