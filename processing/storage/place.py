"""Where the files of this house lie: the database remembers it, so that no machine works with another place by mistake.

A mark lies in it, a file with an id that the database remembers. A folder may be moved, or mounted elsewhere; of a
bucket, the name and the prefix belong to the id. Nothing is deleted because no row names it, where the mark has another
id or none: it may be that another house has these files, or that the database was lost.
"""

import uuid
from collections.abc import Callable

from processing.errors import PhotoError
from processing.models import BackgroundImage, Job, Remembered, Upload
from processing.storage.store import MARK, OURS, OWNER, Store

NAME = "storage"
DISK = "disk:"  # and an id
SAMPLES = 5  # files of which one must be there, where there is no mark yet


class Elsewhere(PhotoError):
    """The files of this house lie in another place than this machine's settings say."""

    def __init__(self, remembered: str) -> None:
        self.place = "another folder" if remembered.startswith(DISK) else remembered.partition("#")[0]
        super().__init__("storage_unavailable", reason=f"The files of this house lie in {self.place}")


class Foreign(PhotoError):
    """What lies here is not that of this house, as far as its database knows."""

    def __init__(self) -> None:
        super().__init__("storage_unavailable", reason="What lies there is of another house, or of a lost database")


def remembered() -> str:
    """Empty, where the house is new. Raises DatabaseError."""
    return Remembered.objects.filter(name=NAME).values_list("value", flat=True).first() or ""


def settle(here: str) -> str:
    """What is remembered: `here`, where nothing was. Raises DatabaseError."""
    if not (found := remembered()):
        Remembered.objects.bulk_create([Remembered(name=NAME, value=here)], ignore_conflicts=True)
        found = Remembered.objects.get(name=NAME).value  # another machine may have been quicker
    return found


def in_bucket(at: str) -> str:
    """What is remembered of this bucket: its name, and an id. Raises Elsewhere, DatabaseError."""
    if not (found := settle(f"{at}#{uuid.uuid4().hex}")).startswith(f"{at}#"):
        raise Elsewhere(found)
    return found


def own(store: Store, known: str) -> None:
    """The mark here has this id. It gets it where this house's photos lie here, or nothing does. Raises Foreign,
    PhotoError, DatabaseError."""
    try:
        seen = b"".join(store.pieces(MARK)).decode(errors="replace")
    except PhotoError as error:
        if error.code != "original_missing":
            raise
        seen = ""
        if holds(lambda key: store.size(key) is not None) or not is_used(store):
            store.write(MARK, [known.encode()])
            return
    if seen != known:
        raise Foreign


def holds(has: Callable[[str], bool]) -> bool | None:
    """Whether one of the newest originals or backgrounds lies here; None where there is none yet."""
    photos = Upload.objects.exclude(source="").order_by("-pk").values_list("source", flat=True)[:SAMPLES]
    grounds = BackgroundImage.objects.order_by("-pk").values_list("key", flat=True)[:SAMPLES]
    known = [*photos, *grounds]
    return any(has(key) for key in known) if known else None


def is_new() -> bool:
    """Whether this house has had nothing to keep so far."""
    return not Job.objects.exists() and not BackgroundImage.objects.exists()


def is_used(store: Store) -> bool:
    """Whether something lies here that looks like a house's."""
    owners = filter(OWNER.fullmatch, store.folders())
    return any(OURS.fullmatch(folder) for owner in owners for folder in store.folders(owner))


def forget() -> None:
    Remembered.objects.filter(name=NAME).delete()
