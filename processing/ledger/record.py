"""What is counted (`metrics`) and logged when an attempt has ended; after the commit, so it is true."""

import logging
from collections.abc import Iterable, Sequence
from typing import Any

import structlog

from processing import metrics, variants
from processing.errors import PhotoError
from processing.ledger.rows import Claim
from processing.models import Status, Upload

log = structlog.stdlib.get_logger(__name__)


def finished(claim: Claim, files: Sequence[variants.File], facts: dict[str, Any]) -> None:
    model = str(facts.get("model", ""))
    steps = [metrics.observed("step_seconds", took, step=step, model=model) for step, took in _timings(facts)]
    ended = metrics.counted("uploads", outcome=Status.COMPLETED, code="")
    metrics.keep([ended, *_attempt("finished", claim), *(amount for step in steps for amount in step)])
    made = sum(file.stored.bytes for file in files if file.name.startswith("result"))
    _ended(claim.ids, Status.COMPLETED, claim.source_bytes, claim.seconds, memory=facts.get("memory_mb"), made=made)


def failed(claim: Claim, error: PhotoError) -> None:
    ended = metrics.counted("uploads", outcome=Status.FAILED, code=error.code)
    metrics.keep([ended, *_attempt("failed", claim)])
    _ended(claim.ids, Status.FAILED, claim.source_bytes, claim.seconds, code=error.code, reason=error.message)


def tried(claim: Claim, outcome: str, **more: Any) -> None:
    """An attempt that did not end the photo: it was brought, waits again or was given back."""
    metrics.keep(_attempt(outcome, claim))
    log.info("attempt_ended", **claim.ids, outcome=outcome, **more)


def moved(claim: Claim) -> None:
    """Somebody else has the photo: it was cancelled, deleted, or given to another worker."""
    tried(claim, "moved")


def lost(upload: Upload) -> None:
    """The worker of this attempt is gone."""
    metrics.count("attempts", outcome="lost")
    log.warning("attempt_ended", **_ids(upload), outcome="lost")


def given_up(upload: Upload, error: PhotoError) -> None:
    """It ended in nobody's hands: its last worker is gone, or it waited too long for what does not answer."""
    metrics.count("uploads", outcome=Status.FAILED, code=error.code)
    _ended(_ids(upload), Status.FAILED, upload.source_bytes or 0, None, code=error.code, reason=error.message)


def _ids(upload: Upload) -> dict[str, Any]:
    ids = {"job_id": upload.job_id, "upload_id": upload.pk, "attempt": upload.attempts}
    return ids | {"request_id": upload.job.request_id}


def cancelled(count: int) -> None:
    if count:
        metrics.count("uploads", count, outcome=Status.CANCELLED, code="cancelled")
        log.info("photos_cancelled", count=count)


def _timings(facts: dict[str, Any]) -> Iterable[tuple[str, float]]:
    timings: dict[str, float] = facts.get("timings", {})
    return timings.items()


def _attempt(outcome: str, claim: Claim) -> list[metrics.Amount]:
    """The end of an attempt; with that of the first, how long the photo had waited (no other knows)."""
    amounts = [metrics.counted("attempts", outcome=outcome)]
    if claim.waited is not None and outcome in ("finished", "failed", "again"):
        amounts += metrics.observed("queue_wait_seconds", claim.waited)
    return amounts


def _ended(ids: dict[str, Any], status: Status, size: int, seconds: float | None, *, memory: float | None = None,
           made: int = 0, **more: Any) -> None:  # fmt: skip
    """The one line of a photo that has ended. Sizes in bytes; the ratio is how many times smaller it became."""
    log.log(
        logging.WARNING if status == Status.FAILED else logging.INFO, "photo_ended", **ids, status=status.value,
        processing_time_seconds=seconds, memory_usage_mb=memory, original_size=size, processed_size=made,
        compression_ratio=round(size / made, 2) if made else None, **more,
    )  # fmt: skip
