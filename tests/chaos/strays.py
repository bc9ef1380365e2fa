"""Files held against rows: none is missing, and none is left that no row names."""

from typing import TYPE_CHECKING

from processing.storage.store import OURS
from tests.chaos.found import Found

if TYPE_CHECKING:
    from tests.chaos.world import World

NAMED = " UNION ".join((
    "SELECT source FROM processing_upload", "SELECT key FROM processing_variant",
    "SELECT key FROM processing_archive", "SELECT key FROM processing_productcsv",
))  # fmt: skip
LEAVES = "SELECT key FROM processing_incoming"  # what somebody may send into the bucket, or has sent for no job


def left_over(world: "World", found: Found) -> None:
    """But for what processes that were killed had in hand, which the house tidies away after a day."""
    named, leaves = ({key for (key,) in world.house.rows(sql)} - {""} for sql in (NAMED, LEAVES))
    there = {key for key in world.stored() if OURS.match(key)}
    if missing := sorted(named - there):
        found.lost.append(f"files that rows name are missing: {missing}")
    unnamed = sorted(there - named - leaves)
    parts = list((world.folder / "tmp").glob("*.part"))
    found.left = len(unnamed) + len(parts)
    if found.left > world.may_leave:
        found.wrong.append(f"files that no row names: {unnamed} {[part.name for part in parts]}")
    if unnamed:
        world.tidy_away(unnamed)
    if kept := set(unnamed) & world.stored():
        found.wrong.append(f"files that no row names, which the house does not tidy away: {sorted(kept)}")
    for part in parts:
        part.unlink()
