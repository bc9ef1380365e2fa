"""Bring photos that lie in the bucket into the house, one by one, on the `io` worker.

Each is copied inside the bucket to a key of the house first, and the copy is what is judged and kept: whoever may still
send something under the old key changes nothing any more.
"""

from collections.abc import Callable
from contextlib import nullcontext

from processing import ledger, storage
from processing.errors import PhotoError
from processing.intake import archive, limits
from processing.intake.keep import Holding, bringing, judged, take
from processing.ledger import Claim
from processing.storage import Part, Stored


def bring_found(job_id: int, *, stopping: Callable[[], bool] = lambda: False, holding: Holding = nullcontext) -> None:
    """Bring each photo of the job that still lies elsewhere in the bucket; what cannot come fails with its reason,
    alone.

    Between two photos `stopping` is asked whether to leave the rest for the next time.
    """
    while not stopping() and (claim := ledger.claim_found(job_id)):
        with bringing(claim, holding):
            _bring(claim)
        _clear(claim)


def _bring(claim: Claim) -> None:
    key = storage.new_key(claim.owner_id, claim.job_id, "originals", "photo")  # what it is, is not known yet
    try:
        _copy(claim.bucket_key, key)
        with Part() as part:
            _read(key, part)
            if archive.is_archive(part.file):
                raise PhotoError("only_photos")
            header = judged(claim, part)
            stored = Stored(key, part.size, part.sha256)
    except BaseException:
        storage.delete([key])
        raise
    take(claim, stored, header)


def _clear(claim: Claim) -> None:
    """Remove what was sent, where nothing can come of it any more. What is imported stays."""
    is_sent = claim.bucket_key.startswith(f"{claim.owner_id}/{storage.INCOMING}/")
    if is_sent and not ledger.to_come().filter(bucket_key=claim.bucket_key).exists():
        storage.delete([claim.bucket_key])


def _copy(key: str, to: str) -> None:
    """Raises PhotoError `invalid_s3_key`, `file_too_large`, and as `storage.link` does."""
    size = storage.size(key)
    if size is None:
        raise PhotoError("invalid_s3_key")
    limits.check_size(size)
    try:
        storage.link(key, to)
    except PhotoError as error:
        if error.code != "original_missing":
            raise
        raise PhotoError("invalid_s3_key") from error


def _read(key: str, part: Part) -> None:
    """All of it. Raises PhotoError `file_too_large`, and as `storage.pieces` does."""
    for piece in storage.pieces(key):
        part.write(piece)
        limits.check_size(part.size)
