"""What workers do: the whole way of a photo on one screen. Each takes an id and asks the database what to do."""

import logging
import time
import traceback

from django.conf import settings
from django.db import Error as DatabaseTrouble

from processing import backfill, backgrounds, breaker, housekeeping, ledger, storage, variants
from processing.errors import ClaimLost, PhotoError
from processing.hooks.deliver import deliver_due
from processing.intake import bring, fetch, limits
from processing.pipeline.preview import OWN, small
from processing.pipeline.step import Made
from processing.recipe import Recipe
from processing.worker import keeper

log = logging.getLogger(__name__)

UNPACK_SECONDS = 5  # then others have their turn


def process_upload(upload_id: int) -> None:
    """One attempt at one photo. A nudge that comes twice, late or for nothing changes nothing."""
    claim = ledger.claim(upload_id)
    if claim is None:
        return
    log.info("job %s upload %s: attempt %s", claim.job_id, upload_id, claim.attempt)
    with keeper.holding(claim):
        try:
            _attempt(claim)
        except ClaimLost:
            log.info("job %s upload %s: somebody else moved it", claim.job_id, upload_id)
        except PhotoError as error:
            log.warning("job %s upload %s: %s", claim.job_id, upload_id, error)
            ledger.fail(claim, error)
        except DatabaseTrouble:  # the photo is not to blame: its lease runs out, and it is tried again
            log.exception("job %s upload %s: the database failed", claim.job_id, upload_id)
        except MemoryError:
            ledger.fail(claim, PhotoError("out_of_memory"))
        except Exception:
            log.exception("job %s upload %s", claim.job_id, upload_id)
            ledger.fail(claim, PhotoError("internal_error"), traceback.format_exc())


def _attempt(claim: ledger.Claim) -> None:
    from processing.pipeline.run import run  # the models stay out of the io workers

    deadline = time.monotonic() + settings.SOFT_TIME_LIMIT

    def on_step(label: str, done: int, total: int) -> None:
        if time.monotonic() > deadline:
            raise PhotoError("timeout", seconds=settings.SOFT_TIME_LIMIT)
        ledger.step(claim, label, done, total)

    recipe = Recipe(**claim.recipe)
    ground = backgrounds.read(claim.owner_id, recipe)
    outcome = run(storage.read(claim.source), recipe, on_step, limits=limits.house(), ground=ground)
    files = [_store(claim.owner_id, claim.job_id, made) for made in outcome.files]
    try:
        ledger.finish(claim, files, outcome.facts)
    except ClaimLost:  # and only then: after any other failure the row may be safe already
        storage.delete(file.stored.key for file in files)
        raise


def _store(owner_id: int, job_id: int, made: Made) -> variants.File:
    key = storage.new_key(owner_id, job_id, "results", made.format)
    return variants.File(made.name, storage.write(key, [made.data]), made.format, made.width, made.height)


def make_thumbnail(variant_id: int) -> None:
    """A small picture of an original or of a result: what `backfill` finds missing, the tile's above all."""
    variant = variants.claim(variant_id)
    if variant is None:
        return
    job = variant.upload.job
    try:
        key, box = backfill.origin(variant)
        judged = limits.house() if key == variant.upload.source else OWN
        made = small(storage.read(key), variant.name, box, judged)
        variants.made(variant, _store(job.owner_id, job.pk, made))
    except PhotoError as error:
        log.warning("job %s upload %s: no thumbnail: %s", job.pk, variant.upload_id, error)
        if error.code in ledger.OF_STORAGE and breaker.failed(breaker.STORAGE, error.message):
            variants.give_back(variant)
        else:
            variants.fail(variant, error)
    except Exception:  # it is tried again, as often as a photo is
        log.exception("job %s upload %s: no thumbnail", job.pk, variant.upload_id)


def unpack_archive(archive_id: int) -> None:
    """Bring photos of a ZIP into the house, for a while; the dispatcher asks again for the rest."""
    until = time.monotonic() + UNPACK_SECONDS
    bring.bring_archive(archive_id, stopping=lambda: keeper.asked_to_stop or time.monotonic() > until)


def fetch_photos(_: int) -> None:
    """Fetch photos from their addresses, for a while; the dispatcher asks again for the rest."""
    fetch.fetch_photos(stopping=lambda: keeper.asked_to_stop)


def deliver(_: int) -> None:
    """Tell other programs what has happened, for a while; the dispatcher asks again for the rest."""
    deliver_due(stopping=lambda: keeper.asked_to_stop)


def tidy(_: int) -> None:
    """What has to be done now and then."""
    housekeeping.tidy()
