"""Bring the photos of a ZIP into the house, one by one, on the `io` worker."""

import logging
import tempfile
import traceback
import zipfile
from collections.abc import Callable
from functools import partial
from typing import BinaryIO, cast

from django.conf import settings

from processing import ledger, storage
from processing.errors import ClaimLost, PhotoError
from processing.intake import archive, limits
from processing.ledger import Claim
from processing.models import Archive

log = logging.getLogger(__name__)
IN_MEMORY = 1_000_000  # bytes of an entry; a larger one is spooled to the disk


def bring_archive(archive_id: int, *, stopping: Callable[[], bool] = lambda: False) -> None:
    """Bring each photo of the ZIP that is still to come; what cannot come fails with its reason, alone.

    Between two photos `stopping` is asked whether to leave the rest for the next time.
    """
    row = Archive.objects.filter(pk=archive_id).first()
    if row is None:
        return
    try:
        if not row.key:
            raise PhotoError("missing_source")
        with storage.opened(row.key) as file, archive.opened(file) as packed:
            _each(row, stopping, partial(_bring, packed))
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


def _bring(packed: zipfile.ZipFile, claim: Claim) -> None:
    try:
        _unpack(packed, claim)
    except ClaimLost:
        log.info("upload %s: somebody else moved it", claim.upload_id)
    except PhotoError as error:
        ledger.fail(claim, error)
    except OSError:
        ledger.fail(claim, PhotoError("storage_unavailable"), traceback.format_exc())
    except Exception:
        log.exception("upload %s: could not be unpacked", claim.upload_id)
        ledger.fail(claim, PhotoError("internal_error"), traceback.format_exc())


def _unpack(packed: zipfile.ZipFile, claim: Claim) -> None:
    """Read the entry, judge it, keep it. Raises PhotoError, ClaimLost, OSError."""
    assert claim.entry is not None
    storage.check_space()
    with tempfile.SpooledTemporaryFile(IN_MEMORY, dir=str(settings.TMP_DIR)) as spool:
        for piece in archive.read_entry(packed, claim.entry, settings.MAX_FILE_BYTES):
            spool.write(piece)
        file = cast(BinaryIO, spool)
        header = limits.check(file, spool.tell())
        key = storage.new_key(claim.owner_id, claim.job_id, "originals", header.format)
        spool.seek(0)
        stored = storage.write(key, iter(partial(spool.read, archive.STEP), b""))
    try:
        ledger.bring(claim, stored, format=header.format, width=header.width, height=header.height)
    except ClaimLost:  # and only then: after any other failure the row may be safe already
        storage.delete([key])
        raise
