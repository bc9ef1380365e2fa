"""What a claimed photo that is brought (out of a ZIP, from an address, from the bucket) goes through: judged, kept,
queued."""

import errno
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace

import structlog
from django.conf import settings
from django.db import Error as DatabaseTrouble
from django.db import transaction

from processing import allowances, ledger, outage, storage
from processing.errors import ClaimLost, PhotoError
from processing.header import Header
from processing.intake import limits
from processing.ledger import Claim
from processing.models import Job, Upload
from processing.storage import Part

log = structlog.stdlib.get_logger(__name__)

Holding = Callable[[Claim], AbstractContextManager[object]]  # what keeps a claim while it lasts


@contextmanager
def bringing(claim: Claim, holding: Holding = nullcontext) -> Iterator[None]:
    """Whatever fails inside, fails this photo alone, with its reason. The claim is held meanwhile, as storage may hang
    for longer than a lease lasts, or a slow line take longer."""
    try:
        with holding(claim):
            yield
    except ClaimLost:
        ledger.moved(claim)
    except PhotoError as error:
        ledger.fail(claim, error)
    except OSError as error:
        is_full = settings.STORAGE and error.errno in (errno.ENOSPC, errno.EDQUOT)  # then this machine's own disk is
        code = "scratch_full" if is_full else "storage_unavailable"
        ledger.fail(claim, PhotoError(code), traceback.format_exc())
    except DatabaseTrouble as error:  # the photo is not to blame: its lease runs out, and it is tried again
        if not outage.told(error):
            log.exception("database_failed", **claim.ids)
    except Exception:
        log.exception("attempt_failed", **claim.ids)
        ledger.fail(claim, PhotoError("internal_error"), traceback.format_exc())


def keep(claim: Claim, part: Part) -> None:
    """The file becomes the original, where it is a photo that we take. Raises PhotoError, ClaimLost, OSError."""
    header = judged(claim, part)
    [stored] = storage.take({storage.new_key(claim.owner_id, claim.job_id, "originals", header.format): part})
    take(claim, stored, header)


def judged(claim: Claim, part: Part) -> Header:
    """What came. Raises PhotoError where it is no photo that we take, or there is no room for it."""
    header = limits.check(part.file, part.size)
    storage.check_space(part.size)
    allowances.check_room(claim.owner_id, part.size)
    return header


def take(claim: Claim, stored: storage.Stored, header: Header) -> None:
    """This file is the original from now on. Raises ClaimLost; then the file is deleted."""
    try:
        with transaction.atomic():
            kept = _kept(claim.job_id, stored)
            ledger.bring(claim, kept, format=header.format, width=header.width, height=header.height)
    except ClaimLost:  # and only then: after any other failure the row may be safe already
        storage.delete([stored.key])
        raise
    allowances.kept(claim.owner_id, stored.bytes)
    if kept is not stored:
        storage.delete([stored.key])


def _kept(job_id: int, stored: storage.Stored) -> storage.Stored:
    """The original of the job that has the same content, which equal photos share; else this one.

    Who removes photos locks their job, and keeps what another photo needs: so that none goes meanwhile, this does too.
    """
    same = Upload.objects.filter(job_id=job_id, source_sha256=stored.sha256).exclude(source="")
    if not same.exists():
        return stored
    Job.objects.select_for_update().filter(pk=job_id).first()
    key = same.values_list("source", flat=True).first()
    return replace(stored, key=key) if key else stored
