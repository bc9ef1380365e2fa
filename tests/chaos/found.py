"""What a reckoning finds, and the rows of photos that it looks at."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tests.chaos.world import World

ENDED = ("completed", "failed", "cancelled")
COLUMNS = "id, job_id, name, status, error_code, source_sha256, source_width, source_height, url"


@dataclass
class Found:
    """Sentences; of how many photos, and how many files of killed processes were left for the house to tidy away."""

    photos: int = 0
    left: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def all(self) -> list[str]:
        return [*self.lost, *self.doubled, *self.wrong]

    def __str__(self) -> str:
        return "\n".join(
            f"{kind}: {sentence}" for kind in ("lost", "doubled", "wrong") for sentence in getattr(self, kind)
        )


class Row(NamedTuple):
    id: int
    job: int
    name: str
    status: str
    error: str
    sha256: str
    width: int | None
    height: int | None
    url: str


def rows_of(world: "World") -> list[Row]:
    """The photos since the last reckoning."""
    sql = f"SELECT {COLUMNS} FROM processing_upload WHERE id > {world.last_upload} ORDER BY id"
    return [Row(*row) for row in world.house.rows(sql)]
