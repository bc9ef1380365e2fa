"""Bring the photos of a ZIP into the house, one by one, on the `io` worker."""

import zipfile
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial

from django.conf import settings

from processing import ledger, storage
from processing.errors import PhotoError
from processing.intake import archive
from processing.intake.keep import Holding, bringing, keep
from processing.ledger import Claim
from processing.models import Archive
from processing.storage import Part


def bring_archive(
    archive_id: int, *, stopping: Callable[[], bool] = lambda: False, holding: Holding = nullcontext
) -> None:
    """Bring each photo of the ZIP that is still to come; what cannot come fails with its reason, alone.

    Between two photos `stopping` is asked whether to leave the rest for the next time.
    """
    row = Archive.objects.filter(pk=archive_id).first()
    if row is None:
        return
    try:
        if not row.key:
            raise PhotoError("original_missing")
        with storage.opened(row.key) as file, archive.opened(file) as packed:
            _each(row, stopping, partial(_bring, packed, holding))
    except (PhotoError, OSError) as error:  # the ZIP itself: it fails for every photo in it
        known = error if isinstance(error, PhotoError) else PhotoError("storage_unavailable")
        _each(row, stopping, partial(ledger.fail, error=known))


def clean_archives() -> int:
    """Delete the ZIPs whose photos are all in the house; gives how many."""
    cleaned = 0
    for pk, key in list(ledger.emptied_archives().values_list("pk", "key")):
        # Asked again in the same statement, as somebody may have pressed Retry meanwhile.
        if ledger.emptied_archives().filter(pk=pk).update(key=""):
            storage.delete([key])
            cleaned += 1
    return cleaned


def _each(row: Archive, stopping: Callable[[], bool], work: Callable[[Claim], None]) -> None:
    while not stopping() and (claim := ledger.claim_source(row)):
        work(claim)


def _bring(packed: zipfile.ZipFile, holding: Holding, claim: Claim) -> None:
    assert claim.entry is not None
    with bringing(claim, holding), Part() as part:
        storage.check_space()
        for piece in archive.read_entry(packed, claim.entry, settings.MAX_FILE_BYTES):
            part.write(piece)
        keep(claim, part)
