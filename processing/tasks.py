"""What workers do: the whole way of a photo on one screen. Each takes an id and asks the database what to do."""

import time
import traceback
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import structlog
from django.conf import settings
from django.db import Error as DatabaseTrouble
from structlog.contextvars import bound_contextvars

from processing import backfill, backgrounds, breaker, bulk, housekeeping, ledger, outage, reuse, storage, variants
from processing.errors import ClaimLost, PhotoError
from processing.hooks.deliver import deliver_due
from processing.intake import bring, fetch, found, limits
from processing.pipeline.preview import OWN, small
from processing.pipeline.step import Made
from processing.recipe import Recipe
from processing.worker import keeper

if TYPE_CHECKING:
    from processing.pipeline.run import OnStep  # the models stay out of the io workers

log = structlog.stdlib.get_logger(__name__)

TURN_SECONDS = 5  # then others have theirs


def nudged(run: Callable[[int], None]) -> Callable[[int], None]:
    """What is nudged about while the database is away lies in it: it is found there, and nudged again."""

    @wraps(run)
    def running(pk: int) -> None:
        try:
            run(pk)
        except DatabaseTrouble as error:
            if not outage.told(error):
                raise

    return running


def turn() -> Callable[[], bool]:
    """Whether it is time to leave the rest for the next time: others have their turn, or the worker is to stop."""
    until = time.monotonic() + TURN_SECONDS
    return lambda: keeper.asked_to_stop or time.monotonic() > until


@nudged
def process_upload(upload_id: int) -> None:
    """One attempt at one photo. A nudge that comes twice, late or for nothing changes nothing."""
    claim = ledger.claim(upload_id)
    if claim is None:
        return
    with keeper.holding(claim), bound_contextvars(**claim.ids):
        log.info("attempt_begun", waited_seconds=claim.waited)
        try:
            _attempt(claim)
        except ClaimLost:
            ledger.moved(claim)
        except PhotoError as error:
            ledger.fail(claim, error)
        except DatabaseTrouble:  # `nudged` tells it
            raise
        except MemoryError:
            ledger.fail(claim, PhotoError("out_of_memory"))
        except Exception:
            log.exception("attempt_failed")
            ledger.fail(claim, PhotoError("internal_error"), traceback.format_exc())


def _attempt(claim: ledger.Claim) -> None:
    deadline = time.monotonic() + settings.SOFT_TIME_LIMIT

    def on_step(label: str, done: int, total: int) -> None:
        if time.monotonic() > deadline:
            raise PhotoError("timeout", seconds=settings.SOFT_TIME_LIMIT)
        keeper.at(claim, label, done, total)

    recipe = Recipe(**claim.recipe)
    work_key = reuse.key_of(claim, recipe)
    files, facts = reuse.linked(claim, work_key) or _made(claim, recipe, on_step)
    try:
        ledger.finish(claim, files, facts, work_key)
    except ClaimLost:  # and only then: after any other failure the row may be safe already
        storage.delete(file.stored.key for file in files)
        raise


def _made(claim: ledger.Claim, recipe: Recipe, on_step: "OnStep") -> tuple[list[variants.File], dict[str, Any]]:
    from processing.pipeline.run import run  # the models stay out of the io workers

    ground = backgrounds.read(claim.owner_id, recipe)
    outcome = run(storage.read(claim.source), recipe, on_step, limits=limits.house(), ground=ground)
    return [_store(claim.owner_id, claim.job_id, made) for made in outcome.files], outcome.facts


def _store(owner_id: int, job_id: int, made: Made) -> variants.File:
    key = variants.new_key(owner_id, job_id, made.name, made.format)
    return variants.File(made.name, storage.write(key, [made.data]), made.format, made.width, made.height)


@nudged
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
        log.warning("no_thumbnail", job_id=job.pk, upload_id=variant.upload_id, error=str(error))
        if error.code in ledger.OF_STORAGE and breaker.failed(breaker.STORAGE, error.message):
            variants.give_back(variant)
        else:
            variants.fail(variant, error)
    except DatabaseTrouble:  # `nudged` tells it
        raise
    except Exception:  # it is tried again, as often as a photo is
        log.exception("no_thumbnail", job_id=job.pk, upload_id=variant.upload_id)


@nudged
def unpack_archive(archive_id: int) -> None:
    """Bring photos of a ZIP into the house, for a while; the dispatcher asks again for the rest."""
    bring.bring_archive(archive_id, stopping=turn(), holding=keeper.holding)


@nudged
def fetch_photos(_: int) -> None:
    """Fetch photos from their addresses, for a while; the dispatcher asks again for the rest."""
    fetch.fetch_photos(stopping=lambda: keeper.asked_to_stop, renewing=keeper.renewing)


@nudged
def bring_found(job_id: int) -> None:
    """Bring photos of a job from where they lie in the bucket, for a while; the dispatcher asks again for the rest."""
    found.bring_found(job_id, stopping=turn(), holding=keeper.holding)


@nudged
def deliver(_: int) -> None:
    """Tell other programs what has happened, for a while; the dispatcher asks again for the rest."""
    deliver_due(stopping=lambda: keeper.asked_to_stop)


@nudged
def run_act(act_id: int) -> None:
    """Go on with what an operator asked for, for a while; the dispatcher asks again for the rest."""
    bulk.run(act_id, stopping=turn())


@nudged
def tidy(_: int) -> None:
    """What has to be done now and then."""
    housekeeping.tidy()
